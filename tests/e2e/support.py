"""What the end-to-end tests stand on: a lictord that can be started, stopped and killed, the lictor command, and the
watch over secrets.

LICTOR_BIN_DIR says where the binaries are (default: build/bin; relative to the root of the repository).
LICTOR_TIME_SCALE stretches the time limits for slow builds (sanitizers).
"""

import ctypes
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import requests

import databases
from watch import Secrets

ROOT = Path(__file__).resolve().parents[2]
BIN_DIR = ROOT / os.environ.get("LICTOR_BIN_DIR", "build/bin")
TIME_SCALE = float(os.environ.get("LICTOR_TIME_SCALE", "1"))

KEY_FORMAT = re.compile(r"\b[A-Z0-9]{8}-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{12}\b")
SANITIZER_REPORT = re.compile(r"(ERROR|WARNING): (Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error: ")

# Ours are for the tests only, and what a developer has set for a server of their own is not for these.
CLEAN_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("LICTOR_") and name not in ("DATABASE_URL", "REDIS_URL")
}

_libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def seconds(amount):
    """A time limit, stretched for slow builds."""
    return amount * TIME_SCALE


def eventually(condition, limit=10.0, pause=0.02):
    """Waits until condition() is true and returns its value; fails after `limit` seconds (stretched)."""
    end = time.monotonic() + seconds(limit)
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds(limit):.0f} s: {condition}"
        time.sleep(pause)


def free_port():
    """A port on loopback that nobody listens on, below the range from which the system takes ports for outgoing
    connections: a server that is down keeps its port, even while many clients try to connect to it."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Finished:
    """What a command left behind."""

    def __init__(self, completed):
        self.code = completed.returncode
        self.out = completed.stdout
        self.err = completed.stderr

    def __repr__(self):
        return f"exit {self.code}\n{self.out}{self.err}"


def run(*command, env=None, cwd=None, limit=60):
    """Runs a program to its end, without a terminal."""
    completed = subprocess.run(
        [str(part) for part in command],
        env={**CLEAN_ENVIRONMENT, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds(limit),
        check=False,
    )
    return Finished(completed)


def lictor(*args, env=None, limit=60):
    """The command line, without any server assumed: see Server.lictor()."""
    return run(BIN_DIR / "lictor", *args, env=env, limit=limit)


class Server:
    """One lictord with its data directory. It keeps its address over restart() and kill9()."""

    def __init__(self, directory, secrets, options=(), demo=True, port=None, env=None):
        self.directory = Path(directory)
        self.data = self.directory / "data"
        self.port = free_port() if port is None else port
        self.options = [str(option) for option in options]
        self.demo = demo
        self.env = env or {}
        self.prefix = []  # a program that runs it, with that program's arguments
        self.data_as_it_sees_it = None  # when it runs where paths are others
        self.process = None
        self.starts = 0
        self.database = databases.of(self)
        self._secrets = secrets
        secrets.watch(self)

    # ---- life ----

    def start(self, wait=True):
        assert self.process is None, "it runs already"
        command = [*self.prefix, str(BIN_DIR / "lictord"), "--data", str(self.data_as_it_sees_it or self.data)]
        command += ["--listen", f"127.0.0.1:{self.port}"]
        command += ["--demo"] if self.demo else []
        command += self.database.options
        self.starts += 1
        with open(self._stdout_path(), "wb") as out, open(self._stderr_path(), "wb") as err:
            self.process = subprocess.Popen(
                command + self.options,
                env={**CLEAN_ENVIRONMENT, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=self._die_with_the_tests(),
            )
        if wait:
            self.wait_ready()
        return self

    @staticmethod
    def _die_with_the_tests():
        # The signal comes when the *thread* that started the server ends, so only the main thread may ask for it.
        if threading.current_thread() is not threading.main_thread():
            return None
        return lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def wait_ready(self, limit=20):
        """Until it has said where it listens and answers /ready; then everything it issued by itself is registered."""

        def listening():
            assert self.process.poll() is None, f"lictord ended with {self.process.returncode}\n{self.logs()}"
            return re.search(r"^listening on http://127\.0\.0\.1:(\d+)$", self.stdout(), re.MULTILINE)

        def ready():
            assert self.process.poll() is None, f"lictord ended with {self.process.returncode}\n{self.logs()}"
            try:
                return requests.get(f"{self.url}/ready", timeout=seconds(5)).status_code == 200
            except requests.exceptions.RequestException:
                return False

        self.port = int(eventually(listening, limit)[1])
        eventually(ready, limit)
        self._secrets.add_api_key(self.admin_key)
        for key in KEY_FORMAT.findall(self.stdout()):
            self._secrets.add_license_key(key)

    def stop(self, sig=signal.SIGTERM, limit=10):
        """Asks it to end, as Ctrl-C (SIGINT) or a service manager (SIGTERM) does; it must do so cleanly."""
        if self.process.poll() is None:
            self.remember_metrics()
        process, self.process = self.process, None
        process.send_signal(sig)
        try:
            code = process.wait(seconds(limit))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"lictord did not stop within {seconds(limit):.0f} s\n{self.logs()}") from None
        assert code == 0, f"lictord ended with {code}\n{self.logs()}"
        self.check_sanitizers()

    def kill9(self):
        process, self.process = self.process, None
        process.kill()
        process.wait()
        self.check_sanitizers()

    def restart(self):
        """Stops it if it runs, and starts it on the same data and address."""
        if self.process is not None:
            self.stop()
        return self.start()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def close(self):
        """The end of a test: what still runs must stop cleanly, and what was to run must not have died."""
        if self.process is not None:
            if self.process.poll() is not None:
                code, self.process = self.process.returncode, None
                raise AssertionError(f"lictord died with {code} during the test\n{self.logs()}")
            self.stop()

    def remove_database(self):
        """After close(). The watch keeps what administrators could read of it."""
        if told := self.database.told():
            self.remember("database", told)
        self.database.remove()

    # ---- what it says ----

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_key(self):
        return (self.data / "admin.key").read_text(encoding="utf-8").strip()

    def _stdout_path(self):
        return self.directory / f"stdout.{self.starts}"

    def _stderr_path(self):
        return self.directory / f"stderr.{self.starts}"

    def stdout(self):
        """The banner of the latest start; it may show the demo license key, so it is no log."""
        return self._stdout_path().read_text(encoding="utf-8", errors="replace")

    def log_files(self):
        in_data = [path for path in self.data.rglob("*") if path.is_file() and ".log" in path.name]
        return sorted(self.directory.glob("stderr.*")) + sorted(in_data)

    def logs(self):
        """Everything it has logged since its first start: stderr and the log files."""
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in self.log_files())

    def check_sanitizers(self):
        for path in sorted(self.directory.glob("stderr.*")):
            text = path.read_text(encoding="utf-8", errors="replace")
            report = SANITIZER_REPORT.search(text)
            assert not report, text[report.start() : report.start() + 6000]

    # ---- calls ----

    def call(self, method, path, body=None, api_key=None, headers=None, **more):
        """One HTTP request on a connection of its own. Without `api_key` none is sent."""
        headers = dict(headers or {})
        if api_key is not None:
            headers["X-API-Key"] = api_key
        answer = requests.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=seconds(30), **more)
        if answer.status_code >= 400:
            self.remember("errors", answer.content)
        return answer

    def remember(self, kind, text):
        """What it has told somebody who need not know any secret: the watch looks through it at the end."""
        with open(self.directory / f"told.{kind}", "ab") as file:
            file.write(text + b"\n")

    def remember_metrics(self):
        try:
            self.remember("metrics", requests.get(f"{self.url}/metrics", timeout=seconds(2)).content)
        except requests.exceptions.RequestException:
            pass  # it is at its limits, or listens elsewhere

    def admin(self, method, path, body=None):
        """The data of an administrative call (path below /api/v1/admin), which must succeed."""
        answer = self.call(method, f"/api/v1/admin{path}", body, api_key=self.admin_key)
        assert answer.status_code in (200, 201), f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["data"]

    def create_licenses(self, policy, product="demo", **more):
        """The licenses, as docs/http-api.md describes them; `more`: count, holder, expires_at, overrides, …"""
        licenses = self.admin("POST", "/licenses", {"product": product, "policy": policy, **more})["licenses"]
        for created in licenses:
            self._secrets.add_license_key(created["license_key"])
        return licenses

    def create_license(self, policy, product="demo", **more):
        (created,) = self.create_licenses(policy, product, **more)
        return created

    def create_api_key(self, scopes=("license:activate", "license:validate"), **more):
        """The new API key's `id`, its secret in `api_key`, …; `more`: product, expires_at, require_signature, name."""
        created = self.admin("POST", "/api-keys", {"name": "test", "scopes": list(scopes), **more})
        self._secrets.add_api_key(created["api_key"])
        return created

    def lictor(self, *args, limit=60):
        """The command line against this server, as its administrator."""
        finished = lictor(*args, "--data", self.data, env={"LICTOR_URL": self.url}, limit=limit)
        self.remember("errors", finished.err.encode())
        return finished
