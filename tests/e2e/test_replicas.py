"""Several lictord on one PostgreSQL: what one changes the others know, also when the database or the way to it fails."""

import concurrent.futures
import contextlib
import hashlib
import os
import random
import signal
import socket
import stat
import statistics
import struct
import subprocess
import sys
import threading
import time

import pytest

import audit_chain
from metrics_text import parse_metrics
from support import BIN_DIR, ROOT, TIME_SCALE, Server, eventually, free_port, run, seconds
from test_faults import SteppingClock, skip_with_sanitizers
from test_race import SEATS, check_held, race, replay, told

sys.path.insert(0, str(ROOT / "tests" / "support"))
from database_server import MariaDb, PostgreSql  # noqa: E402
from tcp_proxy import TcpProxy  # noqa: E402

pytestmark = [pytest.mark.replicas, pytest.mark.sqlite]  # has a PostgreSQL of its own
SEEN_SECONDS = 1.0
VALIDATE, ACTIVATE = "/api/v1/licenses/validate", "/api/v1/licenses/activate"


class Database:
    """One database, and the servers on it."""

    made = 0

    def __init__(self, cluster, secrets, directory):
        Database.made += 1
        self.cluster, self.secrets, self.directory = cluster, secrets, directory
        self.name = f"replicas_{Database.made}"
        self.url = cluster.create_database(self.name)
        self.servers = []

    def start(self, *options, url=None, wait=True, environment=None):
        directory = self.directory / f"replica{len(self.servers)}"
        directory.mkdir()
        server = Server(directory, self.secrets, ["--database-url", url or self.url, *options], demo=False,
                        env=environment)
        if self.servers:  # the first one on a new database made the administrator's key
            key = self.servers[0].data / "admin.key"
            server.data.mkdir()
            (server.data / "admin.key").write_bytes(key.read_bytes())
            (server.data / "admin.key").chmod(0o600)
        self.servers.append(server)
        return server.start(wait)

    def through(self, proxy, **parameters):
        """Its URL by way of a proxy."""
        query = "".join(f"{'&' if number else '?'}{key}={value}" for number, (key, value) in enumerate(parameters.items()))
        return self.url.replace(f":{self.cluster.port}/", f":{proxy.port}/") + query

    def sql(self, text):
        return self.cluster.sql(text, self.name)

    @contextlib.contextmanager
    def transaction(self, text):
        """Statements whose locks are held for as long as this lasts; they are taken back then."""
        environment = {"PGPASSWORD": self.cluster.password, "PATH": os.environ["PATH"]}
        session = subprocess.Popen(
            [f"{self.cluster.programs}/psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname", self.url],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            session.stdin.write(f"BEGIN; {text};\n\\echo locked\n")
            session.stdin.flush()
            while "locked" not in (line := session.stdout.readline()):
                assert line, "psql ended"
            yield
        finally:
            session.stdin.write("ROLLBACK;\n")
            session.stdin.close()
            session.wait(10)

    def close(self):
        for server in self.servers:
            server.close()


@pytest.fixture
def database(postgresql, secrets, tmp_path):
    opened = Database(postgresql, secrets, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def proxy(postgresql):
    with contextlib.closing(TcpProxy(postgresql.port)) as made:
        yield made


def equip(server, **terms):
    """A product, a policy with these terms, and a key for clients."""
    server.admin("POST", "/products", {"name": "demo"})
    server.admin("POST", "/policies", {"product": "demo", "name": "p", "terms": {"type": "perpetual", "max_clients": 5, **terms}})
    return server.create_api_key(("license:activate", "license:validate", "usage:write"))["api_key"]


def ask(server, path, license_, key, client="c", **more):
    answer = server.call("POST", path, {"license_key": license_["license_key"], "client_id": client, **more}, key)
    return "OK" if answer.status_code == 200 else answer.json()["error"]["code"]


def seconds_until(condition, limit=10.0):
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds(limit), condition
    return time.monotonic() - began


def figure(server, name):
    (value,) = [value for (known, _), value in parse_metrics(server.call("GET", "/metrics").text).items() if known == name]
    return value


# ---- what one changes, the others know ----

CHANGES = {
    "suspend": ("POST", "/licenses/{license}/suspend", {"reason": "x"}, "LICENSE_SUSPENDED"),
    "revoke": ("POST", "/licenses/{license}/revoke", {"reason": "x"}, "LICENSE_REVOKED"),
    "an end that has come": ("PATCH", "/licenses/{license}", {"expires_at": 1_700_000_000}, "LICENSE_EXPIRED"),
    "deactivate": ("POST", "/clients/{client}/deactivate", {}, "CLIENT_NOT_ACTIVATED"),
    "block": ("POST", "/clients/{client}/block", {}, "CLIENT_BLOCKED"),
}


def change(server, license_, method, path, body):
    client = ""
    if "{client}" in path:
        (client,) = server.admin("GET", f"/licenses/{license_['license_id']}/clients")["clients"]
        client = client["id"]
    path = path.format(license=license_["license_id"], client=client)
    answer = server.call(method, f"/api/v1/admin{path}", body, server.admin_key)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_known_everywhere_within_a_second(database, name):
    method, path, body, code = CHANGES[name]
    first, second = database.start(), database.start()
    key = equip(first)
    took = []
    for _ in range(10):
        license_ = first.create_license("p", starts_at=1_600_000_000)
        assert ask(first, ACTIVATE, license_, key) == "OK"
        for _ in range(2):
            assert ask(second, VALIDATE, license_, key) == "OK"
        change(first, license_, method, path, body)
        took.append(seconds_until(lambda license_=license_: ask(second, VALIDATE, license_, key) == code))
    print(f"\n{name}: seen after {1000 * statistics.median(took):.0f} ms, at most {1000 * max(took):.0f} ms")
    assert max(took) < SEEN_SECONDS * TIME_SCALE


def test_what_hardware_a_client_has_is_known_everywhere_within_a_second(database):
    first, second = database.start(), database.start()
    key = equip(first, binding="none")
    (policy,) = first.admin("GET", "/policies?product=demo")["policies"]

    def hardware(mac):
        return {"board": hashlib.sha256(b"board").hexdigest(), "mac": hashlib.sha256(mac.encode()).hexdigest()}

    def told(server, license_, mac):
        return ask(server, VALIDATE, license_, key, hardware_fingerprint=hardware(mac))

    # Bound by an activation that takes no seat, before anybody compares.
    bound, moved = first.create_license("p"), first.create_license("p")
    assert ask(first, ACTIVATE, bound, key) == "OK"
    assert ask(first, ACTIVATE, moved, key, hardware_fingerprint=hardware("02:00:00:00:00:01")) == "OK"
    for _ in range(2):
        assert told(second, bound, "02:00:00:00:00:02") == told(second, moved, "02:00:00:00:00:01") == "OK"
    assert ask(first, ACTIVATE, bound, key, hardware_fingerprint=hardware("02:00:00:00:00:01")) == "OK"
    first.admin("PATCH", f"/policies/{policy['id']}", {"terms": {"binding": "strict"}})
    seconds_until(lambda: told(second, bound, "02:00:00:00:00:02") == "HARDWARE_MISMATCH", SEEN_SECONDS)
    assert told(second, bound, "02:00:00:00:00:01") == "OK"

    # The client's machine gets another network card, and its seat is given back and taken anew on the other replica.
    for old, new in (("1", "2"), ("2", "3"), ("3", "1")):
        old, new = (f"02:00:00:00:00:0{digit}" for digit in (old, new))
        assert told(second, moved, old) == "OK" and told(second, moved, new) == "HARDWARE_MISMATCH"
        change(first, moved, "POST", "/clients/{client}/deactivate", {})
        assert ask(first, ACTIVATE, moved, key, hardware_fingerprint=hardware(new)) == "OK"
        seconds_until(lambda old=old: told(second, moved, old) == "HARDWARE_MISMATCH", SEEN_SECONDS)
        assert told(second, moved, new) == "OK"


def test_seats_taken_on_one_are_taken_on_the_other(database):
    first, second = database.start(), database.start()
    key = equip(first, max_clients=2)
    license_ = first.create_license("p")
    assert ask(first, ACTIVATE, license_, key, "a") == "OK"
    assert ask(second, ACTIVATE, license_, key, "b") == "OK"
    for server in (first, second):
        assert ask(server, ACTIVATE, license_, key, "c") == "MAX_CLIENTS_REACHED"
    change(first, license_, "PATCH", "/licenses/{license}", {"overrides": {"max_clients": 3}})
    assert ask(second, ACTIVATE, license_, key, "c") == "OK"


def test_products_policies_and_api_keys_are_known_at_once(database):
    first, second = database.start(), database.start()
    for number in range(5):
        here, there = (first, second) if number % 2 else (second, first)
        here.admin("POST", "/products", {"name": f"product{number}"})
        there.admin("POST", "/policies", {"product": f"product{number}", "name": "p", "terms": {"max_clients": 1}})
        license_ = here.create_license("p", product=f"product{number}")
        key = there.create_api_key()
        assert ask(here, ACTIVATE, license_, key["api_key"], "a") == "OK"
        assert ask(here, ACTIVATE, license_, key["api_key"], "b") == "MAX_CLIENTS_REACHED"
        there.admin("PATCH", f"/policies/{there.admin('GET', f'/policies?product=product{number}')['policies'][0]['id']}",
                    {"terms": {"max_clients": 2}})
        assert ask(here, ACTIVATE, license_, key["api_key"], "b") == "OK", "the batch decides by the policy of the database"
        there.admin("POST", f"/api-keys/{key['id']}/revoke")
        took = seconds_until(lambda here=here, license_=license_, key=key: ask(here, VALIDATE, license_, key["api_key"], "a") == "UNAUTHENTICATED")
        assert took < SEEN_SECONDS * TIME_SCALE


def test_an_api_key_is_known_elsewhere_to_all_threads_of_a_client(database):
    """Which all come with it at once, as soon as it is made: none of them is told that there is no such key."""
    first, second = database.start(), database.start("--feed-interval", "600ms")
    equip(first)
    license_ = first.create_license("p")
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        for _ in range(5):
            key = first.create_api_key()["api_key"]
            said = list(threads.map(lambda client, key=key: ask(second, ACTIVATE, license_, key, f"c{client % 5}"), range(16)))
            assert said == 16 * ["OK"]
            time.sleep(seconds(0.7))  # a stranger's next tries are not all looked for at once


def test_what_a_replica_alone_did_is_nobody_elses(database):
    """Also when its feed reads it before the write path has noted it."""
    server = database.start("--feed-interval", "1ms")
    key = equip(server)
    licenses = [server.create_license("p") for _ in range(16)]
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        for _ in range(30):
            for path in (ACTIVATE, "/api/v1/licenses/deactivate"):
                assert set(threads.map(lambda license_, path=path: ask(server, path, license_, key), licenses)) == {"OK"}
    assert figure(server, "lictor_feed_changes_total") == 0


def test_calls_that_are_repeated_elsewhere_are_done_once(database):
    first, second = database.start(), database.start()
    key = equip(first)
    body = {"product": "demo", "policy": "p", "count": 3}
    answers = [server.call("POST", "/api/v1/admin/licenses", body, server.admin_key, {"Idempotency-Key": "same"})
               for server in (first, second, first)]
    assert [answer.status_code for answer in answers] == [answers[0].status_code] * 3
    for issued in answers[0].json()["data"]["licenses"]:
        database.secrets.add_license_key(issued["license_key"])
    made = [sorted(issued["license_id"] for issued in answer.json()["data"]["licenses"]) for answer in answers]
    assert made[0] == made[1] == made[2]
    license_ = first.create_license("p", overrides={"quotas": {"calls": {"amount": 10, "period": "total"}}})
    use = {"metric": "calls", "quantity": 4, "idempotency_key": "once"}
    totals = [server.call("POST", "/api/v1/licenses/usage", {"license_key": license_["license_key"], **use}, key).json()
              for server in (first, second)]
    assert [answer["data"]["total"] for answer in totals] == [4, 4]


# ---- without the database ----


def test_a_replica_that_is_cut_off_trusts_nothing_that_it_may_not(database, proxy):
    """With staleness 0 nothing is answered from a memory that may be old; and it needs no restart."""
    first = database.start()
    cut_off = database.start("--cache-staleness", "0", "--database-timeout", "1s", url=database.through(proxy))
    key = equip(first)
    for how in (proxy.freeze, proxy.cut):
        license_ = first.create_license("p")
        assert ask(first, ACTIVATE, license_, key) == "OK"
        for _ in range(3):
            assert ask(cut_off, VALIDATE, license_, key) == "OK"
        how()
        change(first, license_, "POST", "/licenses/{license}/revoke", {"reason": "x"})
        revoked = time.monotonic()
        last_success = 0.0
        while time.monotonic() - revoked < 3:
            began = time.monotonic()
            if ask(cut_off, VALIDATE, license_, key) == "OK":
                last_success = began - revoked
        print(f"\n{how.__name__}: last answered from memory {1000 * last_success:.0f} ms after the revocation")
        assert last_success < SEEN_SECONDS * TIME_SCALE
        assert ask(cut_off, ACTIVATE, license_, key, "d") == "UNAVAILABLE"
        proxy.heal()
        eventually(lambda license_=license_: ask(cut_off, VALIDATE, license_, key) == "LICENSE_REVOKED", 15)
        eventually(lambda license_=license_: ask(cut_off, ACTIVATE, license_, key) == "LICENSE_REVOKED", 15)


def test_a_lost_feed_alone_sends_validations_to_the_database(database):
    """Its table is locked, so that the feed reads nothing; all else can be read."""
    first = database.start()
    key = equip(first)
    license_ = first.create_license("p")
    assert ask(first, ACTIVATE, license_, key) == "OK"
    assert ask(first, VALIDATE, license_, key) == "OK"
    with database.transaction("LOCK TABLE events; UPDATE licenses SET status = 3 WHERE TRUE; COMMIT; BEGIN; LOCK TABLE events"):
        took = seconds_until(lambda: ask(first, VALIDATE, license_, key) != "OK")
        assert took < 2 * TIME_SCALE
        assert figure(first, "lictor_feed_age_seconds") > 0.2
    eventually(lambda: figure(first, "lictor_feed_age_seconds") < 0.5)


def test_keys_and_policies_are_not_believed_when_changes_can_not_be_applied(database):
    """What applies them waits for a lock that somebody else has."""
    first, second = database.start(), database.start()
    key = equip(first)
    waits, license_ = first.create_license("p"), first.create_license("p")
    used = first.create_api_key(("license:validate", "license:activate"))
    reads = first.create_api_key(("admin:read",))
    assert ask(first, ACTIVATE, license_, key) == "OK"
    eventually(lambda: ask(second, VALIDATE, license_, used["api_key"]) == "OK")
    waiting = threading.Thread(target=lambda: ask(second, ACTIVATE, waits, key))
    with database.transaction("SELECT 1 FROM licenses ORDER BY row LIMIT 1 FOR UPDATE"):
        waiting.start()
        time.sleep(0.3)
        for revoked in (used, reads):
            first.admin("POST", f"/api-keys/{revoked['id']}/revoke")
        time.sleep(SEEN_SECONDS * TIME_SCALE)
        assert ask(second, VALIDATE, license_, used["api_key"]) in ("UNAVAILABLE", "UNAUTHENTICATED")
        assert ask(second, ACTIVATE, license_, used["api_key"], "other") in ("UNAVAILABLE", "UNAUTHENTICATED")
        assert second.call("GET", "/api/v1/admin/licenses", None, reads["api_key"]).status_code in (401, 503)
    waiting.join()
    eventually(lambda: ask(second, VALIDATE, license_, used["api_key"]) == "UNAUTHENTICATED")
    eventually(lambda: ask(second, VALIDATE, license_, key) == "OK")


def test_with_the_database_down_memory_answers_for_so_long_and_no_longer(database, proxy):
    staleness = 4
    server = database.start("--cache-staleness", f"{staleness}s", "--database-timeout", "1s", url=database.through(proxy))
    key = equip(server)
    known, unknown = server.create_license("p"), server.create_license("p")
    assert ask(server, ACTIVATE, known, key) == "OK"
    assert ask(server, VALIDATE, known, key) == "OK"
    refusal, refusals = ask(server, VALIDATE, known, key, features=["missing"]), 1
    proxy.cut()
    down = time.monotonic()
    eventually(lambda: figure(server, "lictor_database_up") == 0)
    while time.monotonic() - down < staleness - 1:
        assert ask(server, VALIDATE, known, key) == "OK"
        refusals += ask(server, VALIDATE, known, key, features=["missing"]) == refusal
        answer = server.call("POST", ACTIVATE, {"license_key": known["license_key"], "client_id": "d"}, key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) >= 1
        assert ask(server, VALIDATE, unknown, key) == "UNAVAILABLE"
        ready = server.call("GET", "/ready")
        assert ready.status_code == 200 and ready.json()["data"]["database"] is False
        assert server.call("GET", "/health").status_code == 200
    took = seconds_until(lambda: ask(server, VALIDATE, known, key) == "UNAVAILABLE")
    assert time.monotonic() - down < (staleness + 1.5) * TIME_SCALE, took
    assert server.call("GET", "/ready").status_code == 503
    proxy.heal()
    eventually(lambda: ask(server, ACTIVATE, known, key, "d") == "OK")
    eventually(lambda: ask(server, VALIDATE, unknown, key, client="x") == "CLIENT_NOT_ACTIVATED")
    assert server.call("GET", "/ready").json()["data"] == {"ready": True}
    assert refusals > 1 and refusal not in ("OK", "UNAVAILABLE")

    def counted():
        answer = server.call("GET", "/api/v1/admin/reports/refusals?format=csv&code=" + refusal, api_key=server.admin_key)
        return answer.status_code == 200 and sum(int(row.rsplit(",", 1)[1]) for row in answer.text.splitlines()[1:])

    eventually(lambda: counted() == refusals)


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_the_database_goes_and_comes_back(secrets, tmp_path, how):
    if not PostgreSql.available():
        pytest.skip("PostgreSQL is not installed (package postgresql)")
    cluster = PostgreSql(fsync=True).start()
    opened = Database(cluster, secrets, tmp_path)
    try:
        server = opened.start("--database-timeout", "2s")
        key = equip(server, max_clients=None)
        license_ = server.create_license("p")
        held = []
        for number in range(6):
            assert ask(server, ACTIVATE, license_, key, f"before-{number}") == "OK"
            held.append(f"before-{number}")
            getattr(cluster, how)()
            if how == "kill":
                assert ask(server, ACTIVATE, license_, key, f"down-{number}") == "UNAVAILABLE"
                cluster.start()
            eventually(lambda number=number: ask(server, ACTIVATE, license_, key, f"after-{number}") == "OK")
            held.append(f"after-{number}")
        # Those who read try again a moment after it was away.
        eventually(lambda: server.call("GET", "/api/v1/admin/licenses?limit=1", api_key=server.admin_key).status_code == 200)
        clients = server.admin("GET", f"/licenses/{license_['license_id']}/clients?limit=100")["clients"]
        assert sorted(client["client_id"] for client in clients) == sorted(held)
        audit_chain.verify_api(server)
        opened.close()
    finally:
        cluster.remove()


def test_connections_cut_at_any_moment_lose_and_repeat_nothing(database, proxy, tmp_path):
    """Some of the cuts come between COMMIT and its answer: the database is asked what became of it."""
    server = database.start("--log-level", "error", "--database-timeout", "2s", url=database.through(proxy))
    equip(server)
    created = server.create_license("p", overrides={"max_clients": SEATS})
    chance, end = random.Random(7), time.monotonic() + 8 * TIME_SCALE
    cuts = 0
    with race(server, tmp_path, "race_for_seats", created["license_key"], {"activate": [409]}) as clients:
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.001, 0.02))
            proxy.cut_one()
            cuts += 1
        records = clients.finish()
    license_id = created["license_id"]
    held = {row for row in database.sql("SELECT client_id FROM activations WHERE held = 1").split("\n") if row}
    assert all(len(states) == 1 for states in told(records).values())
    check_held(held, records)
    assert int(database.sql("SELECT max(seats_held) FROM licenses")) == len(held) <= SEATS
    assert replay(audit_chain.verify_api(server), license_id) == held
    lost = figure(server, "lictor_database_connections_lost_total")
    print(f"\n{cuts} cuts, {lost:.0f} connections lost in use, {len(records)} records")
    assert lost > 20


# ---- background work ----


def test_one_does_the_background_work_and_another_takes_over(database):
    servers = [database.start("--statistics-interval", "1s") for _ in range(3)]
    key = equip(servers[0], lease=2)

    def leading():
        return [server for server in servers if server.running() and figure(server, "lictor_background_leader") == 1]

    eventually(lambda: len(leading()) == 1)
    for _ in range(3):
        time.sleep(0.5)
        assert len(leading()) == 1
    (leader,) = leading()
    leader.kill9()
    eventually(lambda: len(leading()) == 1)
    (next_one,) = leading()
    assert next_one is not leader
    license_ = next_one.create_license("p")
    for server in servers:
        if server.running():
            assert ask(server, ACTIVATE, license_, key, f"client {server.port}") == "OK"
    # Nobody asks for these seats again: the sweeper takes them out.
    eventually(lambda: database.sql("SELECT max(seats_held) FROM licenses") == "0", 15)
    eventually(lambda: database.sql("SELECT (SELECT sequence FROM audit_head) - (SELECT license_sequence FROM statistics)") == "0", 15)
    ended = database.sql("SELECT count(*) FROM events WHERE action = 'seat.released'")
    assert ended == "2", "each seat ends once, whoever sweeps"


def test_each_license_that_expires_is_told_of_once(database):
    """By whichever replica is at it when the others are killed."""
    servers = [database.start() for _ in range(3)]
    equip(servers[0])
    eventually(lambda: database.sql("SELECT count(*) FROM meta WHERE name LIKE 'expiry_notices.%'") == "2")
    soon = int(time.time() + seconds(4))
    ends = {"expired": soon, "expiring": soon + 14 * 86_400 + 20}  # the notice ahead comes ten seconds early, the other late
    for end in ends.values():
        for more in range(5):
            issued = servers[0].admin("POST", "/licenses", {"product": "demo", "policy": "p", "count": 100, "expires_at": end + more})
            for license_ in issued["licenses"]:
                database.secrets.add_license_key(license_["license_key"])

    def told():
        return int(database.sql("SELECT count(*) FROM events WHERE action LIKE 'license.expir%'"))

    for most in (100, 600):
        eventually(lambda most=most: told() >= most, 30)
        (leader,) = [server for server in servers if server.running() and figure(server, "lictor_background_leader") == 1]
        leader.kill9()
        eventually(lambda: any(figure(server, "lictor_background_leader") == 1 for server in servers if server.running()))
    eventually(lambda: told() == 1000, 20)
    time.sleep(2)
    for action in ends:
        assert database.sql(f"SELECT count(*), count(DISTINCT subject) FROM events WHERE action = 'license.{action}'") == "500|500"


def test_a_leader_that_hangs_leads_no_more(database):
    """Its machine answers for its connections, and it says nothing on them."""
    first = database.start()
    eventually(lambda: figure(first, "lictor_background_leader") == 1)
    second = database.start()
    key = equip(first)
    first.process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: figure(second, "lictor_background_leader") == 1, 30)
    finally:
        first.process.send_signal(signal.SIGCONT)
    eventually(lambda: figure(first, "lictor_background_leader") == 0)
    assert figure(second, "lictor_background_leader") == 1
    license_ = first.create_license("p")
    assert ask(first, ACTIVATE, license_, key) == ask(second, VALIDATE, license_, key) == "OK"


def test_servers_of_a_moved_database_stop(database, tmp_path):
    server = database.start()
    equip(server)
    moved = run(BIN_DIR / "lictord", "migrate", "--from", database.url, "--to", f"sqlite:{tmp_path}/moved.db", "--take-over")
    assert moved.code == 0, moved
    process = server.process
    eventually(lambda: process.poll() is not None)
    assert process.returncode == 1 and "database.moved" in server.logs()
    server.process = None


# ---- what it refuses to start with ----


def start_on(tmp_path, url, *options, limit=30):
    return run(BIN_DIR / "lictord", "--data", tmp_path / "data", "--listen", f"127.0.0.1:{free_port()}", "--log-file", "-",
               "--database-url", url, *options, limit=limit)


def test_databases_that_cannot_be_used_are_named(postgresql, tmp_path):
    name = "unusable"
    url = postgresql.create_database(name)
    postgresql.sql("CREATE ROLE nobody_much LOGIN PASSWORD 'secret-word'")
    postgresql.sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    postgresql.sql("CREATE DATABASE only_read TEMPLATE template0 ENCODING 'UTF8'")
    postgresql.sql("ALTER DATABASE only_read SET default_transaction_read_only = on")
    postgresql.sql("CREATE DATABASE newer TEMPLATE template0 ENCODING 'UTF8'")
    postgresql.sql("CREATE DATABASE foreign_one TEMPLATE template0 ENCODING 'UTF8'")
    postgresql.sql("CREATE TABLE stuff (a int)", "foreign_one")
    host = f"127.0.0.1:{postgresql.port}"
    closed = free_port()
    ours = url.rsplit("/", 1)[0]
    (tmp_path / "prepared").mkdir()
    with contextlib.suppress(subprocess.TimeoutExpired):
        start_on(tmp_path / "prepared", f"{ours}/newer", limit=3)
    postgresql.sql("INSERT INTO schema_migrations (version, name, applied_at) VALUES (99, 'later', 0)", "newer")
    cases = {
        f"postgresql://lictor:wrong-word@{host}/{name}": ["can't be used", "password authentication failed", host.split(":")[0],
                                                        "See user, password and database of the URL"],
        f"postgresql://lictor:wrong-word@127.0.0.1:{closed}/{name}": ["can't be reached", str(closed), "refused",
                                                                     "--wait-for-database"],
        f"postgresql://lictor:wrong-word@no-such-host.invalid/{name}": ["no-such-host.invalid"],
        f"{ours}/missing": ["missing", "does not exist"],
        f"postgresql://nobody_much:secret-word@{host}/{name}": ["permission denied"],
        f"{ours}/latin": ["encoding must be UTF8"],
        f"{ours}/only_read": ["read-only"],
        f"{ours}/newer": ["99", "newer"],
        f"{ours}/foreign_one": ["belongs to another program", "it has a table stuff"],
        "postgresql://": ["the host and the database are missing"],
        f"postgresql://lictor:wrong-word@{host}/{name}?nonsense=1": ["nonsense"],
        f"oracle://lictor:wrong-word@{host}/{name}": ["is no database that lictord knows"],
        f"postgresql://lictor:ab@wrong-word@{host}/{name}": ["an @ where none can be", "%40"],
        f"postgresql://lictor:12/wrong-word@{host}/{name}": ["an @ where none can be"],
        f"mysql://lictor:12?wrong-word@{host}/{name}": ["an @ where none can be"],
        f"postgresql://lictor:wrong-word%zz@{host}/{name}": ["no connection URI of PostgreSQL", "%XX"],
    }
    for bad, said in cases.items():
        finished = start_on(tmp_path, bad)
        assert finished.code != 0, (bad, finished)
        for part in said:
            assert part in finished.err, (bad, part, finished)
        for secret in ("wrong-word", "secret-word", postgresql.password):
            assert secret not in finished.err + finished.out, (bad, finished)


def test_what_a_fail_over_took_back_is_in_no_memory(secrets, tmp_path):
    """The standby is behind, and the replica has not yet read what it wrote itself last: nothing of it is left anywhere."""
    if not PostgreSql.available():
        pytest.skip("PostgreSQL is not installed (package postgresql)")
    primary = PostgreSql().start()
    opened = Database(primary, secrets, tmp_path)
    standby = PostgreSql(copy_of=primary).start()
    opened.url = opened.url.replace(f":{primary.port}/", f":{primary.port},127.0.0.1:{standby.port}/")
    try:
        first = opened.start("--feed-interval", "3s", "--feed-trust", "6s", "--database-timeout", "2s")
        second = opened.start("--database-timeout", "2s")
        key = equip(first, max_clients=1)
        taken, other = first.create_license("p"), first.create_license("p")
        assert ask(first, ACTIVATE, other, key, "old") == "OK"
        place = primary.sql("SELECT pg_current_wal_lsn()")
        eventually(lambda: standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{place}'::pg_lsn") == "t", 20)
        standby.listen_to(None)
        eventually(lambda: figure(first, "lictor_feed_age_seconds") > 2)
        eventually(lambda: figure(first, "lictor_feed_age_seconds") < 0.5)  # it has just read, and reads again in 3 s
        lost_key = first.create_api_key()
        assert ask(first, ACTIVATE, taken, key, "x") == "OK"
        primary.kill()
        standby.promote()
        eventually(lambda: ask(second, ACTIVATE, taken, key, "y") == "OK", 20)
        change(second, other, "POST", "/licenses/{license}/revoke", {"reason": "x"})
        for server in (first, second):
            eventually(lambda server=server: ask(server, VALIDATE, taken, key, "x") == "CLIENT_NOT_ACTIVATED", 20)
            eventually(lambda server=server: ask(server, VALIDATE, other, key, "old") == "LICENSE_REVOKED", 20)
            eventually(lambda server=server: ask(server, VALIDATE, taken, lost_key["api_key"], "y") == "UNAUTHENTICATED", 20)
            assert ask(server, VALIDATE, taken, key, "y") == "OK"
        assert "feed.another_history" in first.logs()
        audit_chain.verify_api(second)
    finally:
        opened.close()
        standby.remove()
        primary.remove()


def test_clocks_of_machines_that_differ_give_no_seat_twice(database, tmp_path):
    """One's clock is ahead by more than a lease: it goes by the database's."""
    skip_with_sanitizers()
    clock = SteppingClock(tmp_path)
    clock.set(90)
    right, ahead = database.start(), database.start(environment=clock.environment)
    key = equip(right, max_clients=1, lease=60)
    license_ = right.create_license("p")
    for _ in range(2):
        assert ask(right, ACTIVATE, license_, key, "x") == "OK"
        assert ask(ahead, ACTIVATE, license_, key, "y") == "MAX_CLIENTS_REACHED"
        assert ask(ahead, VALIDATE, license_, key, "x") == "OK"
    answer = ahead.call("POST", ACTIVATE, {"license_key": license_["license_key"], "client_id": "x"}, key).json()
    assert abs(answer["data"]["client"]["lease_expires_at"] - time.time()) < 62 * TIME_SCALE
    assert "clock.corrected" in ahead.logs() and "clock.corrected" not in right.logs()
    assert -91 < figure(ahead, "lictor_clock_correction_seconds") < -89
    assert abs(figure(right, "lictor_clock_correction_seconds")) < 0.5


def test_an_administrators_key_is_made_beside_living_servers(database, secrets, tmp_path):
    """On a machine that has nothing of the site but the database's URL."""
    server = database.start()
    data = tmp_path / "administrator" / "data"
    made = run(BIN_DIR / "lictord", "admin-key", "--data", data, "--database-url", database.url)
    assert made.code == 0, made
    key = (data / "admin.key").read_text().strip()
    secrets.add_api_key(key)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700 and stat.S_IMODE((data / "admin.key").stat().st_mode) == 0o600
    assert key not in made.out + made.err
    eventually(lambda: server.call("GET", "/api/v1/admin/api-keys", api_key=key).status_code == 200, 1)


def test_a_server_that_answers_nothing_is_named_in_time(tmp_path):
    """It lets a client in and is frozen before the first statement, as a machine that hangs."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken = []

    def parameter(name, value):
        text = f"{name}\0{value}\0".encode()
        return b"S" + struct.pack("!I", 4 + len(text)) + text

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                taken.append(connection)
                connection.recv(4096)  # the startup packet
                connection.sendall(
                    b"R" + struct.pack("!II", 8, 0) + parameter("server_version", "15.0") + parameter("in_hot_standby", "off") +
                    parameter("default_transaction_read_only", "off") + b"Z" + struct.pack("!I", 5) + b"I")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    try:
        began = time.monotonic()
        finished = start_on(tmp_path, f"postgresql://lictor@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable",
                            "--database-timeout", "1s", limit=20)
        assert finished.code not in (0, None), finished
        assert f"127.0.0.1:{port}" in finished.err and "no answer within 1000 ms" in finished.err, finished
        assert time.monotonic() - began < seconds(10) and taken
    finally:
        listener.close()
        for connection in taken:
            connection.close()


def test_a_server_that_waits_for_its_database_can_be_ended(database):
    closed = free_port()
    database.start()
    for how in (signal.SIGTERM, signal.SIGINT):
        server = database.start("--wait-for-database", url=f"postgresql://lictor@127.0.0.1:{closed}/x", wait=False)
        eventually(lambda server=server: "database.waiting" in server.logs())
        process, server.process = server.process, None
        process.send_signal(how)
        assert process.wait(seconds(15)) == 0


def test_what_waiting_does_not_mend_is_not_waited_for(postgresql, tmp_path):
    address = f"127.0.0.1:{postgresql.port}"
    for url, said in ((f"postgresql://lictor:wrong-word@{address}/postgres", "password authentication failed"),
                      (f"postgresql://lictor@{address}/postgres", "no password supplied"),
                      (postgresql.url("missing"), 'database "missing" does not exist')):
        finished = start_on(tmp_path, url, "--wait-for-database")
        assert finished.code == 1 and said in finished.err and "See user, password and database" in finished.err, finished


def test_a_database_that_may_lose_what_it_has_is_warned_of(database, secrets, tmp_path):
    database.start()
    assert "database.not_durable" in database.servers[0].logs() and "fsync is off" in database.servers[0].logs()
    safe = PostgreSql(fsync=True).start()
    opened = Database(safe, secrets, tmp_path / "safe")
    try:
        opened.directory.mkdir()
        assert "database.not_durable" not in opened.start().logs()
    finally:
        opened.close()
        safe.remove()


def test_a_mysql_server_that_only_reads_from_now_on_is_left(secrets, tmp_path):
    if not MariaDb.available():
        pytest.skip("MariaDB is not installed (package mariadb-server-core)")
    cluster = MariaDb(fsync=True, settings=("log_bin = log", "sync_binlog = 0")).start()
    opened = Database(cluster, secrets, tmp_path)

    def as_root(text):
        subprocess.run(["mariadb", "--no-defaults", f"--socket={cluster.directory}/socket", "--user=root", "--execute", text], check=True)

    try:
        server = opened.start()
        assert "database.not_durable" in server.logs() and "sync_binlog is 0" in server.logs()
        key = equip(server)
        license_ = server.create_license("p")
        assert ask(server, ACTIVATE, license_, key) == "OK"
        as_root("SET GLOBAL read_only = 1")
        assert ask(server, ACTIVATE, license_, key, "second") == "UNAVAILABLE"
        eventually(lambda: server.call("GET", "/ready").json()["data"].get("database") is False)
        assert "this server only reads" in server.logs()
        as_root("SET GLOBAL read_only = 0")
        eventually(lambda: ask(server, ACTIVATE, license_, key, "second") == "OK")
        eventually(lambda: server.call("GET", "/ready").json()["data"].get("database", True))
    finally:
        opened.close()
        cluster.remove()


def test_two_servers_share_no_data_directory(database, tmp_path):
    """The keys and the address in it are one server's, on whatever database."""
    server = database.start()
    finished = run(BIN_DIR / "lictord", "--data", server.data, "--listen", f"127.0.0.1:{free_port()}", "--log-file", "-",
                   "--database-url", database.url)
    assert finished.code == 1 and f"{server.data} is in use by process {server.process.pid}" in finished.err, finished
    assert server.url in finished.err, "where it serves"
    assert (server.data / "lictord.url").exists()


def test_it_waits_for_a_database_when_told_to(secrets, tmp_path):
    if not PostgreSql.available():
        pytest.skip("PostgreSQL is not installed (package postgresql)")
    cluster = PostgreSql().start()
    opened = Database(cluster, secrets, tmp_path)
    try:
        cluster.stop()
        server = opened.start("--wait-for-database", wait=False)
        eventually(lambda: "database.waiting" in server.logs() or "can't be reached yet" in server.logs())
        assert server.running()
        cluster.start()
        server.wait_ready()
        opened.close()
    finally:
        cluster.remove()
