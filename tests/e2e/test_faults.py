"""A broken world: a full disk, a directory that may not be written, a damaged database, a clock that jumps. Each is named
clearly, nothing that was acknowledged is lost, and no seat is given twice."""

import contextlib
import random
import re
import shutil
import sqlite3
import struct
import subprocess
import threading
import time

import pytest

from file_systems import SmallFileSystem
from metrics_text import parse_metrics
from support import BIN_DIR, ROOT, Server, eventually, run, seconds

DATABASE = "lictor.db"
HOUR = 3600


def activate(server, license_, client_id, api_key):
    body = {"license_key": license_["license_key"], "client_id": client_id}
    return server.call("POST", "/api/v1/licenses/activate", body, api_key=api_key)


def validate(server, license_, client_id, api_key):
    body = {"license_key": license_["license_key"], "client_id": client_id}
    return server.call("POST", "/api/v1/licenses/validate", body, api_key=api_key)


def code_of(answer):
    return answer.json()["error"]["code"] if answer.status_code != 200 else None


def clients_of(server, license_):
    found, cursor = set(), ""
    while cursor is not None:
        page = server.admin("GET", f"/licenses/{license_['license_id']}/clients?held=true&limit=1000{cursor}")
        found |= {client["client_id"] for client in page["clients"]}
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    return found


# ---- a full disk ----


@pytest.fixture
def small_disk(secrets, tmp_path_factory):
    """A server whose data directory is a file system of 6 MiB."""
    directory = tmp_path_factory.mktemp("small")
    disk = SmallFileSystem(directory / "disk", "6m")
    server = Server(directory, secrets, ("--log-max-bytes", "65536", "--log-files", "2"))
    server.prefix, server.data_as_it_sees_it, server.data = disk.prefix, disk.inside / "data", disk.outside / "data"
    server.disk = disk
    try:
        yield server.start()
    finally:
        with contextlib.suppress(FileNotFoundError):
            disk.empty()
        try:
            server.close()
        finally:
            disk.keep(directory / "kept")
            disk.close()
            server.data = directory / "kept" / "data"


def use_up(server, license_, api_key, acknowledged, name):
    """Activations until one can't be recorded: its answer."""
    for number in range(20000):
        answer = activate(server, license_, f"{name}-{number}", api_key)
        if answer.status_code != 200:
            return answer
        acknowledged.add(f"{name}-{number}")
    raise AssertionError("the disk never was full")


@pytest.mark.sqlite
def test_a_full_disk_refuses_what_it_cannot_keep_and_recovers_at_once(small_disk):
    server = small_disk
    api_key = server.create_api_key()["api_key"]
    many = server.create_license("perpetual", overrides={"max_clients": None})
    few = server.create_license("perpetual", overrides={"max_clients": 3})
    acknowledged = set()
    for number in range(20):
        assert activate(server, many, f"before-{number}", api_key).status_code == 200
        acknowledged.add(f"before-{number}")
    assert activate(server, few, "one", api_key).status_code == 200

    for round_number in range(3):
        assert server.disk.fill() == 0
        refused = use_up(server, many, api_key, acknowledged, f"full-{round_number}")
        assert (refused.status_code, code_of(refused)) == (503, "UNAVAILABLE"), refused.text
        assert refused.headers["Retry-After"] and "nothing was recorded" in refused.json()["error"]["message"]
        assert "the disk is full" in server.logs() + (server.disk.outside.joinpath("data/logs/lictord.log").read_text())
        # What needs no writing goes on; administration is refused as clearly.
        assert validate(server, many, "before-0", api_key).status_code == 200
        assert validate(server, few, "nobody", api_key).status_code == 403
        assert server.call("GET", "/health").status_code == 200 and server.call("GET", "/metrics").status_code == 200
        assert server.admin("GET", "/status")["seats_held"] == len(acknowledged) + 1
        full = server.call("POST", "/api/v1/admin/licenses", {"product": "demo", "policy": "perpetual", "count": 500},
                           api_key=server.admin_key)
        assert (full.status_code, code_of(full)) == (503, "UNAVAILABLE"), full.text
        server.disk.empty()
        assert activate(server, many, f"after-{round_number}", api_key).status_code == 200, "it did not recover at once"
        acknowledged.add(f"after-{round_number}")
        assert server.logs().count("database.writes_again") <= round_number + 1, "what writes nothing proves nothing"
    eventually(lambda: "database.writes_again" in server.logs())

    assert clients_of(server, many) == acknowledged
    codes = [code_of(activate(server, few, name, api_key)) for name in ("one", "two", "three", "four", "five")]
    assert codes == [None, None, None, "MAX_CLIENTS_REACHED", "MAX_CLIENTS_REACHED"]


@pytest.mark.sqlite
def test_killed_on_a_full_disk_it_starts_again_with_all_it_acknowledged(small_disk):
    server = small_disk
    api_key = server.create_api_key()["api_key"]
    many = server.create_license("perpetual", overrides={"max_clients": None})
    acknowledged = {f"before-{number}" for number in range(20)}
    assert {activate(server, many, name, api_key).status_code for name in acknowledged} == {200}
    server.disk.fill()
    use_up(server, many, api_key, acknowledged, "full")
    server.kill9()
    server.disk.fill()
    server.start()  # what needs no space is served
    assert clients_of(server, many) == acknowledged
    assert validate(server, many, next(iter(acknowledged)), api_key).status_code == 200
    assert "lictord.url" in server.logs() and "No space left on device" in server.logs()
    server.disk.empty()
    assert activate(server, many, "after", api_key).status_code == 200


def test_a_first_start_on_a_full_disk_says_so(secrets, tmp_path):
    disk = SmallFileSystem(tmp_path / "disk", "1m")
    try:
        disk.fill()
        finished = run(*disk.prefix, BIN_DIR / "lictord", "--data", disk.inside / "data", "--listen", "127.0.0.1:0")
        assert finished.code == 1, finished
        assert "full" in finished.err or "No space left" in finished.err, finished
        assert str(disk.inside) in finished.err, finished
        disk.empty()
        leftovers = [path for path in disk.outside.rglob("*") if path.name in ("admin.key", "profile.toml")]
        assert not leftovers, f"half a first start is left: {leftovers}"
    finally:
        disk.close()


# ---- a directory that may not be written ----


def test_a_file_system_mounted_for_reading_is_refused_by_name(small_disk):
    server = small_disk
    license_ = server.create_license("perpetual")
    api_key = server.create_api_key()["api_key"]
    assert activate(server, license_, "kept", api_key).status_code == 200
    server.stop()
    before = {path.name: path.read_bytes() for path in server.data.glob("lictor.db*")}
    server.disk.mount_read_only(server.data_as_it_sees_it)
    finished = run(*server.prefix, BIN_DIR / "lictord", "--data", server.data_as_it_sees_it, "--listen", "127.0.0.1:0")
    assert finished.code == 1 and str(server.data_as_it_sees_it) in finished.err, finished
    assert "Read-only file system" in finished.err or "mounted for writing" in finished.err, finished
    assert server.disk.run("umount", server.data_as_it_sees_it).returncode == 0
    assert {path.name: path.read_bytes() for path in server.data.glob("lictor.db*")} == before, "it was changed"
    server.start()
    assert clients_of(server, license_) == {"kept"}


UNPRIVILEGED = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]


@pytest.mark.parametrize("part, mode", [
    ("", 0o500), pytest.param(DATABASE, 0o400, marks=pytest.mark.sqlite), ("admin.key", 0o000)])
def test_what_may_not_be_written_is_refused_by_name(start_server, part, mode):
    if shutil.which("setpriv") is None or run(*UNPRIVILEGED, "true").code != 0:
        pytest.skip("no way to run without the power to write everywhere")
    server = start_server()
    license_ = server.create_license("perpetual")
    api_key = server.create_api_key()["api_key"]
    assert activate(server, license_, "kept", api_key).status_code == 200
    server.stop()
    path = server.data / part
    was = path.stat().st_mode
    path.chmod(mode)
    for leftover in server.data.glob("lictor.db.lock"):
        leftover.unlink() if mode != 0o500 else None
    try:
        finished = run(*UNPRIVILEGED, BIN_DIR / "lictord", "--data", server.data, "--listen", "127.0.0.1:0", limit=10) \
            if part != "admin.key" else None
    except subprocess.TimeoutExpired:
        raise AssertionError("it started all the same") from None
    finally:
        path.chmod(was)
    if finished is not None:
        assert finished.code == 1 and str(server.data) in finished.err, finished
        assert "ermission" in finished.err or "for writing" in finished.err, finished
    server.start()
    assert clients_of(server, license_) == {"kept"}


# ---- a damaged database ----


@pytest.fixture(scope="module")
def sound_database(secrets, tmp_path_factory):
    """A database with some thousand records and a backup of it, made by a server that was stopped."""
    directory = tmp_path_factory.mktemp("sound")
    server = Server(directory, secrets)
    server.start()
    licenses = server.create_licenses("perpetual", count=400, overrides={"max_clients": 2})
    api_key = server.create_api_key()["api_key"]
    for license_ in licenses[:50]:
        assert activate(server, license_, "kept", api_key).status_code == 200
    backup = directory / "backup.db"
    assert run(BIN_DIR / "lictord", "backup", backup, "--data", server.data).code == 0
    server.stop()
    return server.data, backup, licenses, api_key


def page_bytes(data):
    return struct.unpack(">H", data[16:18])[0]


def no_head(data, _):
    data[: page_bytes(data)] = bytes(page_bytes(data))


def cut(data, _):
    del data[len(data) // 2 :]


def cut_in_a_page(data, _):
    del data[-1000:]


def noise_in_the_middle(data, _):
    size = page_bytes(data)
    middle = len(data) // (2 * size) * size
    data[middle : middle + 60 * size] = random.Random(7).randbytes(60 * size)


def root_of(table):
    """Breaks the first page of a table or index."""
    def damage(data, path):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            (page,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
        begin = (page - 1) * page_bytes(data)
        data[begin : begin + 100] = b"\xa5" * 100

    return damage


DAMAGES = {
    "the head": no_head,
    "the second half is gone": cut,
    "the end of a page is gone": cut_in_a_page,
    "the licenses": root_of("licenses"),
    "the index of keys": root_of("licenses_by_key"),
    "the products": root_of("products"),
    "the API keys": root_of("api_keys"),
    "the activations": root_of("activations"),
    "the events": root_of("events"),
    "noise in the middle": noise_in_the_middle,
}


@pytest.mark.sqlite
@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_database_is_named_and_a_backup_brings_it_back(secrets, tmp_path, sound_database, what):
    sound, backup, licenses, api_key = sound_database
    server = Server(tmp_path, secrets)
    shutil.copytree(sound, server.data)
    path = server.data / DATABASE
    data = bytearray(path.read_bytes())
    DAMAGES[what](data, path)
    path.write_bytes(data)

    server.start(wait=False)
    eventually(lambda: server.process.poll() is not None or "listening on" in server.stdout(), 20)
    if server.process.poll() is None:
        # It was not met at the start: who meets it is refused, and the log names the file.
        server.wait_ready()
        answers = [activate(server, license_, "new", api_key) for license_ in licenses]
        paths = ("events?limit=1000", "licenses?limit=1000", "status", "products", "api-keys")
        answers += [server.call("GET", f"/api/v1/admin/{path}", api_key=server.admin_key) for path in paths]
        assert {answer.status_code for answer in answers} <= {200, 503}, "a damaged database is no INTERNAL error"
        assert {code_of(answer) for answer in answers} <= {None, "UNAVAILABLE"}
        assert any(answer.status_code == 503 for answer in answers), "the damage was not noticed"
        said = server.logs()
        server.stop()
    else:
        assert server.process.returncode == 1
        said = server.logs()
        assert f"Restore a backup: lictord restore FILE --data {server.data} --force" in said, said
        server.process = None
    assert str(path) in said and "damaged" in said, said[-2000:]

    restored = run(BIN_DIR / "lictord", "restore", backup, "--data", server.data, "--force")
    assert restored.code == 0, restored
    server.start()
    try:
        assert all(clients_of(server, license_) == {"kept"} for license_ in licenses[:50:10])
        codes = [code_of(activate(server, licenses[0], name, api_key)) for name in ("kept", "two", "three")]
        assert codes == [None, None, "MAX_CLIENTS_REACHED"]
    finally:
        server.close()


# ---- a clock that jumps ----


class SteppingClock:
    """For a lictord with `environment`; it can be set while that runs."""

    def __init__(self, directory):
        library = directory / "stepping_clock.so"
        made = run("cc", "-shared", "-fPIC", "-O2", "-o", library, ROOT / "tests/e2e/stepping_clock.c")
        assert made.code == 0, made
        self.file = directory / "clock"
        self.environment = {"LD_PRELOAD": str(library), "TEST_CLOCK_FILE": str(self.file)}
        self.set(0)

    def set(self, offset):
        """Seconds from the machine's clock. In place: the file is mapped."""
        self.offset = offset
        with open(self.file, "r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("=q", offset))


class SteppingServer(SteppingClock):
    """A lictord on a clock of its own."""

    def __init__(self, directory, start_server):
        super().__init__(directory)
        self.server = start_server(env=self.environment)

    def time(self):
        return self.server.admin("GET", "/status")["server_time"]


def without_sanitizers():
    return "asan" not in run("ldd", BIN_DIR / "lictord").out and "tsan" not in run("ldd", BIN_DIR / "lictord").out


def skip_with_sanitizers():
    if not without_sanitizers():
        pytest.skip("a sanitizer has the clock to itself")


@pytest.fixture
def stepping(start_server, tmp_path):
    skip_with_sanitizers()
    return SteppingServer(tmp_path, start_server)


def held_now(server, license_, now):
    """Seats that count at this moment, from the database itself."""
    rows = server.database.rows(
        "SELECT a.client_id, coalesce(a.lease_expires_at, 9999999999) AS until FROM activations a "
        f"JOIN licenses l ON l.row = a.license WHERE a.held = 1 AND l.key = '{license_['license_key']}'")
    return {row["client_id"] for row in rows if row["until"] > now}


@pytest.mark.sqlite  # on a database server its clock counts: test_replicas.py
def test_steps_of_the_clock_are_named_and_give_no_seat_too_many(stepping):
    server = stepping.server
    api_key = server.create_api_key()["api_key"]
    long_ago = int(time.time()) - 1000 * HOUR
    floating = server.create_license("perpetual", overrides={"max_clients": 3, "lease": HOUR}, starts_at=long_ago)
    fixed = server.create_license("perpetual", overrides={"max_clients": 3}, starts_at=long_ago)
    rng = random.Random(11)
    kept = set()  # clients of the license without leases that were acknowledged
    most = 0
    for step in range(24):
        stepping.set(int(rng.choice([0, 2, -2, 5, -5, 26, -26, 0.5, -0.5]) * HOUR))
        now = stepping.time()
        for number in rng.sample(range(8), 8):
            answer = activate(server, floating, f"f-{number}", api_key)
            assert answer.status_code in (200, 409), answer.text
            if answer.status_code == 200:
                # At least half a lease from now; what was promised for longer, by a clock that was ahead, is kept.
                assert answer.json()["data"]["client"]["lease_expires_at"] >= now + HOUR // 2
            held = held_now(server, floating, now)
            most = max(most, len(held))
            assert len(held) <= 3, (step, held)
            answer = activate(server, fixed, f"k-{number}", api_key)
            kept |= {f"k-{number}"} if answer.status_code == 200 else set()
        assert clients_of(server, fixed) == kept and len(kept) == 3, "seats without leases know no time"
    assert most == 3
    for offset in (40 * HOUR, 0, -3 * HOUR):  # the server looks once a second
        before = server.admin("GET", "/status")["clock_steps"]
        stepping.set(offset)
        eventually(lambda seen=before: server.admin("GET", "/status")["clock_steps"] > seen)
    said = server.logs()
    assert "clock.stepped" in said and "forward" in said and "back" in said, said[-1000:]
    metrics = parse_metrics(server.call("GET", "/metrics").text)
    assert metrics["lictor_clock_steps_total", ()] >= 3
    events = server.admin("GET", "/events?limit=1000&order=asc")["events"]
    assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
    verified = server.lictor("audit", "verify")
    assert verified.code == 0, verified


def test_connections_are_opened_while_the_clock_jumps(postgresql, tmp_path):
    """libpq takes a step of the wall clock for a timeout."""
    skip_with_sanitizers()
    clock = SteppingClock(tmp_path)
    url = postgresql.create_database("jumps")
    ends = threading.Event()

    def jump():
        rng = random.Random(6)
        while not ends.wait(0.002):
            clock.set(rng.randrange(-30, 30) * HOUR)

    thread = threading.Thread(target=jump)
    thread.start()
    try:
        for number in range(5):
            made = run(BIN_DIR / "lictord", "admin-key", "--data", tmp_path / str(number), "--database-url", url,
                       env=clock.environment)
            assert made.code == 0, made
    finally:
        ends.set()
        thread.join()


def test_many_threads_while_the_clock_jumps(stepping):
    """Seats are exact all the same, and nobody gets an internal error."""
    server = stepping.server
    api_key = server.create_api_key()["api_key"]
    floating = server.create_license("perpetual", overrides={"max_clients": 4, "lease": HOUR},
                                     starts_at=int(time.time()) - 1000 * HOUR)
    ends, odd = time.monotonic() + seconds(4), []

    def work(name):
        rng = random.Random(name)
        while time.monotonic() < ends:
            client = f"c-{rng.randrange(12)}"
            operation = rng.choice([activate, activate, validate])
            answer = operation(server, floating, client, api_key)
            if answer.status_code not in (200, 403, 409):
                odd.append(answer.text)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    rng = random.Random(5)
    looked = 0
    while time.monotonic() < ends or looked <= 5:
        stepping.set(rng.randrange(-30, 30) * HOUR)
        time.sleep(0.1)
        # Between two looks at the clock it may step: only what holds by both of them counts.
        before = stepping.time()
        held = held_now(server, floating, before)
        assert len(held) <= 4, held
        looked += 1
    for thread in threads:
        thread.join()
    assert not odd, odd[:3]
    assert not re.search(r"\bERROR\b", server.logs()), server.logs()[-1000:]
