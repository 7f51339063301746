"""lictord migrate: a database that moves to PostgreSQL and back, what stands in the way, and what an interruption leaves.

lictord itself is run on SQLite here; what is on PostgreSQL is looked at with psql."""

import contextlib
import json
import re
import signal
import sqlite3
import subprocess

import pytest
import requests

from audit_chain import FIELDS, follow, verify_api, verify_database
from support import BIN_DIR, CLEAN_ENVIRONMENT, eventually, run

pytestmark = pytest.mark.sqlite  # and with a PostgreSQL of its own
TERMS = {"type": "perpetual", "max_clients": 3}


class Target:
    """An empty database of the cluster."""

    made = 0

    def __init__(self, cluster):
        Target.made += 1
        self.name = f"moved_{Target.made}"
        self.cluster = cluster
        self.url = cluster.create_database(self.name)
        self.shown = self.url.replace(f":{cluster.password}@", "@")

    def sql(self, text):
        return self.cluster.sql(text, self.name)

    def number(self, text):
        return int(self.sql(text))

    def count(self, table):
        """0 also before the table is there."""
        if self.sql(f"SELECT to_regclass('{table}')") == "":
            return 0
        return self.number(f"SELECT count(*) FROM {table}")

    def events(self):
        columns = ", ".join(("sequence", "at") + FIELDS)
        rows = self.sql(f"SELECT row_to_json(e) FROM (SELECT {columns}, encode(hash, 'hex') AS hash FROM events "
                        "ORDER BY sequence) e")
        return [json.loads(row) for row in rows.splitlines()]


@pytest.fixture
def target(postgresql):
    return Target(postgresql)


def migrate(*args, limit=120, **more):
    finished = run(BIN_DIR / "lictord", "migrate", *args, limit=limit, **more)
    for secret in re.findall(r"postgresql://\w+:(\w+)@", " ".join(map(str, args))):
        assert secret not in finished.out + finished.err, "a password was shown"
    return finished


def database(server):
    return server.data / "lictor.db"


def counts_in(path):
    """{table: rows} of a database that nobody has open."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as opened:
        tables = [name for (name,) in opened.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {table: opened.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def activate(server, license_, client_id, key):
    body = {"license_key": license_["license_key"], "client_id": client_id}
    return server.call("POST", "/api/v1/licenses/activate", body, api_key=key)


def fill(server, licenses=30):
    key = server.create_api_key()["api_key"]
    made = server.create_licenses(some_policy(server), count=licenses, holder="Müller 许可")
    for number, license_ in enumerate(made):
        assert activate(server, license_, f"client-{number}", key).status_code == 200
    return made, key


def some_policy(server):
    server.admin("POST", "/policies", {"product": "demo", "name": "movable", "terms": TERMS})
    return "movable"


def start_refused(server):
    finished = run(BIN_DIR / "lictord", "--data", server.data, "--listen", "127.0.0.1:0", *server.options)
    assert finished.code == 1, finished
    return finished.err


def test_a_server_moves_to_postgresql_and_back(server, target):
    licenses, key = fill(server)
    for odd in ({"license_key": "a\0b", "client_id": "c\0d"}, {"license_key": "\ud800", "client_id": "\x7f"}):
        server.call("POST", "/api/v1/licenses/validate", odd, api_key=key)  # what PostgreSQL would not take must not be kept
    refused = migrate("--data", server.data, "--to", target.url)
    assert refused.code == 1, refused
    assert f"is in use by process {server.process.pid}" in refused.err
    assert "--prepare" in refused.err and "--take-over" in refused.err
    assert target.count("licenses") == 0

    prepared = migrate("--data", server.data, "--to", target.url, "--prepare", "--json")
    assert prepared.code == 0, prepared
    copied = json.loads(prepared.out)["copied_events"]
    assert copied >= 30
    more = server.create_license("movable")
    assert activate(server, more, "later", key).status_code == 200
    eventually(lambda: counts_in(database(server))["meta"] >= 3)  # how far the notices of expiry have come, of both kinds
    server.stop()

    before = counts_in(database(server))
    moved = migrate("--from", f"sqlite:{database(server)}", "--to", target.url, "--json")
    assert moved.code == 0, moved
    result = json.loads(moved.out)
    assert result["to"] == target.shown and result["audit_trail_is_whole"] and not result["was_moved_before"]
    assert 0 < result["copied_events"] == before["events"] - copied
    for table, rows in before.items():
        expected = {"events": rows + 1, "schema_migrations": 1, "meta": 7}.get(table, rows)
        assert target.count(table) == expected, table
    sequence, _ = follow(target.events()[:-1])
    assert (sequence, target.events()[-1]["action"]) == (result["events"], "database.moved")
    follow(target.events())
    assert target.number("SELECT count(*) FROM activations WHERE held = 1") == before["activations"]

    said = start_refused(server)
    assert f"this database was moved to {target.shown} on 20" in said
    assert f"start with DATABASE_URL={target.shown}" in said

    again = migrate("--data", server.data, "--to", target.url)
    assert again.code == 0 and "before" in again.out, again

    # And back, to where it was.
    old = server.data / "old.db"
    for suffix in ("", "-wal", "-shm"):
        part = server.data / f"lictor.db{suffix}"
        if part.exists():
            part.rename(f"{old}{suffix}")
    back = migrate("--from", target.url, "--to", f"sqlite:{database(server)}")
    assert back.code == 0, back
    assert f"sqlite:{database(server)}" in back.out
    server.start()
    actions = [event["action"] for event in verify_api(server)]
    assert actions.count("database.moved") == 2
    for number, license_ in enumerate(licenses):
        body = {"license_key": license_["license_key"], "client_id": f"client-{number}"}
        assert server.call("POST", "/api/v1/licenses/validate", body, api_key=key).status_code == 200
    assert activate(server, licenses[0], "one-more", key).status_code == 200
    refused = migrate("--from", target.url, "--to", f"sqlite:{server.data / 'third.db'}")
    assert refused.code == 1 and f"was moved to sqlite:{database(server)}" in refused.err, refused


def test_killed_anywhere_it_can_be_begun_again(server, target):
    policy = some_policy(server)
    for _ in range(3):
        server.create_licenses(policy, count=10_000)
    server.stop()
    command = [str(BIN_DIR / "lictord"), "migrate", "--data", str(server.data), "--to", target.url]
    moments = (
        lambda: target.count("meta") > 1,
        lambda: target.count("licenses") > 100,
        lambda: target.count("licenses") > 30_000,
    )
    interrupted = 0
    for moment in moments:
        process = subprocess.Popen(command, env=CLEAN_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        eventually(lambda: process.poll() is not None or moment(), limit=60, pause=0.001)
        process.kill()
        process.communicate()
        if process.returncode != -signal.SIGKILL:
            break  # it was faster
        interrupted += 1
        server.start()  # nothing has happened to the old one
        assert server.call("GET", "/ready").status_code == 200
        server.stop()
    assert interrupted > 0
    finished = migrate("--data", server.data, "--to", target.url, "--json")
    assert finished.code == 0, finished
    assert target.count("licenses") == counts_in(database(server))["licenses"] > 30_000
    follow(target.events())
    assert "was moved to" in start_refused(server)


def test_taken_over_while_it_runs_it_writes_no_more_and_stops(server, target):
    licenses, key = fill(server, 3)
    moved = migrate("--data", server.data, "--to", target.url, "--take-over")
    assert moved.code == 0, moved
    with contextlib.suppress(requests.exceptions.ConnectionError):  # it may have noticed by itself
        refused = activate(server, licenses[0], "new", key)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "UNAVAILABLE"), refused.text
    eventually(lambda: not server.running())
    assert server.process.returncode == 1, server.logs()
    server.process = None
    assert "database.moved" in server.logs() or "serves elsewhere now" in server.logs()
    events = target.events()
    assert "was moved to" in start_refused(server)
    assert target.events() == events and target.number("SELECT count(*) FROM activations") >= 3


def test_a_target_that_is_down_leaves_everything_as_it_was(server, postgresql):
    server.stop()
    gone = f"postgresql://lictor:hunter2@127.0.0.1:{postgresql.port + 1 if postgresql.port < 65535 else 1}/lictor"
    finished = migrate("--data", server.data, "--to", gone)
    assert finished.code == 1 and "can't be reached" in finished.err, finished
    server.start()


def test_without_the_right_to_make_tables_it_says_so(server, target):
    server.stop()
    target.sql("CREATE ROLE reader LOGIN PASSWORD 'hunter3'")
    try:
        url = target.url.replace(f"lictor:{target.cluster.password}@", "reader:hunter3@")
        finished = migrate("--data", server.data, "--to", url)
        assert finished.code == 1 and "permission denied" in finished.err, finished
    finally:
        target.sql("DROP ROLE reader")
    server.start()


def test_undone_while_the_new_one_never_served(server, tmp_path):
    new = tmp_path / "new.db"
    server.stop()
    to = ("--data", server.data, "--to", f"sqlite:{new}")
    assert migrate(*to).code == 0
    assert "was moved to" in start_refused(server)
    undone = migrate(*to, "--undo")
    assert undone.code == 0 and "serves again" in undone.out, undone
    server.start()
    server.create_license(some_policy(server))
    server.stop()

    assert migrate(*to).code == 0
    with contextlib.closing(sqlite3.connect(f"file:{new}?mode=ro", uri=True)) as opened:
        verify_database(opened)
    server.options = ["--database-url", f"sqlite:{new}"]
    server.start()
    server.stop()
    refused = migrate(*to, "--undo")
    assert refused.code == 1 and "has served since" in refused.err, refused
    forced = migrate(*to, "--undo", "--force")
    assert forced.code == 0 and "warning" in forced.err, forced
    assert f"was moved to sqlite:{database(server)}" in start_refused(server)
    server.options = []
    server.start()


@pytest.mark.parametrize(
    "args, said",
    [
        ([], "migrate needs --to URL"),
        (["--to", "postgresql://u:hunter2@[::1/x"], "no connection URI"),
        (["--to", "mysqll://u:hunter2@h/d"], "no engine is called mysqll"),
        (["--to", "mysql://u:hunter2@h/d"], "MySQL and MariaDB can't be moved to or from"),
        (["--to", "mariadb://u:hunter2@h/d"], "MySQL and MariaDB can't be moved to or from"),
        (["--to", "sqlite:/x", "--form", "sqlite:/y"], "did you mean --from?"),
        (["--to", "sqlite:/x", "--prepare", "--undo"], "don't go together"),
    ],
)
def test_wrong_use_sends_nothing(args, said, tmp_path):
    finished = migrate("--data", tmp_path, *args)
    assert finished.code == 2 and said in finished.err, finished
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_database_of_lictor(tmp_path):
    absent = migrate("--data", tmp_path, "--to", f"sqlite:{tmp_path}/new.db")
    assert absent.code == 1 and f"there is no database at {tmp_path}/lictor.db" in absent.err, absent
    with contextlib.closing(sqlite3.connect(tmp_path / "lictor.db")) as foreign:
        foreign.execute("CREATE TABLE a (b)")
    refused = migrate("--data", tmp_path, "--to", f"sqlite:{tmp_path}/new.db")
    assert refused.code == 1 and "belongs to another program" in refused.err, refused
    assert not (tmp_path / "new.db").exists()


def test_help_names_its_flags():
    shown = migrate("--help")
    assert shown.code == 0
    for flag in ("--from", "--to", "--prepare", "--take-over", "--undo", "--force", "--json", "--data"):
        assert flag in shown.out
