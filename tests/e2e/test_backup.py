"""lictord backup, restore and admin-key: the drill of a lost machine, and what is refused."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import threading
import time

import pytest
import requests

from audit_chain import events_in, verify_api, verify_database
from support import BIN_DIR, CLEAN_ENVIRONMENT, Server, eventually, run, seconds

DATABASE = "lictor.db"
pytestmark = pytest.mark.sqlite


def lictord(*args, limit=60):
    return run(BIN_DIR / "lictord", *args, limit=limit)


def backup(server, file, *more):
    return lictord("backup", file, "--data", server.data, *more)


def restore(file, data, *more):
    return lictord("restore", file, "--data", data, *more)


def activate(server, license_, client_id, api_key):
    body = {"license_key": license_["license_key"], "client_id": client_id}
    return server.call("POST", "/api/v1/licenses/activate", body, api_key=api_key)


@contextlib.contextmanager
def opened(path):
    """A database that nobody has open."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
        yield database


def seats_in(path):
    """{license key: clients that hold a seat}"""
    held = {}
    with opened(path) as database:
        for key, client in database.execute(
            "SELECT l.key, a.client_id FROM activations a JOIN licenses l ON l.row = a.license WHERE a.held = 1"
        ):
            held.setdefault(key, set()).add(client)
    return held


class Load:
    """Threads that activate clients of some licenses until they are told to stop, or the server is gone."""

    def __init__(self, server, licenses, api_key, threads=4):
        self.acknowledged = set()  # (license key, client); one assignment each, so a copy of it is of one moment
        self.asked = set()
        self.odd = []
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(server, licenses, api_key, number)) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, server, licenses, api_key, number):
        with requests.Session() as session:
            session.headers["X-API-Key"] = api_key
            for turn in range(1_000_000):
                if self._over.is_set():
                    return
                key, client = licenses[turn % len(licenses)]["license_key"], f"load-{number}-{turn}"
                self.asked.add((key, client))
                try:
                    answer = session.post(
                        f"{server.url}/api/v1/licenses/activate",
                        json={"license_key": key, "client_id": client},
                        timeout=seconds(30),
                    )
                except requests.exceptions.RequestException:
                    return  # it was killed
                if answer.status_code == 200:
                    self.acknowledged.add((key, client))
                elif answer.json()["error"]["code"] != "MAX_CLIENTS_REACHED":
                    self.odd.append(answer.text)

    def grow(self, by):
        goal = len(self.acknowledged) + by
        eventually(lambda: len(self.acknowledged) >= goal, limit=30)

    def join(self):
        self._over.set()
        for thread in self._threads:
            thread.join()


# ---- the drill ----


@pytest.mark.race
@pytest.mark.quick
def test_the_drill(start_server, secrets, tmp_path):
    """The machine is lost while it is in use; on another one, a backup taken shortly before goes on."""
    server = start_server("--log-level", "error")
    many = server.create_licenses("perpetual", count=5, overrides={"max_clients": None})
    few = server.create_license("perpetual", overrides={"max_clients": 3})
    client_key = server.create_api_key()["api_key"]
    load = Load(server, [*many, few], client_key)
    backups = []
    try:
        for number in range(3):
            load.grow(40)
            before = set(load.acknowledged)
            issued = server.create_license("trial", holder=f"before backup {number}")
            finished = backup(server, tmp_path / f"lictor-{number}.db", "--json")
            assert finished.code == 0 and not finished.err, finished
            backups.append((tmp_path / f"lictor-{number}.db", before, issued, json.loads(finished.out)))
        load.grow(20)
        shutil.copy(server.data / "admin.key", tmp_path / "admin.key")  # kept apart
        server.kill9()
    finally:
        load.join()
    assert not load.odd, load.odd[:3]

    for file, before, issued, told in backups:
        check_backup(file, before, load.asked, issued, told)
    file, before, issued, told = backups[-1]

    second = Server(tmp_path / "second machine", secrets)
    finished = restore(file, second.data)
    assert finished.code == 0, finished
    for said in (f"{second.data}/{DATABASE} restored from {file}", told["head"], "lictord admin-key", "Start it: "):
        assert said in finished.out, finished
    shutil.copy(tmp_path / "admin.key", second.data / "admin.key")
    second.demo = False
    second.start()
    try:
        check_restored(second, before, [*many, few], few, issued, told, client_key)
    finally:
        second.close()


def check_backup(file, before, asked, issued, told):
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(file.parent.glob("*.partial*")) and not list(file.parent.glob("*-wal"))
    with opened(file) as database:
        events = verify_database(database)
        keys = {row[0] for row in database.execute("SELECT key FROM licenses")}
    assert (told["events"], told["head"]) == (events[-1]["sequence"], events[-1]["hash"])
    assert (told["licenses"], told["bytes"], told["file"]) == (len(keys), file.stat().st_size, str(file))
    assert issued["license_key"] in keys, "it was acknowledged before the backup began"
    held = {(key, client) for key, clients in seats_in(file).items() for client in clients}
    assert before <= held, "seats that were acknowledged before the backup began are missing"
    assert held <= asked, "a seat that nobody asked for"
    granted = [event for event in events if event["action"] == "seat.granted"]
    assert len(granted) == len(held), "a seat without its event, or the other way round"


def check_restored(server, before, licenses, few, issued, told, client_key):
    events = verify_api(server)
    assert events[told["events"] - 1]["hash"] == told["head"], "the chain goes through the head that was noted"
    restored = events[told["events"]]
    assert (restored["action"], restored["actor"]) == ("database.restored", "system")
    assert json.loads(restored["detail"]) == {"events": told["events"], "head": told["head"]}
    verified = server.lictor("audit", "verify")
    assert verified.code == 0, verified
    assert server.admin("GET", f"/licenses/{issued['license_id']}")["holder"] == issued["holder"]
    by_key = {license_["license_key"]: license_ for license_ in licenses}
    for license_key, client_id in sorted(before)[:: max(1, len(before) // 40)]:
        body = {"license_key": license_key, "client_id": client_id}
        answer = server.call("POST", "/api/v1/licenses/validate", body, client_key)
        assert answer.status_code == 200, (by_key[license_key]["license_id"], client_id, answer.text)
    assert server.admin("GET", f"/licenses/{few['license_id']}")["active_clients"] == 3
    assert activate(server, few, "one too many", client_key).status_code == 409
    assert activate(server, licenses[0], "after the restore", client_key).status_code == 200
    assert server.admin("GET", "/status")["seats_held"] >= len(before)
    verify_api(server)


# ---- backup ----


@pytest.mark.quick
def test_what_backup_says(server, tmp_path):
    finished = backup(server, tmp_path / "copy.db")
    assert finished.code == 0 and not finished.err, finished
    first, *rows = finished.out.splitlines()
    assert first.startswith(f"{tmp_path}/copy.db written and verified in ")
    assert [row.split()[0] for row in rows[:4]] == ["size", "licenses", "events", "head"]
    assert "admin.key is not in it" in finished.out
    # Of a server that is stopped it is the same.
    server.stop()
    stopped = backup(server, tmp_path / "stopped.db", "--json")
    assert stopped.code == 0 and json.loads(stopped.out)["licenses"] >= 1, stopped
    server.start()


@pytest.mark.quick
def test_a_backup_that_is_there_is_replaced_only_when_told(server, tmp_path):
    file = tmp_path / "copy.db"
    assert backup(server, file).code == 0
    before = file.read_bytes()
    server.create_license("perpetual")
    refused = backup(server, file)
    assert refused.code == 1 and refused.err == f"lictord: backup: {file} exists: --force replaces it\n", refused
    assert file.read_bytes() == before
    assert backup(server, file, "--force").code == 0
    with opened(file) as old:
        assert len(verify_database(old)) > 0
    assert file.read_bytes() != before


REFUSED_TARGETS = {
    "no such directory": ("missing/copy.db", ["missing/copy.db", "No such file or directory"]),
    "a directory": ("folder", ["folder exists"]),
    "the database itself": ("data/lictor.db", ["is the database itself"]),
}


@pytest.mark.parametrize("what", REFUSED_TARGETS)
def test_where_no_backup_can_go(server, what):
    target, said = REFUSED_TARGETS[what]
    (server.directory / "folder").mkdir()
    finished = backup(server, server.directory / target)
    assert finished.code == 1 and len(finished.err.splitlines()) == 1, finished
    for part in said:
        assert part in finished.err, finished
    assert server.call("GET", "/ready").status_code == 200


def test_a_backup_of_nothing(tmp_path):
    finished = lictord("backup", tmp_path / "copy.db", "--data", tmp_path / "nowhere")
    assert finished.code == 1 and f"{tmp_path}/nowhere/{DATABASE}" in finished.err, finished
    assert not (tmp_path / "copy.db").exists() and not (tmp_path / "nowhere").exists()
    for wrong in (["backup"], ["restore"], ["backup", "a", "b"], ["backup", "a", "--forse"]):
        finished = lictord(*wrong, "--data", tmp_path)
        assert finished.code == 2 and finished.err, finished
    assert "did you mean --force?" in finished.err


def start_backup(server, file):
    command = [BIN_DIR / "lictord", "backup", file, "--data", server.data]
    return subprocess.Popen(
        [str(part) for part in command], env=CLEAN_ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one(server, tmp_path):
    server.create_licenses("perpetual", count=10_000)
    file = tmp_path / "copy.db"
    interrupted = 0

    def drafts():
        return list(tmp_path.glob("copy.db.*.partial"))

    for _ in range(5):
        process = start_backup(server, file)
        while process.poll() is None and not drafts():
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        if not file.exists():
            interrupted += 1
            (partial,) = drafts()
            finished = restore(partial, tmp_path / "elsewhere")
            if finished.code == 0:  # killed at the very end: then it is whole
                with opened(tmp_path / "elsewhere" / DATABASE) as database:
                    assert len(events_in(database)) > 10_000
            else:
                assert finished.code == 1 and str(partial) in finished.err, finished
            shutil.rmtree(tmp_path / "elsewhere", ignore_errors=True)
        for left in [file, *tmp_path.glob("copy.db*.partial*")]:
            left.unlink(missing_ok=True)
    assert interrupted > 0, "it was never caught in between"
    assert backup(server, file).code == 0 and not drafts()
    assert server.call("GET", "/ready").status_code == 200


# ---- restore ----


@pytest.fixture
def stopped(start_server, tmp_path):
    """A stopped server with one seat held, its license, an API key, and a backup from before a second seat."""
    server = start_server()
    license_ = server.create_license("perpetual")
    api_key = server.create_api_key()["api_key"]
    assert activate(server, license_, "one", api_key).status_code == 200
    file = tmp_path / "copy.db"
    assert backup(server, file).code == 0
    assert activate(server, license_, "two", api_key).status_code == 200
    server.stop()
    return server, license_, api_key, file


@pytest.mark.quick
def test_a_database_that_is_there_is_replaced_only_when_told(stopped):
    server, license_, api_key, file = stopped
    database = server.data / DATABASE
    before = database.read_bytes()
    refused = restore(file, server.data)
    assert refused.code == 1 and len(refused.err.splitlines()) == 1, refused
    assert f"there is a database at {database}: --force replaces it" in refused.err
    assert database.read_bytes() == before

    finished = restore(file, server.data, "--force")
    assert finished.code == 0 and f"{database}.previous; delete it when all is well" in finished.out, finished
    assert seats_in(f"{database}.previous")[license_["license_key"]] == {"one", "two"}
    again = restore(file, server.data, "--force")
    assert again.code == 1 and f"{database}.previous exists, from an earlier restore: move it away" in again.err, again
    server.start()
    assert seats(server, license_) == 1
    assert activate(server, license_, "three", api_key).status_code == 200
    verify_api(server)


def seats(server, license_):
    return server.admin("GET", f"/licenses/{license_['license_id']}")["active_clients"]


@pytest.mark.quick
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_restore_while_the_server_runs_is_refused(stopped, force):
    server, license_, api_key, file = stopped
    server.start()
    refused = restore(file, server.data, *force)
    assert refused.code == 1, refused
    for said in (str(server.data / DATABASE), str(server.process.pid), "Stop the other process first"):
        assert said in refused.err, refused
    assert seats(server, license_) == 2
    assert activate(server, license_, "three", api_key).status_code == 200
    assert not (server.data / f"{DATABASE}.previous").exists() and not (server.data / f"{DATABASE}.restoring").exists()


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def noise(file):
    data = bytearray(file.read_bytes())
    begin = len(data) // 8192 * 4096
    data[begin : begin + 4096] = os.urandom(4096)
    file.write_bytes(data)


def forge(file):
    """The newest event is another one than the audit head says."""
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE events SET hash = zeroblob(32) WHERE sequence = (SELECT max(sequence) FROM events)")


def make_newer(file):
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("INSERT INTO schema_migrations (version, name, applied_at) VALUES (999, 'of tomorrow', 0)")


BAD_BACKUPS = {
    "cut in half": (cut, ["damaged"]),
    "a page of noise": (noise, ["damaged"]),
    "a forged event": (forge, ["the newest event is not the one of the audit head"]),
    "of a newer version": (make_newer, ["999", "Install the lictord that wrote it or a newer one"]),
    "empty": (lambda file: file.write_bytes(b""), ["is empty"]),
    "no database": (lambda file: file.write_bytes(b"No database.\n" * 1000), [""]),
    "missing": (lambda file: file.unlink(), ["No such file or directory"]),
    "copied in use": (lambda file: file.with_name(f"{file.name}-wal").write_bytes(b"x" * 5000), ["database in use"]),
}


@pytest.mark.parametrize("what", BAD_BACKUPS)
def test_a_backup_that_is_not_whole_is_refused(stopped, tmp_path, what):
    server, license_, _, file = stopped
    spoil, said = BAD_BACKUPS[what]
    spoil(file)
    before = (server.data / DATABASE).read_bytes()
    for data, force in ((server.data, ("--force",)), (tmp_path / "fresh", ())):
        refused = restore(file, data, *force)
        assert refused.code == 1 and str(file) in refused.err, refused
        for part in said:
            assert part in refused.err, refused
        # What helps against a damaged database doesn't help here.
        assert "Restore a backup" not in refused.err, refused
    assert (server.data / DATABASE).read_bytes() == before
    assert not (tmp_path / "fresh").exists(), "nothing is made for a backup that is refused"
    server.start()
    assert seats(server, license_) == 2


def test_a_restore_that_is_killed_loses_nothing(stopped):
    """At any moment: the old database or the new one, and the next restore comes to its end."""
    server, license_, _, file = stopped
    database = server.data / DATABASE
    command = [str(part) for part in (BIN_DIR / "lictord", "restore", file, "--data", server.data, "--force")]
    for delay in range(0, 40, 4):
        process = subprocess.Popen(command, env=CLEAN_ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay / 1000)
        process.kill()
        process.wait()
        whole = [path for path in (database, server.data / f"{DATABASE}.previous") if path.exists()]
        assert any(seats_in(path)[license_["license_key"]] == {"one", "two"} for path in whole), whole
        if (server.data / f"{DATABASE}.previous").exists():
            break
    finished = restore(file, server.data, "--force")
    if finished.code != 0:  # the interrupted one had come to its end
        assert ".previous exists, from an earlier restore" in finished.err, finished
    server.start()
    assert seats(server, license_) == 1
    verify_api(server)


# ---- a lost key ----


@pytest.mark.quick
def test_a_lost_administrators_key_is_made_anew(stopped, tmp_path):
    server, license_, _, file = stopped
    lost = server.admin_key
    fresh = tmp_path / "fresh"
    finished = restore(file, fresh)
    assert f"There is no admin.key in {fresh}: put yours there, or make one with lictord admin-key" in finished.out
    server.data = fresh
    made = lictord("admin-key", "--data", fresh)
    assert made.code == 0 and f"{fresh}/admin.key holds a new administrator's API key" in made.out, made
    assert stat.S_IMODE((fresh / "admin.key").stat().st_mode) == 0o600
    assert server.admin_key not in made.out
    server.demo = False
    server.start()
    assert seats(server, license_) == 1
    refused = lictord("admin-key", "--data", fresh)
    assert refused.code == 1 and str(server.process.pid) in refused.err, refused
    # The lost one still works until it is revoked.
    answer = server.call("GET", "/api/v1/admin/api-keys", api_key=lost)
    assert answer.status_code == 200
    (first,) = [key for key in answer.json()["data"]["api_keys"] if key["name"] == "first administrator"]
    server.admin("POST", f"/api-keys/{first['id']}/revoke")
    assert server.call("GET", "/api/v1/admin/api-keys", api_key=lost).status_code == 401
    actions = [event["action"] for event in verify_api(server)]
    assert actions.count("api_key.created") >= 2 and "api_key.revoked" in actions


def test_an_administrators_key_without_a_database(tmp_path):
    finished = lictord("admin-key", "--data", tmp_path / "nowhere")
    assert finished.code == 1 and "the first start puts lictor.db and admin.key into it" in finished.err, finished
    assert not (tmp_path / "nowhere").exists()
