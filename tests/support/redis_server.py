"""A Redis server of its own for tests and benchmarks: on loopback, on a free port, in a directory of /tmp. It can be
suspended, killed, and started again with what it saved or with nothing."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_SECONDS = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RedisError(Exception):
    pass


class RedisServer:
    program = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="lictor-redis-", dir="/tmp"))
        self.port = free_port()
        self.password = secrets.token_hex(12)
        self.child = None

    @classmethod
    def available(cls):
        return cls.program is not None

    def url(self, database=0):
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    # ---- life ----

    def start(self):
        self.child = subprocess.Popen(
            [self.program, "-"], cwd=self.directory, stdin=subprocess.PIPE, start_new_session=True,
            stdout=open(self.directory / "log", "ab"), stderr=subprocess.STDOUT)
        # The password on no command line.
        self.child.stdin.write(
            f'bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\nsave ""\nappendonly no\n'
            f"dir {self.directory}\nenable-debug-command no\n".encode())
        self.child.stdin.close()
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.command("PING")
                return self
            except (OSError, RedisError):
                if self.child.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("redis-server does not start: " + (self.directory / "log").read_text()) from None
            time.sleep(0.02)

    def suspend(self):
        os.kill(self.child.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.child.pid, signal.SIGCONT)

    def kill(self):
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self.child = None

    def remove(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- commands ----

    def command(self, *words):
        """The answer of one command: bytes, int, None or a list of these."""
        return self.commands([words])[0]

    def commands(self, many):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            stream = connection.makefile("rwb")
            for words in [("AUTH", self.password), *many]:
                parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
                stream.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
            stream.flush()
            return [self._read(stream) for _ in range(len(many) + 1)][1:]

    def _read(self, stream):
        line = stream.readline()
        if not line.endswith(b"\r\n"):
            raise RedisError("the connection ended")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2]
        return [self._read(stream) for _ in range(int(rest))]

    def hashes(self):
        """{name: {field: value}} of all that is in it."""
        names = self.command("KEYS", "*")
        answers = self.commands([("HGETALL", name) for name in names]) if names else []
        return {name: dict(zip(pairs[::2], pairs[1::2])) for name, pairs in zip(names, answers)}

    def put_back(self, hashes):
        """As hashes() had it, whatever is there now."""
        if hashes:
            self.commands([("HSET", name, *[part for pair in fields.items() for part in pair])
                           for name, fields in hashes.items()])
