#!/usr/bin/env python3
"""A database server of its own for tests and benchmarks: on loopback, on a free port, in a directory of /tmp.

    database_server.py start postgresql      prints DIRECTORY and URL, separated by a space
    database_server.py stop DIRECTORY

As a module: PostgreSql, which can also be restarted, killed and cut off. The server's own account is an unprivileged
one (postgres when this runs as root, which PostgreSQL refuses to be run by).
"""

import glob
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_SECONDS = 60
ROLE = "lictor"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def newest(pattern):
    found = sorted(glob.glob(pattern), key=lambda path: [int(part) for part in path.split("/") if part.isdigit()])
    return found[-1] if found else None


class PostgreSql:
    """One cluster. `settings` are lines of postgresql.conf beyond the defaults of Debian's package."""

    name = "postgresql"
    programs = newest("/usr/lib/postgresql/*/bin")

    def __init__(self, directory=None, settings=(), fsync=False):
        self.directory = Path(directory or tempfile.mkdtemp(prefix="lictor-postgresql-", dir="/tmp"))
        self.data = self.directory / "data"
        self.port_file = self.directory / "port"
        if directory is None:
            self._create(settings, fsync)
        self.port = int(self.port_file.read_text(encoding="ascii"))
        self.password = (self.directory / "password").read_text(encoding="ascii").strip()

    @classmethod
    def available(cls):
        return cls.programs is not None

    @staticmethod
    def _account():
        return "postgres" if os.geteuid() == 0 else None

    def _run(self, program, *arguments, check=True):
        return subprocess.run([f"{self.programs}/{program}", *map(str, arguments)], user=self._account(), cwd="/",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=check)

    def _create(self, settings, fsync):
        (self.directory / "password").write_text(secrets.token_hex(12) + "\n", encoding="ascii")
        self.port_file.write_text(str(free_port()), encoding="ascii")
        if self._account():
            for path in (self.directory, *self.directory.iterdir()):
                shutil.chown(path, self._account())
        self._run("initdb", "--pgdata", self.data, "--username", ROLE, "--pwfile", self.directory / "password",
                  "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
        self.configure("listen_addresses = '127.0.0.1'", f"port = {self.port_file.read_text(encoding='ascii')}",
                       f"unix_socket_directories = '{self.directory}'", "shared_buffers = 256MB",
                       "max_connections = 200", f"fsync = {'on' if fsync else 'off'}", *settings)

    def configure(self, *lines):
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))

    def url(self, database="postgres", by_socket=False, **parameters):
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        where = f"/{database}?host={self.directory}&port={self.port}" if by_socket else f"127.0.0.1:{self.port}/{database}"
        return f"postgresql://{ROLE}:{self.password}@{where}" + (("&" if by_socket else "?") + query if query else "")

    def start(self):
        finished = self._run("pg_ctl", "start", "--wait", "--timeout", START_SECONDS, "--silent", "--pgdata", self.data,
                             "--log", self.directory / "log", check=False)
        if finished.returncode != 0:
            raise RuntimeError(finished.stdout + (self.directory / "log").read_text(encoding="utf-8"))
        return self

    def stop(self, mode="fast"):
        self._run("pg_ctl", "stop", "--wait", "--mode", mode, "--pgdata", self.data, check=False)

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def process(self):
        return int((self.data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])

    def kill(self):
        """As a crash of the machine ends it, but for what the kernel still holds."""
        process = self.process()
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], stdout=subprocess.PIPE, text=True, check=True)
        for pid in [process, *map(int, children.stdout.split())]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        while os.path.exists(f"/proc/{process}"):
            time.sleep(0.01)

    def sql(self, text, database="postgres"):
        environment = {"PGPASSWORD": self.password, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        finished = subprocess.run(
            [f"{self.programs}/psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
             f"--host=127.0.0.1", f"--port={self.port}", f"--username={ROLE}", f"--dbname={database}", "--command", text],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if finished.returncode != 0:
            raise RuntimeError(finished.stderr)
        return finished.stdout.strip()

    def create_database(self, name):
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        return self.url(name)

    def remove(self):
        self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)


ENGINES = {engine.name: engine for engine in (PostgreSql,)}


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "start" and arguments[1] in ENGINES:
        server = ENGINES[arguments[1]]()
        server.start()
        print(server.directory, server.url())
        return 0
    if len(arguments) == 2 and arguments[0] == "stop":
        directory = Path(arguments[1])
        ENGINES[directory.name.split("-")[1]](directory).remove()
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
