"""Redis beside two replicas on one PostgreSQL: what it spares, and that nothing it does or holds changes a decision.

`A` makes and changes licenses; `B` has seen none of them, so that each first validation there asks Redis."""

import random
import re
import sys
import time

import pytest

from metrics_text import parse_metrics
from support import ROOT, Server, eventually, seconds

sys.path.insert(0, str(ROOT / "tests" / "support"))
from database_server import MariaDb  # noqa: E402
from redis_server import RedisServer  # noqa: E402

pytestmark = pytest.mark.replicas
TIMEOUT_SECONDS = 0.05  # --redis-timeout


class Replica(Server):
    def metric(self, name, **labels):
        return parse_metrics(self.call("GET", "/metrics").text)[name, tuple(sorted(labels.items()))]

    def asked(self, result):
        return self.metric("lictor_shared_cache_requests_total", result=result)

    def code(self, license, client, fingerprint="hw-1", by="license_key"):
        """What validating answers: "ok" or a code."""
        body = {by: license[by], "client_id": client, "hardware_fingerprint": fingerprint}
        answer = self.call("POST", "/api/v1/licenses/validate", body, api_key=self.api_key)
        return "ok" if answer.status_code == 200 else answer.json()["error"]["code"]

    def activate(self, license, client, fingerprint="hw-1"):
        body = {"license_key": license["license_key"], "client_id": client, "hardware_fingerprint": fingerprint}
        answer = self.call("POST", "/api/v1/licenses/activate", body, api_key=self.api_key)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


class Site:
    """Replicas on one database, and their Redis."""

    made = 0

    def __init__(self, cluster, redis, secrets, tmp_path_factory):
        Site.made += 1
        self.cluster, self.redis = cluster, redis
        self._secrets, self._directories = secrets, tmp_path_factory
        self.database = f"redis_{Site.made}"
        self.url = cluster.create_database(self.database)
        self.replicas = []
        self.a = self.add(demo=True)
        self.a.api_key = self.a.create_api_key()["api_key"]
        self.a.admin("POST", "/policies", {"product": "demo", "name": "bound",
                                           "terms": {"type": "perpetual", "max_clients": 9, "binding": "strict"}})

    def add(self, demo=False, options=(), url=None, redis_url=None):
        where = ["--database-url", url or self.url, "--redis-url", redis_url or self.redis.url(), *options]
        replica = Replica(self._directories.mktemp("replica"), self._secrets, where, demo=demo)
        if self.replicas:
            replica.data.mkdir(mode=0o700)
            (replica.data / "admin.key").write_text(self.a.admin_key + "\n", encoding="ascii")
            (replica.data / "admin.key").chmod(0o600)
            replica.api_key = self.a.api_key
        self.replicas.append(replica)
        replica.start()
        eventually(lambda: replica.metric("lictor_redis_up") == 1)
        return replica

    def active(self, client="c1"):
        license = self.a.create_license("bound")
        self.a.activate(license, client)
        return license

    def change(self, license, what):
        self.a.admin("POST", f"/licenses/{license['license_id']}/{what}", {})

    def cast(self):
        """[(license, client, fingerprint, what validating must answer)], none of which B has seen."""
        roles = {name: self.active() for name in ("good", "suspended", "revoked", "blocked", "resumed")}
        client = self.a.admin("GET", f"/licenses/{roles['blocked']['license_id']}/clients")["clients"][0]["id"]
        self.change(roles["suspended"], "suspend")
        self.change(roles["resumed"], "suspend")
        self.change(roles["resumed"], "resume")
        self.change(roles["revoked"], "revoke")
        self.a.admin("POST", f"/clients/{client}/block", {})
        unknown = {"license_key": "AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA"}
        return [(roles["good"], "c1", "hw-1", "ok"), (roles["resumed"], "c1", "hw-1", "ok"),
                (roles["good"], "c1", "hw-2", "HARDWARE_MISMATCH"), (roles["good"], "c2", "hw-1", "CLIENT_NOT_ACTIVATED"),
                (roles["suspended"], "c1", "hw-1", "LICENSE_SUSPENDED"), (roles["revoked"], "c1", "hw-1", "LICENSE_REVOKED"),
                (roles["blocked"], "c1", "hw-1", "CLIENT_BLOCKED"), (unknown, "c1", "hw-1", "LICENSE_KEY_INVALID")]

    def entries(self):
        return sum(len(fields) - (b"k" in fields) for fields in self.redis.hashes().values())

    def kept(self, number):
        """Once that many entries are in Redis."""
        eventually(lambda: self.entries() >= number)

    def close(self):
        for replica in self.replicas:
            replica.close()


@pytest.fixture
def redis():
    if not RedisServer.available():
        pytest.skip("Redis is not installed (package redis-server): replicas with Redis are not tested")
    server = RedisServer().start()
    yield server
    server.remove()


@pytest.fixture
def site(postgresql, redis, secrets, tmp_path_factory):
    made = Site(postgresql, redis, secrets, tmp_path_factory)
    yield made
    made.close()


@pytest.fixture(scope="module")
def mariadb():
    if not MariaDb.available() or not RedisServer.available():
        pytest.skip("MariaDB or Redis is not installed (packages mariadb-server-core, redis-server)")
    cluster = MariaDb().start()
    yield cluster
    cluster.remove()


@pytest.fixture(params=["postgresql", "mariadb"])
def site_on_either(request, redis, secrets, tmp_path_factory):
    made = Site(request.getfixturevalue(request.param), redis, secrets, tmp_path_factory)
    yield made
    made.close()


def check(replica, cast):
    """Every decision is as it must be; the longest time one took."""
    longest = 0.0
    for license, client, fingerprint, expected in cast:
        begin = time.monotonic()
        assert replica.code(license, client, fingerprint) == expected, (license, client, fingerprint)
        longest = max(longest, time.monotonic() - begin)
    return longest


def test_a_replica_that_was_just_started_reads_what_others_have_read(site_on_either):
    site = site_on_either
    licenses = [site.active() for _ in range(30)]
    site.kept(60)  # each by its key and by its id
    assert not any(license["license_key"].encode() in part
                   for license in licenses
                   for name, fields in site.redis.hashes().items() for part in (name, *fields, *fields.values()))
    b = site.add()
    eventually(lambda: b.code(licenses[0], "c1") == "ok" and b.asked("hit") >= 1)  # once it has read the history back
    hits = b.asked("hit")
    for license in licenses[1:]:
        assert b.code(license, "c1") == "ok" and b.code(license, "c1") == "ok"
    assert b.asked("hit") == hits + 29 and b.asked("untrusted") <= 1, "the second time it is in memory"
    for license in licenses:
        assert b.code(license, "c2") == "CLIENT_NOT_ACTIVATED", "what is not there is not kept"
    c = site.add()
    eventually(lambda: c.code(licenses[0], "c1", by="license_id") == "ok" and c.asked("hit") >= 1)
    assert c.metric("lictor_shared_cache_dropped_total") == 0


def test_what_was_revoked_is_refused_though_redis_says_otherwise(site_on_either):
    site = site_on_either
    b = site.add()
    licenses = [site.active() for _ in range(12)]
    site.kept(24)
    old = site.redis.hashes()
    known = b.metric("lictor_feed_changes_total")
    for license, what in zip(licenses, 4 * ["revoke", "suspend", "transfer"]):
        if what == "transfer":
            site.a.call("POST", "/api/v1/licenses/deactivate", {"license_key": license["license_key"], "client_id": "c1"},
                        api_key=site.a.api_key)
        else:
            site.change(license, what)
    changed = time.monotonic()
    eventually(lambda: not site.redis.hashes(), 1.0)  # invalidated, not merely expired
    site.redis.put_back(old)
    eventually(lambda: b.metric("lictor_feed_changes_total") >= known + 12, 1.0)  # until then it can't know better
    said = [b.code(license, "c1") for license in licenses]
    assert time.monotonic() - changed < seconds(1), "within the time in which every replica must see it"
    assert said == 4 * ["LICENSE_REVOKED", "LICENSE_SUSPENDED", "CLIENT_NOT_ACTIVATED"]
    assert b.asked("untrusted") >= 12 and b.asked("hit") == 0


def test_what_a_replica_changed_itself_is_refused_there_at_once(site):
    """Before its feed has told of it, and by an entry of a client that is not in its memory."""
    b = site.add(options=["--feed-interval", "600ms"])
    own = site.active()
    site.a.activate(own, "c2")
    assert b.code(own, "c1") == "ok"
    time.sleep(0.9)  # the second activation took away what was kept of the first; and both feeds have told of it
    site.kept(2)
    kept = site.redis.hashes()
    b.admin("POST", f"/licenses/{own['license_id']}/suspend", {})
    eventually(lambda: not site.redis.hashes(), 0.3)  # or its invalidation takes away what is put back
    site.redis.put_back(kept)
    assert b.code(own, "c2") == "LICENSE_SUSPENDED"
    assert b.asked("untrusted") >= 1


def spoil(value, how, chance):
    if how == "cut":
        return value[: chance.randrange(len(value))]
    if how == "longer":
        return value + bytes([chance.randrange(256)])
    if how == "random":
        return chance.randbytes(len(value))
    at = chance.randrange(len(value))
    return value[:at] + bytes([value[at] ^ 1 << chance.randrange(8)]) + value[at + 1 :]


def test_forged_entries_change_nothing(site, postgresql, redis, secrets, tmp_path_factory):
    """Changed, cut, random, moved to another license or client, or made for another database."""
    b = site.add()
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    good = site.active()
    site.kept(2)
    of_good = site.redis.hashes()
    entry = next(fields for fields in of_good.values() if b"k" not in fields)
    (field, value), = entry.items()
    refused = [site.active() for _ in range(40)]
    site.kept(82)
    before = site.redis.hashes()
    for license in refused:
        site.change(license, "suspend")
    places = [name for name in before if name not in of_good]
    for number, name in enumerate(places):
        for own, old in before[name].items():
            new = value if number % 5 == 0 else spoil(old, ("cut", "longer", "random", "bit")[number % 4], chance)
            site.redis.command("HSET", name, own, new)
    assert [b.code(license, "c1") for license in refused] == 40 * ["LICENSE_SUSPENDED"], f"seed {seed}"
    # The entry of the client that holds a seat, in the place of one that does not; and things of other kinds.
    for name in of_good:
        site.redis.command("HSET", name, b"-", value, field[::-1], value)
    assert b.code(good, "c2") == "CLIENT_NOT_ACTIVATED"
    other = Site(postgresql, redis, secrets, tmp_path_factory)
    try:
        foreign = other.active()
        eventually(lambda: len(site.redis.hashes()) >= len(before) + 2)
        all_now = site.redis.hashes()
        theirs = [fields for name, fields in all_now.items() if name not in before]
        for name in list(of_good):
            site.redis.command("HSET", name, field, list(theirs[0].values())[-1])
        assert b.code(good, "c1") == "ok" and other.a.code(foreign, "c1") == "ok"
        for name in of_good:
            site.redis.command("DEL", name)
            site.redis.command("SET", name, b"no hash")
        c = site.add()
        assert c.code(good, "c1") == "ok" and c.asked("error") >= 0
    finally:
        other.close()


def test_a_database_that_was_set_back_is_not_taken_for_the_one_it_was(site):
    """The entry is of an event that the restored database has too, as far as its number goes."""
    license = site.active()
    site.change(license, "suspend")
    site.a.stop()
    copy = site.database + "_copy"
    site.cluster.sql(f"CREATE DATABASE {copy} TEMPLATE {site.database}")
    site.a.start()
    site.change(license, "resume")
    site.a.restart()  # with nothing in memory: what it reads is kept
    eventually(lambda: site.a.metric("lictor_redis_up") == 1)
    assert site.a.code(license, "c1") == "ok"
    site.kept(1)
    restored = site.add(url=site.cluster.url(copy))
    for _ in range(5):  # the numbers of the lost events are given again
        restored.create_license("bound")
    time.sleep(0.3)
    assert restored.code(license, "c1") == "LICENSE_SUSPENDED"
    assert restored.asked("untrusted") == 1 and restored.asked("hit") == 0


@pytest.mark.parametrize("fault", ["none", "slow", "full", "restarted empty", "restarted with an old dump", "killed",
                                   "flushed", "another password"])
def test_decisions_are_the_same_whatever_redis_does(site, fault):
    b = site.add()
    redis = site.redis
    old = site.cast()
    site.kept(2)
    if fault == "restarted with an old dump":
        redis.command("SAVE")
        for license, *_ in old[:2]:
            site.change(license, "suspend")
        old = [(license, client, hardware, {"ok": "LICENSE_SUSPENDED", "HARDWARE_MISMATCH": "LICENSE_SUSPENDED",
                                            "CLIENT_NOT_ACTIVATED": "LICENSE_SUSPENDED"}.get(expected, expected))
               for license, client, hardware, expected in old]
    if fault == "slow":
        redis.suspend()
    elif fault == "full":
        redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1")
    elif fault == "flushed":
        redis.command("FLUSHALL")
    elif fault == "another password":
        redis.password = "another"
    if fault not in ("none", "slow", "full", "flushed"):
        redis.kill()
    if fault.startswith("restarted") or fault == "another password":
        redis.start()
    if fault.startswith("restarted"):
        eventually(lambda: "redis.back" in b.logs())
    longest = check(b, old)
    new = site.cast()
    longest = max(longest, check(b, new), check(site.a, new))
    assert longest < seconds(TIMEOUT_SECONDS + 0.45), "waits for the timeout at most, and for the database"
    lost = fault in ("slow", "killed", "another password")
    assert b.metric("lictor_redis_up") == (0 if lost else 1)
    logs = b.logs()
    assert ("redis.lost" in logs) == lost or fault.startswith("restarted"), logs
    assert redis.password not in logs and site.redis.url() not in logs
    if fault == "full":  # what is read goes to Redis behind the answers
        def dropped():
            return site.a.metric("lictor_shared_cache_dropped_total")

        for _ in range(2):
            before = dropped()
            site.cast()  # with changes, which Redis is told of, between what it is to keep
            eventually(lambda: dropped() > before)
        assert len({line for line in site.a.logs().splitlines() if "redis.refused" in line}) == 1, "told once"
    if fault == "slow":
        redis.resume()
    if fault == "killed":
        redis.start()
    if fault == "full":
        redis.command("CONFIG", "SET", "maxmemory", "0")
    if fault != "another password":
        eventually(lambda: b.metric("lictor_redis_up") == 1 and site.a.metric("lictor_redis_up") == 1)
        before = b.asked("hit")

        def is_of_use_again():
            license = site.active()
            time.sleep(0.2)
            return b.code(license, "c1") == "ok" and b.asked("hit") > before

        eventually(is_of_use_again)


def test_a_slow_redis_costs_one_timeout_a_second(site):
    b = site.add(options=["--redis-timeout", "300ms"])
    licenses = [site.active() for _ in range(60)]
    site.redis.suspend()
    times = []
    for license in licenses:
        begin = time.monotonic()
        assert b.code(license, "c1") == "ok"
        times.append(time.monotonic() - begin)
    site.redis.resume()
    slow = [time for time in times if time > 0.25]
    assert len(slow) <= 1 and sum(times) < seconds(5), times
    assert b.asked("error") <= 1 and b.asked("error") + b.asked("skipped") == 60


def test_while_the_database_is_down_redis_tells_what_memory_does_not(site):
    b = site.add()
    license, refused = site.active(), site.active()
    site.change(refused, "suspend")
    site.kept(2)
    assert b.code(site.active(), "c1") == "ok"
    eventually(lambda: site.entries() >= 4)
    time.sleep(0.2)
    site.cluster.stop("immediate")
    try:
        assert b.code(license, "c1") == "ok"
        assert b.code(license, "c1", "hw-2") in ("UNAVAILABLE", "HARDWARE_MISMATCH")
        assert b.code(refused, "c1") == "UNAVAILABLE"
    finally:
        site.cluster.start()
    eventually(lambda: b.code(refused, "c1") == "LICENSE_SUSPENDED")


def test_a_user_needs_no_more_permissions_than_the_page_says(site):
    told = re.search(r"Permissions of a user of its own: `([^`]+)`", (ROOT / "docs/operations.md").read_text(encoding="utf-8"))
    site.redis.command("ACL", "SETUSER", "limited", "on", ">s%cret", *told[1].split())
    where = f"redis://limited:s%25cret@127.0.0.1:{site.redis.port}/0"
    b, c = site.add(redis_url=where), site.add(redis_url=where)
    license = site.a.create_license("bound")
    b.activate(license, "c1")
    site.kept(2)
    time.sleep(0.2)
    assert c.code(license, "c1") == "ok" and c.asked("hit") == 1
    b.admin("POST", f"/licenses/{license['license_id']}/suspend", {})
    eventually(lambda: not site.redis.hashes())
    assert "redis.refused" not in b.logs() + c.logs() and "s%cret" not in b.logs()


@pytest.mark.sqlite
def test_redis_that_is_not_there_hinders_no_start(site, start_server):
    site.redis.kill()
    begin = time.monotonic()
    where = ["--database-url", site.url, "--redis-url", site.redis.url()]
    b = Replica(site._directories.mktemp("replica"), site._secrets, where, demo=False)
    b.data.mkdir(mode=0o700)
    (b.data / "admin.key").write_text(site.a.admin_key + "\n", encoding="ascii")
    b.start()
    try:
        assert time.monotonic() - begin < seconds(5)
        eventually(lambda: "redis.lost" in b.logs())
        assert b.metric("lictor_redis_up") == 0
    finally:
        b.close()
    alone = start_server("--redis-url", "redis://127.0.0.1:1")
    assert "redis.not_used" in alone.logs()
