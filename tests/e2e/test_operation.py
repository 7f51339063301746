"""Running lictord: starting, stopping, what it refuses to start with, extreme options."""

import json
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
import time

import pytest
import requests

import databases
from metrics_text import parse_metrics
from support import BIN_DIR, CLEAN_ENVIRONMENT, Server, eventually, run, seconds

DATABASE = "lictor.db"


def lictord(*args, env=None, limit=20):
    """Runs it to its end: for starts that must be refused."""
    return run(BIN_DIR / "lictord", *args, env=env, limit=limit)


def refused(tmp_path, *args, env=None):
    finished = lictord("--data", tmp_path / "data", "--listen", "127.0.0.1:0", *args, env=env)
    assert finished.code != 0, finished
    return finished


def activate(server, created, client_id, api_key, **more):
    body = {"license_key": created["license_key"], "client_id": client_id, **more}
    return server.call("POST", "/api/v1/licenses/activate", body, api_key=api_key)


# ---- start ----


@pytest.mark.quick
def test_first_start_writes_the_administrators_key_for_nobody_else(server):
    key_file = server.data / "admin.key"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    if not databases.SERVER:
        assert stat.S_IMODE((server.data / DATABASE).stat().st_mode) == 0o600
    assert re.fullmatch(r"lk_live_\S+\n", key_file.read_text())
    assert server.admin_key not in server.stdout() + server.logs()
    assert server.admin("GET", "/status")["licenses"] >= 1


@pytest.mark.quick
def test_data_are_kept_over_restarts(start_server):
    server = start_server()
    created = server.create_license("perpetual")
    api_key = server.create_api_key()["api_key"]
    first = activate(server, created, "kept", api_key).json()["data"]
    admin_key = server.admin_key
    for _ in range(2):
        server.restart()
        assert server.admin_key == admin_key
        again = activate(server, created, "kept", api_key)
        assert again.status_code == 200
        for name in ("license_id", "issued_at", "active_clients"):
            assert again.json()["data"][name] == first[name], name
        assert again.json()["data"]["client"]["id"] == first["client"]["id"]
    assert len(server.admin("GET", "/products")["products"]) == 2  # the demo was made once


def test_a_lost_administrators_key_is_not_replaced_silently(start_server):
    server = start_server()
    lost = server.admin_key
    (server.data / "admin.key").unlink()
    server.stop()
    server.start(wait=False)
    eventually(lambda: "listening on" in server.stdout())
    assert not (server.data / "admin.key").exists(), "whoever can delete a file must not become administrator"
    answer = server.call("GET", "/api/v1/admin/status", api_key=lost)
    assert answer.status_code == 200  # it is only the file that is lost


@pytest.mark.quick
def test_help_and_version():
    helped = lictord("--help")
    assert helped.code == 0 and not helped.err
    for flag in ("--listen", "--data", "--demo", "--config", "--batch-max", "--log-format"):
        assert flag in helped.out
    assert "LICTOR_BATCH_MAX" in helped.out and "database.batch_max" in helped.out
    version = lictord("--version")
    assert version.code == 0 and re.fullmatch(r"lictord \d+\.\d+\.\d+\S*\n", version.out)


WRONG_VALUES = [  # option, flag, variable, key of the file, value, what is allowed
    ("batch_max", "--batch-max", "LICTOR_BATCH_MAX", "database.batch_max", "0", "1 to 4096"),
    ("batch_max", "--batch-max", "LICTOR_BATCH_MAX", "database.batch_max", "many", "1 to 4096"),
    ("listen", "--listen", "LICTOR_LISTEN", "server.listen", "nowhere", "HOST:PORT"),
    ("listen", "--listen", "LICTOR_LISTEN", "server.listen", "127.0.0.1:65536", "HOST:PORT"),
    ("log_format", "--log-format", "LICTOR_LOG_FORMAT", "log.format", "xml", "human or json"),
    ("log_level", "--log-level", "LICTOR_LOG_LEVEL", "log.level", "loud", "trace"),
    ("idle_timeout", "--idle-timeout", "LICTOR_IDLE_TIMEOUT", "server.idle_timeout", "10parsecs", "duration"),
    ("max_body_bytes", "--max-body-bytes", "LICTOR_MAX_BODY_BYTES", "server.max_body_bytes", "1", "size"),
    ("database_url", "--database-url", "LICTOR_DATABASE_URL", "database.url", "oracle:", "sqlite:PATH"),
    ("redis_url", "--redis-url", "LICTOR_REDIS_URL", "redis.url", "rediss:", "redis://USER:PASSWORD@HOST"),
]


@pytest.mark.parametrize("source", ["flag", "environment", "file"])
@pytest.mark.parametrize("name, flag, variable, key, value, allowed", WRONG_VALUES)
def test_a_wrong_value_is_refused_by_name(tmp_path, source, name, flag, variable, key, value, allowed):
    section, _, member = key.partition(".")
    (tmp_path / "lictor.toml").write_text(f'[{section}]\n{member} = "{value}"\n', encoding="utf-8")
    base = ["--data", tmp_path / "data"] + ([] if name == "listen" else ["--listen", "127.0.0.1:0"])
    finished = {
        "flag": lambda: lictord(*base, flag, value),
        "environment": lambda: lictord(*base, env={variable: value}),
        "file": lambda: lictord(*base, "--config", tmp_path / "lictor.toml"),
    }[source]()
    assert finished.code == 2, finished
    assert name in finished.err and allowed in finished.err, finished
    assert value in finished.err or (source == "file" and "lictor.toml, line 2" in finished.err), finished
    assert not (tmp_path / "data").exists(), "nothing may be touched"


@pytest.mark.parametrize(
    "args, said",
    [
        (["--batch-mx", "3"], "--batch-max"),  # a suggestion
        (["--batch-max="], "--batch-max"),
        (["stray"], "stray"),
        (["--config", "/nonexistent/lictor.toml"], "/nonexistent/lictor.toml"),
        (["--log-file", "-", "--log-stderr", "off"], "log_stderr"),
    ],
)
def test_what_is_no_option_is_refused(tmp_path, args, said):
    finished = refused(tmp_path, *args)
    assert finished.code == 2 and said in finished.err, finished


@pytest.mark.parametrize(
    "text, said", [("[server]\nlisten = 8000", "listen"), ("[database]\nbatchmax = 1", "batch_max"), ("[serv", "")]
)
def test_a_file_that_is_wrong_is_refused(tmp_path, text, said):
    (tmp_path / "lictor.toml").write_text(text, encoding="utf-8")
    finished = refused(tmp_path, "--config", tmp_path / "lictor.toml")
    assert finished.code == 2 and said in finished.err and "lictor.toml" in finished.err, finished


def test_an_unknown_variable_warns(start_server):
    server = start_server(env={"LICTOR_BATCH_MX": "3"})
    assert "LICTOR_BATCH_MX" in server.logs() and "LICTOR_BATCH_MAX" in server.logs()


# ---- what can't be served ----


@pytest.mark.sqlite
def test_a_second_server_on_the_same_data_is_refused(server):
    second = lictord("--data", server.data, "--listen", "127.0.0.1:0")
    assert second.code != 0
    for said in ("in use", str(server.data / DATABASE), str(server.process.pid)):
        assert said in second.err, second
    assert server.call("GET", "/ready").status_code == 200


def test_a_port_in_use_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        finished = lictord("--data", tmp_path / "data", "--listen", address)
    assert finished.code != 0 and address in finished.err and "in use" in finished.err.lower(), finished
    assert "listening on" not in finished.out


def test_an_address_of_another_machine_is_refused(tmp_path):
    finished = lictord("--data", tmp_path / "data", "--listen", "192.0.2.1:8000")
    assert finished.code != 0 and "192.0.2.1:8000" in finished.err, finished


@pytest.mark.sqlite
def test_a_database_newer_than_the_binary_is_refused(start_server):
    server = start_server()
    server.stop()
    path = server.data / DATABASE
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO schema_migrations (version, name, applied_at) VALUES (999, 'of tomorrow', 0)")
    database.close()
    before = path.read_bytes()
    finished = lictord("--data", server.data, "--listen", "127.0.0.1:0")
    assert finished.code != 0 and "999" in finished.err and "newer" in finished.err, finished
    assert path.read_bytes() == before, "it was changed"


def test_a_database_of_another_program_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / DATABASE
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA application_id = 4711")
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    before = path.read_bytes()
    finished = refused(tmp_path)
    assert str(path) in finished.err and "another program" in finished.err, finished
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"No database.\n" * 300, b"\x00" * 8192, b"SQLite format 3\x00" + b"x" * 5000])
def test_a_file_that_is_no_database_is_refused(tmp_path, content):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / DATABASE
    path.write_bytes(content)
    finished = refused(tmp_path)
    assert DATABASE in finished.err, finished
    assert path.read_bytes() == content, "it was changed"
    assert not (tmp_path / "data/admin.key").exists()


def test_a_data_directory_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "data").write_text("a file", encoding="utf-8")
    finished = refused(tmp_path)
    assert str(tmp_path / "data") in finished.err, finished


def test_a_directory_that_may_not_be_written_is_refused(tmp_path):
    data = tmp_path / "closed"
    data.mkdir()
    unprivileged = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]
    if shutil.which("setpriv") is None or run(*unprivileged, "true").code != 0:
        pytest.skip("no way to run without the power to write everywhere")
    data.chmod(0o555)
    try:
        finished = run(*unprivileged, BIN_DIR / "lictord", "--data", data / "deeper", "--listen", "127.0.0.1:0")
    finally:
        data.chmod(0o755)
    assert finished.code != 0 and str(data) in finished.err and "ermission" in finished.err, finished


# ---- stop ----


class SlowRequest:
    """An activation whose body is held back."""

    def __init__(self, server, created, api_key, client_id="slow"):
        self.body = json.dumps({"license_key": created["license_key"], "client_id": client_id}).encode()
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=seconds(10))
        head = (
            "POST /api/v1/licenses/activate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-API-Key: {api_key}\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + self.body[:10])
        time.sleep(seconds(0.3))  # a stop must find the request begun, not still on its way

    def finish(self):
        self.socket.sendall(self.body[10:])
        answer = b""
        while part := self.socket.recv(65536):
            answer += part
        self.socket.close()
        return answer.decode()


@pytest.mark.quick
@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_lets_requests_in_flight_finish(start_server, sig):
    server = start_server()
    created = server.create_license("perpetual")
    api_key = server.create_api_key()["api_key"]
    slow = SlowRequest(server, created, api_key)
    idle = socket.create_connection(("127.0.0.1", server.port), timeout=seconds(10))
    idle.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert idle.recv(65536).startswith(b"HTTP/1.1 200")

    began = time.monotonic()
    server.process.send_signal(sig)
    assert idle.recv(1) == b"", "an idle connection is closed at once"
    eventually(lambda: not accepts(server.port))
    assert server.process.poll() is None, "it did not wait for the request"
    answer = slow.finish()
    assert answer.startswith("HTTP/1.1 200") and "Connection: close" in answer, answer
    assert server.process.wait(seconds(5)) == 0
    assert time.monotonic() - began < seconds(5)
    server.process = None
    server.start()  # and what was acknowledged during the stop is there
    assert server.admin("GET", f"/licenses/{created['license_id']}")["active_clients"] == 1


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def test_a_stop_takes_no_longer_than_its_grace(start_server):
    server = start_server("--shutdown-grace", "1s")
    slow = SlowRequest(server, server.create_license("perpetual"), server.create_api_key()["api_key"])
    began = time.monotonic()
    server.stop()  # the rest of the body never comes
    assert 0.9 < time.monotonic() - began < seconds(3)
    assert slow.socket.recv(1) == b""


def test_the_default_stop_ends_within_5_seconds(start_server):
    server = start_server()
    slow = SlowRequest(server, server.create_license("perpetual"), server.create_api_key()["api_key"])
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5 + 0.7 * seconds(1)
    slow.socket.close()


def test_ready_says_no_while_stopping(start_server):
    server = start_server()
    slow = SlowRequest(server, server.create_license("perpetual"), server.create_api_key()["api_key"])
    half = socket.create_connection(("127.0.0.1", server.port), timeout=seconds(10))
    half.sendall(b"GET /ready HTTP/1.1\r\nHost: local")  # in flight, so it is answered
    time.sleep(0.2)
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: not accepts(server.port))
    half.sendall(b"host\r\n\r\n")
    answer = half.recv(65536).decode()
    half.close()
    assert answer.startswith("HTTP/1.1 503") and "UNAVAILABLE" in answer and "Retry-After" in answer, answer
    slow.finish()
    assert server.process.wait(seconds(5)) == 0
    server.process = None


@pytest.mark.race
@pytest.mark.quick
def test_a_stop_under_load_answers_or_closes_and_keeps_what_it_acknowledged(start_server):
    server = start_server("--log-level", "warning")
    created = server.create_license("perpetual", overrides={"max_clients": None})
    api_key = server.create_api_key()["api_key"]
    acknowledged, odd, gone = set(), [], threading.Event()

    def load(name):
        for number in range(100000):
            try:
                answer = activate(server, created, f"{name}-{number}", api_key)
            except requests.exceptions.RequestException:
                if gone.is_set():
                    return
                odd.append("a connection failed before the stop")
                return
            if answer.status_code == 200:
                acknowledged.add(f"{name}-{number}")
            elif answer.status_code != 503:
                odd.append(answer.text)

    threads = [threading.Thread(target=load, args=(f"load-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    gone.set()
    server.stop()
    for thread in threads:
        thread.join()
    assert not odd, odd[:3]
    held = {row["client_id"] for row in server.database.rows("SELECT client_id FROM activations WHERE held = 1")}
    assert acknowledged and acknowledged <= held


# ---- options ----


@pytest.mark.race
@pytest.mark.quick
@pytest.mark.parametrize(
    "options", [("--batch-max", "1"), ("--cache-licenses", "64", "--cache-activations", "64"), ("--io-threads", "1")]
)
def test_extreme_options_answer_the_same(start_server, options):
    """300 licenses with a client each, through a cache that can't hold them; asked by several threads."""
    server = start_server(*options)
    created = server.create_licenses("perpetual", count=300, overrides={"max_clients": 1})
    api_key = server.create_api_key()["api_key"]
    wrong = []

    def work(share):
        with requests.Session() as session:
            session.headers["X-API-Key"] = api_key

            def call(operation, license_key, client_id):
                body = {"license_key": license_key, "client_id": client_id}
                return session.post(f"{server.url}/api/v1/licenses/{operation}", json=body, timeout=seconds(30))

            for license_ in share:
                key = license_["license_key"]
                steps = [("activate", "a", 200), ("validate", "a", 200), ("activate", "b", 409), ("validate", "b", 403)]
                for operation, client, status in steps:
                    if call(operation, key, client).status_code != status:
                        wrong.append((operation, client, key))
            for license_ in share:
                if call("validate", license_["license_key"], "a").status_code != 200:
                    wrong.append(("validate again", "a", license_["license_id"]))

    threads = [threading.Thread(target=work, args=(created[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:5]
    status = server.admin("GET", "/status")
    assert status["seats_held"] == 300
    metrics = parse_metrics(server.call("GET", "/metrics").text)
    if "--cache-licenses" in options:
        # A few more than the options say: each of the cache's 64 shards holds at least one and rounds up.
        assert status["cached_licenses"] <= 2 * 64 and status["cached_activations"] <= 2 * 64
        assert metrics["lictor_cache_evictions_total", ()] > 0
    if "--batch-max" in options:
        assert metrics["lictor_batch_jobs_bucket", (("le", "1"),)] == metrics["lictor_batch_jobs_count", ()]


def test_listens_on_ipv6(tmp_path, secrets):
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as probe:
            port = probe.getsockname()[1]
    except OSError:
        pytest.skip("no IPv6 on this machine")
    server = Server(tmp_path, secrets)
    server.process = subprocess.Popen(
        [str(BIN_DIR / "lictord"), "--data", str(server.data), "--listen", f"[::1]:{port}"],
        env=CLEAN_ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        lines = [server.process.stdout.readline() for _ in range(2)]
        assert lines[1] == f"listening on http://[::1]:{port}\n", lines
        answer = requests.get(f"http://[::1]:{port}/ready", timeout=seconds(10))
        assert answer.status_code == 200
        secrets.add_api_key(server.admin_key)
    finally:
        server.process.stdout.close()
        server.stop()


def test_port_0_takes_any_free_port(tmp_path, secrets):
    server = Server(tmp_path, secrets, port=0)
    try:
        server.start()
        assert server.port != 0 and server.call("GET", "/health").status_code == 200
    finally:
        server.close()


@pytest.mark.quick
def test_health_and_ready(server):
    for path, data in (("/health", {"healthy": True}), ("/ready", {"ready": True})):
        answer = server.call("GET", path)
        assert answer.status_code == 200 and answer.json()["data"] == data
        assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
        head = server.call("HEAD", path)
        assert head.status_code == 200 and head.content == b"" and int(head.headers["Content-Length"]) > 0
        assert server.call("POST", path, {}).status_code == 405
