#!/usr/bin/env python3
"""A database server of its own for tests and benchmarks: on loopback, on a free port, in a directory of /tmp.

    database_server.py start postgresql|mariadb      prints DIRECTORY and URL, separated by a space
    database_server.py stop DIRECTORY
    database_server.py run COMMAND [ARGUMENT…]       with a server of each engine that is installed, named by
                                                     LICTOR_TEST_POSTGRESQL and LICTOR_TEST_MYSQL

As a module: PostgreSql and MariaDb, which can also be restarted, killed and cut off. The server's own account is an
unprivileged one: when this runs as root, which both refuse to be run by, postgres or nobody.
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


def psql(url, text):
    """What the statements give, as lines."""
    finished = subprocess.run(
        [f"{PostgreSql.programs}/psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
         f"--dbname={url}", "--command", text],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, check=False)
    if finished.returncode != 0:
        raise RuntimeError(finished.stderr)
    return finished.stdout.strip()


class PostgreSql:
    """One cluster. `settings` are lines of postgresql.conf beyond the defaults of Debian's package. `copy_of`: a streaming
    standby of that one, which must run."""

    name = "postgresql"
    programs = newest("/usr/lib/postgresql/*/bin")

    def __init__(self, directory=None, settings=(), fsync=False, parent="/tmp", copy_of=None):
        self.directory = Path(directory or tempfile.mkdtemp(prefix="lictor-postgresql-", dir=parent))
        self.data = self.directory / "data"
        self.port_file = self.directory / "port"
        if directory is None:
            self._prepare(copy_of.password if copy_of else secrets.token_hex(12))
        self.port = int(self.port_file.read_text(encoding="ascii"))
        self.password = (self.directory / "password").read_text(encoding="ascii").strip()
        if copy_of:
            self.follow(copy_of)
        elif directory is None:
            self._create(settings, fsync)

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

    def _prepare(self, password):
        (self.directory / "password").write_text(password + "\n", encoding="ascii")
        self.port_file.write_text(str(free_port()), encoding="ascii")
        if self._account():
            for path in (self.directory, *self.directory.iterdir()):
                shutil.chown(path, self._account())

    def _create(self, settings, fsync):
        self._run("initdb", "--pgdata", self.data, "--username", ROLE, "--pwfile", self.directory / "password",
                  "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
        self.configure("listen_addresses = '127.0.0.1'", f"port = {self.port}",
                       f"unix_socket_directories = '{self.directory}'", "shared_buffers = 256MB",
                       "max_connections = 200", f"fsync = {'on' if fsync else 'off'}", *settings)

    def configure(self, *lines):
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))

    # ---- a streaming standby ----

    @property
    def name_as_standby(self):
        return f"standby_{self.port}"

    def follow(self, primary):
        """Becomes, from now on or again, a standby of `primary`: a copy of its data, and not started. It has a slot
        there, so that the primary keeps what it has not got yet."""
        shutil.rmtree(self.data, ignore_errors=True)
        name = self.name_as_standby
        primary.sql(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'")
        copied = self._run("pg_basebackup", "--pgdata", self.data, "--dbname", primary.url(), "--wal-method", "stream",
                           "--checkpoint", "fast", "--no-sync", "--create-slot", "--slot", name, check=False)
        if copied.returncode != 0:
            raise RuntimeError("pg_basebackup: " + copied.stdout)
        # The last line of a name counts. Whom the primary waits for is no matter of this one, until it is the primary.
        self.configure(f"port = {self.port}", f"unix_socket_directories = '{self.directory}'",
                       f"primary_slot_name = '{name}'", "synchronous_standby_names = ''",
                       "wal_retrieve_retry_interval = 500ms")  # how soon it is there again after the primary was away
        self.listen_to(primary)
        (self.data / "standby.signal").touch()
        if self._account():
            shutil.chown(self.data / "standby.signal", self._account())

    def listen_to(self, primary):
        """None: it gets nothing any more, as if the network between both were cut."""
        where = primary.url(application_name=self.name_as_standby) if primary else ""
        self.configure(f"primary_conninfo = '{where}'")
        self.reload()

    def wait_for(self, standby):
        """From now on a COMMIT waits until `standby` has it on its disk; None: for nobody."""
        self.configure(f"synchronous_standby_names = '{standby.name_as_standby if standby else ''}'")
        self.reload()

    def reload(self):
        if self.running():
            self._run("pg_ctl", "reload", "--pgdata", self.data)

    def follower(self):
        """The standby that is connected: streaming|sync or streaming|async; empty: none is."""
        return self.sql("SELECT state || '|' || sync_state FROM pg_stat_replication WHERE application_name LIKE 'standby%'")

    def promote(self):
        finished = self._run("pg_ctl", "promote", "--wait", "--timeout", START_SECONDS, "--pgdata", self.data, check=False)
        if finished.returncode != 0:
            raise RuntimeError("pg_ctl promote: " + finished.stdout)

    def processes(self):
        postmaster = self.process()
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(postmaster)], stdout=subprocess.PIPE, text=True,
                                  check=True)
        return [postmaster, *map(int, children.stdout.split())]

    def signal(self, how):
        """To the server and all its sessions: SIGSTOP is a machine that hangs, with its connections open."""
        for pid in self.processes():
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                pass

    # ---- use ----

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

    def running(self):
        return (self.data / "postmaster.pid").exists() and os.path.exists(f"/proc/{self.process()}")

    def process(self):
        return int((self.data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])

    def kill(self):
        """As a crash of the machine ends it, but for what the kernel still holds."""
        process = self.process()
        self.signal(signal.SIGKILL)
        while os.path.exists(f"/proc/{process}"):
            time.sleep(0.01)

    def sql(self, text, database="postgres"):
        return psql(self.url(database), text)

    def create_database(self, name):
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        return self.url(name)

    def remove(self):
        if self.running():  # perhaps it was stopped with SIGSTOP, and answers nothing
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class MariaDb:
    """One data directory. `settings` are lines of the server's section of its option file."""

    name = "mariadb"
    server = shutil.which("mariadbd", path="/usr/sbin:/usr/bin")

    def __init__(self, directory=None, settings=(), fsync=False, parent="/tmp"):
        self.directory = Path(directory or tempfile.mkdtemp(prefix="lictor-mariadb-", dir=parent))
        self.data = self.directory / "data"
        self.options = self.directory / "options"
        self.pid_file = self.directory / "pid"
        self.child = None
        if directory is None:
            self._create(settings, fsync)
        self.port = int((self.directory / "port").read_text(encoding="ascii"))
        self.password = (self.directory / "password").read_text(encoding="ascii").strip()

    @classmethod
    def available(cls):
        return cls.server is not None and shutil.which("mariadb-install-db") is not None

    @staticmethod
    def _account():
        return "nobody" if os.geteuid() == 0 else None

    def _create(self, settings, fsync):
        password, port = secrets.token_hex(12), free_port()
        (self.directory / "password").write_text(password + "\n", encoding="ascii")
        (self.directory / "port").write_text(str(port), encoding="ascii")
        # Run at each start; the account may do everything but get past read_only (SUPER, READ ONLY ADMIN).
        (self.directory / "accounts.sql").write_text(
            f"CREATE USER IF NOT EXISTS {ROLE} IDENTIFIED BY '{password}';\n"
            f"GRANT ALL ON *.* TO {ROLE} WITH GRANT OPTION;\n"
            f"REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM {ROLE};\n", encoding="ascii")
        flushes = ("innodb_flush_log_at_trx_commit = 1",) if fsync else (
            "innodb_flush_log_at_trx_commit = 0", "innodb_doublewrite = OFF", "innodb_flush_method = nosync")
        self.options.write_text("[mariadbd]\n", encoding="ascii")
        self.configure("bind_address = 127.0.0.1", f"port = {port}", f"socket = {self.directory}/socket",
                       f"datadir = {self.data}", f"pid_file = {self.pid_file}", f"log_error = {self.directory}/log",
                       f"init_file = {self.directory}/accounts.sql", f"tmpdir = {self.directory}",
                       "skip_name_resolve", "innodb_buffer_pool_size = 256M", "innodb_log_file_size = 128M",
                       "max_connections = 200", "performance_schema = OFF", *flushes, *settings)
        if self._account():
            for path in (self.directory, *self.directory.iterdir()):
                shutil.chown(path, self._account())
        finished = subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
             "--skip-test-db", "--innodb-flush-method=nosync"],
            user=self._account(), cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False)
        if finished.returncode != 0:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise RuntimeError("mariadb-install-db: " + finished.stdout)

    def configure(self, *lines):
        with self.options.open("a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))

    def url(self, database="mysql", by_socket=False, **parameters):
        if by_socket:
            parameters = {"socket": f"{self.directory}/socket", **parameters}
        query = "&".join(f"{name.replace('_', '-')}={value}" for name, value in parameters.items())
        where = "localhost" if by_socket else f"127.0.0.1:{self.port}"
        return f"mysql://{ROLE}:{self.password}@{where}/{database}" + ("?" + query if query else "")

    def start(self):
        with open(self.directory / "output", "ab") as output:
            self.child = subprocess.Popen([self.server, f"--defaults-file={self.options}"], user=self._account(), cwd="/",
                                          stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.sql("SELECT 1")
                return self
            except RuntimeError as error:
                if self.child.poll() is not None or time.monotonic() > end:
                    log = self.directory / "log"
                    said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
                    raise RuntimeError(f"mariadbd does not start: {error}\n{said}") from error
            time.sleep(0.05)

    def stop(self, mode="fast"):
        self._end(signal.SIGKILL if mode == "immediate" else signal.SIGTERM)

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def process(self):
        return self.child.pid if self.child else int(self.pid_file.read_text(encoding="ascii"))

    def kill(self):
        """As a crash of the machine ends it, but for what the kernel still holds."""
        self._end(signal.SIGKILL)

    def _end(self, how):
        try:
            process = self.process()
            os.kill(process, how)
        except (FileNotFoundError, ProcessLookupError):
            return
        while os.path.exists(f"/proc/{process}") and not (self.child and self.child.poll() is not None):
            time.sleep(0.01)
        self.child = None
        self.pid_file.unlink(missing_ok=True)

    def sql(self, text, database="mysql"):
        environment = {"MYSQL_PWD": self.password, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        finished = subprocess.run(
            ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--protocol=tcp", "--host=127.0.0.1",
             f"--port={self.port}", f"--user={ROLE}", f"--database={database}", f"--execute={text}"],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if finished.returncode != 0:
            raise RuntimeError(finished.stderr)
        return finished.stdout.strip()

    def create_database(self, name):
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def remove(self):
        self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)


ENGINES = {engine.name: engine for engine in (PostgreSql, MariaDb)}


def run(command):
    """The command's status. It is told when what runs this is interrupted: both are of one process group."""
    servers, environment = [], dict(os.environ)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        for engine, variable in ((PostgreSql, "LICTOR_TEST_POSTGRESQL"), (MariaDb, "LICTOR_TEST_MYSQL")):
            if engine.available() and variable not in environment:
                servers.append(engine())
                environment[variable] = servers[-1].start().url()
        child = subprocess.Popen(command, env=environment)
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue
    finally:
        for server in servers:
            server.remove()


def main(arguments):
    if len(arguments) >= 2 and arguments[0] == "run":
        status = run(arguments[1:])
        return status if status >= 0 else 128 - status
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
