"""What keeps lictord from starting: one line that names it, one that says what to do, exit code 1 (2 for what was asked
wrongly). That nothing is changed by a start that is refused is tested in test_operation.py, damage in test_faults.py."""

import contextlib
import shutil
import socket
import sqlite3
import tomllib

import pytest

from support import BIN_DIR, Server, run

DATABASE = "lictor.db"


def lictord(*args, prefix=(), env=None):
    return run(*prefix, BIN_DIR / "lictord", *args, env=env, limit=20)


def check(finished, code, line, advice=""):
    """`line` and `advice`: parts of the first and the second line."""
    assert finished.code == code, finished
    assert not finished.out, "a start that failed says nothing on stdout"
    said = finished.err.splitlines()
    assert len(said) == (2 if advice else 1) and said[0].startswith("lictord: "), finished
    for text, parts in ((said[0], line), (said[-1], [advice])):
        for part in parts:
            assert str(part) in text, finished


@pytest.fixture
def taken():
    """An address that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.quick
def test_a_port_that_is_taken(tmp_path, taken):
    finished = lictord("--data", tmp_path / "data", "--listen", taken)
    check(finished, 1, ["can't start", taken, "Address already in use"], f"another address with --listen, such as --listen 127.0.0.1:{int(taken.split(':')[1]) + 1}")


@pytest.mark.quick
@pytest.mark.parametrize("command", [["backup", "x.db"], ["admin-key"]], ids=lambda command: command[0])
def test_a_command_about_a_database_that_is_not_there(tmp_path, command):
    finished = lictord(*command, "--data", tmp_path / "nowhere")
    advice = "Name the data directory of a server with --data (by default var/lictor, from where lictord was started): the first start puts lictor.db and admin.key into it."
    check(finished, 1, [f"there is no database at {tmp_path}/nowhere/{DATABASE}"], advice)
    assert not (tmp_path / "nowhere").exists()


def test_a_first_start_that_failed_is_made_up_for(tmp_path, secrets, taken):
    """The key was written, the profile for the command line was not: the next start writes it."""
    server = Server(tmp_path, secrets)
    server.demo = False
    assert lictord("--data", server.data, "--listen", taken).code == 1
    assert (server.data / "admin.key").exists() and not (server.data / "profile.toml").exists()
    server.start()
    try:
        profile = server.data / "profile.toml"
        told = tomllib.loads(profile.read_text(encoding="utf-8"))
        assert told == {"url": server.url, "api_key_file": "admin.key"}
        profile.write_text("# mine\n", encoding="utf-8")
        server.restart()
        assert profile.read_text(encoding="utf-8") == "# mine\n", "it is the administrator's"
    finally:
        server.close()


def test_an_address_of_another_machine(tmp_path):
    finished = lictord("--data", tmp_path / "data", "--listen", "192.0.2.1:8000")
    check(finished, 1, ["192.0.2.1:8000"], "0.0.0.0 all its addresses")


def test_a_port_that_needs_a_privilege(tmp_path):
    plain = ["setpriv", "--bounding-set", "-net_bind_service", "--inh-caps=-all"]
    if shutil.which("setpriv") is None or run(*plain, "true").code != 0:
        pytest.skip("no way to give up a privilege")
    finished = lictord("--data", tmp_path / "data", "--listen", "127.0.0.1:1", prefix=plain)
    if finished.code == 1 and "Permission denied" in finished.err:
        check(finished, 1, ["127.0.0.1:1"], "Ports below 1024 need a privilege")
    else:
        pytest.skip("ports below 1024 need no privilege here")


@pytest.mark.quick
@pytest.mark.sqlite
def test_a_data_directory_in_use(server):
    for port in ("0", server.port):
        finished = lictord("--data", server.data, "--listen", f"127.0.0.1:{port}")
        beside = f"127.0.0.1:{int(server.port) + 1 if port != '0' else 8001}"
        advice = (
            f"A lictord serves it at {server.url}. Stop the other process first, or start this one beside it: "
            f"--listen {beside} --data DIR"
        )
        check(finished, 1, [server.data / DATABASE, f"process {server.process.pid}"], advice)


def test_a_directory_of_the_database_that_is_not_there(tmp_path):
    url = f"sqlite:{tmp_path}/missing/x.db"
    arguments = ["--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--database-url", url]
    started = lictord(*arguments)
    check(started, 1, [f"database {tmp_path}/missing/x.db: its directory is not there; create it for the user"])
    checked = lictord("check-config", *arguments)
    assert checked.code == 2 and checked.err == started.err, checked


def test_a_log_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    finished = lictord("--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--log-file", tmp_path / "file/x.log")
    check(finished, 1, [tmp_path / "file", "another file with --log-file"])


@pytest.mark.quick
@pytest.mark.parametrize(
    "args, env, line",
    [
        (["--lissen", "127.0.0.1:0"], {}, "unknown flag --lissen; did you mean --listen?"),
        (["--listen", "here"], {}, "option listen: \"here\" (from --listen)"),
        ([], {"LICTOR_BATCH_MAX": "0"}, "batch_max"),
        (["serve"], {}, "unexpected argument serve"),
    ],
)
def test_what_was_asked_wrongly(tmp_path, args, env, line):
    finished = lictord("--data", tmp_path / "data", *args, env=env)
    check(finished, 2, [line], "Run lictord --help for all options.")
    assert not (tmp_path / "data").exists()


@pytest.mark.sqlite
def test_a_database_of_a_newer_version(start_server):
    server = start_server()
    server.stop()
    with contextlib.closing(sqlite3.connect(server.data / DATABASE)) as database, database:
        database.execute("INSERT INTO schema_migrations (version, name, applied_at) VALUES (999, 'of tomorrow', 0)")
    finished = lictord("--data", server.data, "--listen", "127.0.0.1:0")
    check(finished, 1, [server.data / DATABASE, "999", "up to"], "a backup from before the upgrade")


def test_a_database_that_is_none(tmp_path):
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / DATABASE).write_bytes(b"No database.\n" * 1000)
    finished = lictord("--data", tmp_path / "data", "--listen", "127.0.0.1:0")
    check(finished, 1, [tmp_path / "data" / DATABASE, "damaged"], f"lictord restore FILE --data {tmp_path}/data --force")
