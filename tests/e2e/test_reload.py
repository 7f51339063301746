"""Reload by SIGHUP: what may change does, the rest is named and waits for a restart, a wrong file changes nothing, the log
file is opened anew."""

import contextlib
import json
import os
import re
import signal
import socket
import stat
import threading
import time
from pathlib import Path

import pytest
import requests

from service_manager import ServiceManager
from support import BIN_DIR, eventually, run, seconds

DAY = 86400


class Reloadable:
    """A lictord with a configuration file. What it logs is JSON; when a reload is done it tells its service manager."""

    def __init__(self, directory, start_server, text, *flags, env=None):
        self.file = directory / "lictord.toml"
        self.manager = ServiceManager(directory)
        self.flags = flags
        self.write(text)
        options = ("--config", self.file, "--log-format", "json", *flags)
        self.server = start_server(*options, env={**self.manager.environment, **(env or {})})

    def write(self, text):
        """As an editor does: the whole file at once."""
        draft = self.file.with_suffix(".new")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, self.file)

    def reload(self, text=None):
        """What it logged about it."""
        if text is not None:
            self.write(text)
        known = len(self.lines())
        ready = len(self.manager.with_variable("READY"))
        self.server.process.send_signal(signal.SIGHUP)
        self.manager.wait_for("READY", ready + 1)
        # The log is written by a thread of its own; a line about the end is the last of a reload.
        with contextlib.suppress(AssertionError):
            eventually(lambda: {"options.reloaded", "options.refused"} & self.events(known), limit=2)
        return self.lines()[known:]

    def lines(self):
        """From stderr, which no rotation moves."""
        text = (self.server.directory / f"stderr.{self.server.starts}").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def events(self, known):
        return {line["event"] for line in self.lines()[known:]}

    def close(self):
        self.manager.close()


@pytest.fixture
def reloadable(tmp_path, start_server):
    """reloadable(text of the file, flag…, env=…) → Reloadable"""
    made = []

    def start(text, *flags, **more):
        made.append(Reloadable(tmp_path, start_server, text, *flags, **more))
        return made[-1]

    yield start
    for each in made:
        each.close()


def changes(lines, event):
    return {line["option"]: (line["old"], line["new"]) for line in lines if line["event"] == event}


def counted(lines):
    (last,) = [line for line in lines if line["event"] == "options.reloaded"]
    return last["changed"], last["need_restart"]


def options_of_the_program():
    told = json.loads(run(BIN_DIR / "lictord", "check-config", "--json").out)
    return {option["name"]: option for option in told["options"]}


def ask(line, request=b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"):
    line.sendall(request)
    return line.recv(65536)


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=seconds(10))


def seconds_until_closed(line):
    """How long the peer keeps it open, and what it says before it closes."""
    began, received = time.monotonic(), b""
    while part := line.recv(65536):
        received += part
    return time.monotonic() - began, received


# ---- what may change ----


@pytest.mark.quick
def test_each_option_that_may_change_does_and_is_told(reloadable):
    wanted = {
        "max_connections": ("server.max_connections", "7", "20000", "7"),
        "header_timeout": ("server.header_timeout", '"3s"', "10s", "3s"),
        "body_timeout": ("server.body_timeout", '"4s"', "20s", "4s"),
        "idle_timeout": ("server.idle_timeout", '"5s"', "120s", "5s"),
        "write_timeout": ("server.write_timeout", '"6s"', "30s", "6s"),
        "refusals_age": ("statistics.refusals_age", '"9d"', "30d", "9d"),
        "refusals_max": ("statistics.refusals_max", "10", "100000", "10"),
        "reports_age": ("statistics.reports_age", '"11d"', "400d", "11d"),
        "statistics_interval": ("statistics.interval", '"12s"', "60s", "12s"),
        "expiry_notice": ("statistics.expiry_notice", '"3d"', "14d", "3d"),
        "log_level": ("log.level", '"debug"', "info", "debug"),
    }
    changeable = {name for name, option in options_of_the_program().items() if option["changeable"]}
    assert changeable == set(wanted), "an option is missing here"
    at_hand = reloadable("")
    lines = at_hand.reload("".join(f"{key} = {value}\n" for key, value, _, _ in wanted.values()))
    assert changes(lines, "options.changed") == {name: (old, new) for name, (_, _, old, new) in wanted.items()}
    assert counted(lines) == (len(wanted), 0)
    assert counted(at_hand.reload()) == (0, 0), "the same file again changes nothing"
    lines = at_hand.reload("")
    assert changes(lines, "options.changed") == {name: (new, old) for name, (_, _, old, new) in wanted.items()}


def test_the_level_of_the_log(reloadable):
    at_hand = reloadable('[log]\nlevel = "info"\n')
    api_key = at_hand.server.create_api_key()["api_key"]
    license_ = at_hand.server.create_license("perpetual", overrides={"max_clients": None})

    def is_logged(client_id):
        """Whether an activation makes a line; its level is info."""
        known = len(at_hand.lines())
        body = {"license_key": license_["license_key"], "client_id": client_id}
        assert at_hand.server.call("POST", "/api/v1/licenses/activate", body, api_key).status_code == 200
        time.sleep(0.3)
        return "seat.granted" in at_hand.events(known)

    assert is_logged("one")
    # Told as long as one of the two levels lets it through.
    assert changes(at_hand.reload('[log]\nlevel = "error"\n'), "options.changed") == {"log_level": ("info", "error")}
    assert not is_logged("two")
    assert changes(at_hand.reload('[log]\nlevel = "info"\n'), "options.changed") == {"log_level": ("error", "info")}
    assert is_logged("three")


@pytest.mark.quick
def test_timeouts(reloadable):
    at_hand = reloadable("")
    idle_before = connect(at_hand.server)
    assert ask(idle_before).startswith(b"HTTP/1.1 200")
    at_hand.reload('[server]\nheader_timeout = "400ms"\nbody_timeout = "700ms"\nidle_timeout = "1s"\n')

    head = connect(at_hand.server)
    head.sendall(b"GET /health HTTP/1.1\r\n")
    body = connect(at_hand.server)
    body.sendall(b"POST /api/v1/activate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
    for line, expected in ((head, 0.4), (body, 0.7)):
        took, received = seconds_until_closed(line)
        assert received.startswith(b"HTTP/1.1 408"), received
        assert took < seconds(expected + 1.5)
    # A connection that was open before: from its next request on.
    assert ask(idle_before).startswith(b"HTTP/1.1 200")
    took, received = seconds_until_closed(idle_before)
    assert received == b"" and 0.7 < took < seconds(3)
    for line in (head, body, idle_before):
        line.close()

    at_hand.reload("")
    patient = connect(at_hand.server)
    patient.sendall(b"GET /health HTTP/1.1\r\n")
    time.sleep(1.5)
    assert ask(patient, b"Host: x\r\n\r\n").startswith(b"HTTP/1.1 200"), "the old time holds again"
    patient.close()


def test_the_time_to_take_an_answer(reloadable):
    at_hand = reloadable('[server]\nwrite_timeout = "1m"\n')

    def is_closed_within(limit):
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", at_hand.server.port))
        line.setblocking(False)
        asked = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500
        end = time.monotonic() + limit
        try:
            while time.monotonic() < end:
                with contextlib.suppress(BlockingIOError):
                    line.send(asked)
                time.sleep(0.05)
            return False
        except (BrokenPipeError, ConnectionResetError):
            return True
        finally:
            line.close()

    assert not is_closed_within(2)
    at_hand.reload('[server]\nwrite_timeout = "300ms"\n')
    assert is_closed_within(seconds(8))


@pytest.mark.quick
def test_the_number_of_connections(reloadable):
    at_hand = reloadable("[server]\nmax_connections = 4\n")
    server = at_hand.server

    def open_one():
        line = connect(server)
        return line, ask(line)[9:12]

    def get_in():
        """Connections that were closed a moment ago may still count."""
        line, status = open_one()
        return line if status == b"200" else line.close()

    inside = [eventually(get_in) for _ in range(4)]
    assert open_one()[1] == b"503"
    at_hand.reload("[server]\nmax_connections = 6\n")
    inside += [eventually(get_in) for _ in range(2)]
    assert open_one()[1] == b"503"
    at_hand.reload("[server]\nmax_connections = 2\n")
    assert open_one()[1] == b"503"
    assert all(ask(line)[9:12] == b"200" for line in inside), "those that are in stay"
    for line in inside:
        line.close()
    eventually(lambda: server.call("GET", "/health").status_code == 200)


def refuse(server, api_key, count, name="nobody"):
    for number in range(count):
        body = {"license_key": "TEST-KEY-000", "client_id": f"{name}-{number}"}
        assert server.call("POST", "/api/v1/licenses/activate", body, api_key).status_code == 404


def kept(server):
    return len(server.admin("GET", "/refusals?limit=500")["refusals"])


def test_how_many_refusals_are_kept(reloadable):
    at_hand = reloadable("")
    api_key = at_hand.server.create_api_key()["api_key"]
    refuse(at_hand.server, api_key, 7, "early")
    assert kept(at_hand.server) == 7
    time.sleep(1.1)  # times are whole seconds
    refuse(at_hand.server, api_key, 5, "late")
    assert kept(at_hand.server) == 12
    at_hand.reload("[statistics]\nrefusals_max = 5\n")
    eventually(lambda: kept(at_hand.server) == 5, limit=15)
    names = {refusal["client_id"] for refusal in at_hand.server.admin("GET", "/refusals")["refusals"]}
    assert names == {f"late-{number}" for number in range(5)}, "the oldest go"


def make_older(server, days):
    """Of a stopped server: all refusals and figures so far are of that many days ago."""
    server.database.change(f"UPDATE refusals SET at = at - {days * DAY}")
    for table in ("refusal_days", "usage_days", "seat_days"):
        server.database.change(f"UPDATE {table} SET day = day - {days}")


def test_how_long_refusals_and_figures_are_kept(reloadable):
    at_hand = reloadable("")
    server = at_hand.server
    api_key = server.create_api_key(("license:activate", "usage:write"))["api_key"]
    metered = server.create_license("metered")

    def use():
        body = {"license_key": metered["license_key"], "client_id": "one"}
        assert server.call("POST", "/api/v1/licenses/activate", body, api_key).status_code == 200
        body = {"license_id": metered["license_id"], "metric": "api_calls", "quantity": 3}
        body["idempotency_key"] = f"use-{time.monotonic_ns()}"
        answer = server.call("POST", "/api/v1/licenses/usage", body, api_key)
        assert answer.status_code == 200, answer.text

    def rows(report):
        return len(server.admin("GET", f"/reports/{report}?from=1")["rows"])

    refuse(server, api_key, 4)
    use()
    server.stop()
    make_older(server, 10)
    server.start()
    refuse(server, api_key, 2)
    use()
    assert (kept(server), rows("usage"), rows("refusals")) == (6, 2, 2)
    at_hand.reload('[statistics]\nrefusals_age = "9d"\n')
    eventually(lambda: kept(server) == 2, limit=15)
    assert (rows("usage"), rows("refusals")) == (2, 2), "the figures are kept longer"
    at_hand.reload('[statistics]\nrefusals_age = "9d"\nreports_age = "9d"\n')
    eventually(lambda: (rows("usage"), rows("refusals")) == (1, 1), limit=15)
    assert kept(server) == 2


def test_how_often_seats_are_added_up(reloadable):
    at_hand = reloadable('[statistics]\ninterval = "1d"\n')
    server = at_hand.server
    license_ = server.create_license("perpetual")
    body = {"license_key": license_["license_key"], "client_id": "one"}
    api_key = server.create_api_key()["api_key"]
    assert server.call("POST", "/api/v1/licenses/activate", body, api_key).status_code == 200

    def behind():
        """Events whose seats are not in the figures yet; read beside the server, since a report would add them up."""
        (row,) = server.database.rows(
            "SELECT (SELECT sequence FROM audit_head) - (SELECT license_sequence FROM statistics) AS events")
        return row["events"]

    time.sleep(3)
    assert behind() > 0
    at_hand.reload('[statistics]\ninterval = "1s"\n')
    eventually(lambda: behind() == 0, limit=15)


# ---- what needs a restart ----

OTHER_VALUES = {
    "io_threads": ("server.io_threads", "3"),
    "max_body_bytes": ("server.max_body_bytes", "2048"),
    "shutdown_grace": ("server.shutdown_grace", '"2s"'),
    "database_url": ("database.url", '"sqlite:elsewhere.db"'),
    "wait_for_database": ("database.wait", '"on"'),
    "database_timeout": ("database.timeout", '"7s"'),
    "pool_size": ("database.pool_size", "3"),
    "pool_overflow": ("database.pool_overflow", "3"),
    "pool_recycle": ("database.pool_recycle", '"7m"'),
    "feed_interval": ("database.feed_interval", '"70ms"'),
    "feed_trust": ("database.feed_trust", '"900ms"'),
    "cache_staleness": ("database.cache_staleness", '"7m"'),
    "redis_url": ("redis.url", '"redis://127.0.0.1:1"'),
    "redis_timeout": ("redis.timeout", '"70ms"'),
    "shared_cache_ttl": ("redis.cache_ttl", '"7m"'),
    "read_threads": ("database.read_threads", "3"),
    "batch_max": ("database.batch_max", "7"),
    "queue_max": ("database.queue_max", "77"),
    "checkpoint_pages": ("database.checkpoint_pages", "777"),
    "cache_licenses": ("cache.licenses", "1000"),
    "cache_activations": ("cache.activations", "1000"),
    "log_file": ("log.file", '"elsewhere.log"'),
    "log_max_bytes": ("log.max_bytes", "100000"),
    "log_files": ("log.files", "3"),
    "log_stderr": ("log.stderr", "false"),
}
# Given as flags by every test, which the file doesn't change; or not for a file.
BY_FLAG = {"listen", "data", "config", "demo", "log_format"}


@pytest.mark.quick
def test_what_needs_a_restart_is_named_and_stays_as_it_is(reloadable, tmp_path):
    fixed = {name for name, option in options_of_the_program().items() if not option["changeable"]}
    assert fixed == set(OTHER_VALUES) | BY_FLAG, "an option is missing here"
    at_hand = reloadable("")
    server = at_hand.server
    text = "".join(f"{key} = {value}\n" for key, value in OTHER_VALUES.values())
    lines = at_hand.reload(text + 'server.listen = "127.0.0.1:1"\nlog.level = "debug"\nlog.format = "human"\n')
    named = changes(lines, "options.need_restart")
    assert set(named) == set(OTHER_VALUES)
    assert named["batch_max"] == ("256", "7") and named["max_body_bytes"] == ("65536", "2048")
    assert {line["level"] for line in lines if line["event"] == "options.need_restart"} == {"warning"}
    assert changes(lines, "options.changed") == {"log_level": ("info", "debug")}, "what may change does all the same"
    assert counted(lines) == (1, len(OTHER_VALUES))

    large = {"license_key": "TEST-KEY-001", "client_id": "x" * 4000}
    assert server.call("POST", "/api/v1/activate", large).status_code != 413
    assert server.admin("GET", "/status")["licenses"] >= 1, "the database is the old one"
    assert not (tmp_path / "elsewhere.db").exists() and (server.data / "logs/lictord.log").stat().st_size > 0
    assert set(changes(at_hand.reload(), "options.need_restart")) == set(OTHER_VALUES), "told again until it holds"

    at_hand.write("[server]\nmax_body_bytes = 2048\n")
    server.restart()
    assert server.call("POST", "/api/v1/activate", large).status_code == 413
    assert counted(at_hand.reload()) == (0, 0)


def test_a_flag_and_the_environment_go_before_the_file(reloadable):
    at_hand = reloadable("", "--max-connections", "100", env={"LICTOR_IDLE_TIMEOUT": "50s"})
    lines = at_hand.reload('[server]\nmax_connections = 1\nidle_timeout = "100ms"\nheader_timeout = "9s"\n')
    assert changes(lines, "options.changed") == {"header_timeout": ("10s", "9s")}
    assert counted(lines) == (1, 0)


# ---- a file that is wrong ----


@pytest.mark.quick
@pytest.mark.parametrize(
    "text, said",
    [
        ('[log]\nlevel = "debug"\n[server\n', ["lictord.toml"]),
        ('[log]\nlevel = "debug"\n[servr]\nlisten = 1\n', ["servr", "did you mean server?"]),
        ('[log]\nlevel = "debug"\nfromat = "json"\n', ["log.fromat", "did you mean log.format?"]),
        ('[log]\nlevel = "verbose"\n', ["log_level", "line 2", "trace, debug, info, warning or error"]),
        ('[log]\nlevel = "debug"\n[server]\nmax_connections = 0\nidle_timeout = 0\n',
         ["max_connections", "line 4", "from 1 to", "idle_timeout", "line 5"]),
        ('[log]\nlevel = "debug"\nstderr = false\nfile = "-"\n', ["log_stderr"]),
        (None, ["lictord.toml"]),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_changes_nothing_and_is_named(reloadable, text, said):
    at_hand = reloadable('[server]\nidle_timeout = "99s"\n')
    if text is None:
        at_hand.file.unlink()
    lines = at_hand.reload(text)
    refused = [line for line in lines if line["event"] == "options.refused"]
    assert refused and all(line["level"] == "error" for line in refused), lines
    errors = " ".join(line["error"] for line in refused)
    for part in said:
        assert part in errors, errors
    assert not {"options.changed", "options.reloaded", "options.need_restart"} & {line["event"] for line in lines}
    assert at_hand.server.call("GET", "/ready").status_code == 200
    checked = run(BIN_DIR / "lictord", "check-config", "--config", at_hand.file, *at_hand.flags)
    assert checked.code == 2
    for line in refused:
        assert line["error"] in checked.err, "check-config says it in other words"
    # What held still holds, and the next file that is right is taken.
    lines = at_hand.reload('[server]\nidle_timeout = "98s"\n')
    assert changes(lines, "options.changed") == {"idle_timeout": ("99s", "98s")}


# ---- the log file ----


@pytest.mark.quick
def test_a_pipe_in_place_of_the_file_kept_lictord_from_stopping(reloadable):
    one = reloadable('[log]\nlevel = "info"\n')
    one.file.unlink()
    os.mkfifo(one.file)
    said = one.reload()
    assert [line["event"] for line in said] == ["options.refused"], said
    assert "must be a regular file, not a pipe" in said[0]["error"]
    one.server.stop()  # SIGTERM; it must end


def test_a_pipe_is_no_file_to_start_with(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for file in (tmp_path / "fifo", "/dev/stdin"):
        command = ["sh", "-c", f"true | {BIN_DIR}/lictord --data {tmp_path}/data --config {file}"]
        finished = run(*command, limit=20)
        assert finished.code == 2, finished
        assert f"{file}: the config file (from --config) must be a regular file, not a pipe" in finished.err


def test_the_log_file_is_opened_anew(reloadable):
    """What logrotate does with `create` off: rename, then postrotate sends SIGHUP."""
    at_hand = reloadable("")
    server = at_hand.server
    log = server.data / "logs/lictord.log"
    eventually(lambda: "server.started" in log.read_text(encoding="utf-8"))
    moved = log.with_name("lictord.log-20260101")
    log.rename(moved)
    api_key = server.create_api_key()["api_key"]
    refuse(server, api_key, 3)  # still to the file that was moved
    eventually(lambda: moved.read_text(encoding="utf-8").count("LICENSE_KEY_INVALID") >= 3)
    at_hand.reload()
    assert stat.S_IMODE(log.stat().st_mode) == 0o640
    eventually(lambda: "options.reloaded" in log.read_text(encoding="utf-8"))
    refuse(server, api_key, 2)
    server.stop()
    old, new = (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in (moved, log)
    )
    count = [sum(line.get("code") == "LICENSE_KEY_INVALID" for line in lines) for lines in (old, new)]
    assert count == [3, 2]


@pytest.mark.race
@pytest.mark.quick
def test_no_line_and_no_request_is_lost_while_it_is_reloaded(reloadable):
    at_hand = reloadable("")
    server = at_hand.server
    log = server.data / "logs/lictord.log"
    api_key = server.create_api_key()["api_key"]
    odd, asked, over = [], [0] * 4, threading.Event()

    def load(number):
        with requests.Session() as session:
            session.headers["X-API-Key"] = api_key
            while not over.is_set():
                body = {"license_key": "TEST-KEY-000", "client_id": f"load-{number}"}
                answer = session.post(f"{server.url}/api/v1/licenses/activate", json=body, timeout=seconds(30))
                asked[number] += 1
                if answer.status_code != 404:
                    odd.append(answer.text)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(8):
        log.rename(log.with_name(f"lictord.log-{turn}"))
        at_hand.reload(f'[server]\nidle_timeout = "{60 + turn}s"\n')
    over.set()
    for thread in threads:
        thread.join()
    server.stop()
    assert not odd, odd[:3]
    texts = [path.read_text(encoding="utf-8") for path in log.parent.iterdir()]
    assert len(texts) == 9
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    assert sum(line.get("code") == "LICENSE_KEY_INVALID" for line in lines) == sum(asked) > 8


def test_a_log_file_that_cannot_be_opened_anew_goes_on_as_it_was(reloadable):
    at_hand = reloadable("")
    server = at_hand.server
    log = server.data / "logs/lictord.log"
    moved = log.with_name("moved")
    log.rename(moved)
    log.mkdir()  # as good as a directory that may not be written, also for root
    lines = at_hand.reload()
    (failed,) = [line for line in lines if line["event"] == "log.reopen_failed"]
    assert failed["level"] == "error" and str(log) in failed["error"]
    eventually(lambda: "log.reopen_failed" in moved.read_text(encoding="utf-8"))
    assert counted(lines) == (0, 0), "the options are read all the same"
    log.rmdir()
    assert not [line for line in at_hand.reload() if line["event"] == "log.reopen_failed"]
    eventually(lambda: "options.reloaded" in log.read_text(encoding="utf-8"))


def test_signals_before_it_listens_do_not_end_it(start_server):
    server = start_server(wait=False)
    eventually(lambda: blocks_hangup(server.process.pid), pause=0.001)
    for _ in range(20):
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.005)
    server.wait_ready()
    eventually(lambda: "options.reloaded" in server.logs())
    assert server.call("GET", "/ready").status_code == 200


def blocks_hangup(pid):
    """From then on the signal is lictord's to take. Asks every thread: one that waits for the signal in sigwait does
    not show it as blocked, those that it started do."""
    masks = []
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(OSError):  # a thread that just ended
            masks += re.findall(r"^SigBlk:\s*(\w+)$", status.read_text(encoding="utf-8"), re.MULTILINE)
    return any(int(mask, 16) & 1 << (signal.SIGHUP - 1) for mask in masks)
