"""Three lictord on one PostgreSQL with a streaming standby, behind nginx and behind HAProxy, all on loopback: the balancers
with the files of deploy/cluster, in which only addresses, accounts and paths are others.

What is started here is stopped by close(), and nothing else."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "support")]

from database_server import PostgreSql  # noqa: E402
from support import Server, eventually, free_port  # noqa: E402

DEPLOY = ROOT / "deploy" / "cluster"
REPLICAS = 3
OPTIONS = ("--database-timeout", "2s")  # as docs/operations.md has it for several hosts


def missing():
    """What of it is not installed here, as packages; empty: nothing."""
    programs = {"nginx-light": "/usr/sbin/nginx", "haproxy": "/usr/sbin/haproxy"}
    absent = [package for package, path in programs.items() if not os.path.exists(path)]
    return absent if PostgreSql.available() else [*absent, "postgresql-15"]


def substituted(text, changes):
    """The file as deployed, with other addresses: each of them must be in it."""
    for old, new in changes.items():
        assert old in text, f"'{old}' is not in the file any more"
        text = text.replace(old, new)
    return text


class Process:
    """A program in the foreground, under an account without privileges when this runs as root."""

    def __init__(self, command, directory, account="nobody", env=None):
        self.command = [str(part) for part in command]
        self.directory = Path(directory)
        self.account = account if os.geteuid() == 0 else None
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(directory), **(env or {})}
        self.child = None

    def own(self):
        if self.account:
            group = pwd.getpwnam(self.account).pw_gid
            for path in (self.directory, *self.directory.rglob("*")):
                os.chown(path, pwd.getpwnam(self.account).pw_uid, group)
        return self

    def start(self):
        self.own()
        with open(self.directory / "output", "ab") as output:
            self.child = subprocess.Popen(self.command, user=self.account, cwd=self.directory, env=self.env,
                                          stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        return self

    def output(self):
        return (self.directory / "output").read_text(encoding="utf-8", errors="replace")

    def running(self):
        return self.child is not None and self.child.poll() is None

    def stop(self, how=signal.SIGTERM, limit=20):
        child, self.child = self.child, None
        if child is None or child.poll() is not None:
            return
        child.send_signal(how)
        try:
            child.wait(limit)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class Balancers:
    """nginx and HAProxy in front of the same servers."""

    def __init__(self, directory, ports):
        # Below a directory that the unprivileged account may enter.
        self.nginx_port, self.haproxy_port = free_port(), free_port()
        servers = {f"192.0.2.1{number}:8000": f"127.0.0.1:{port}" for number, port in enumerate(ports, 1)}
        self.nginx = self._nginx(directory / "nginx", servers)
        self.haproxy = self._haproxy(directory / "haproxy", servers)

    def _nginx(self, directory, servers):
        directory.mkdir()
        listen = {"192.0.2.10:80": f"127.0.0.1:{self.nginx_port}"}
        (directory / "lictor.conf").write_text(
            substituted((DEPLOY / "nginx.conf").read_text(encoding="utf-8"), {**servers, **listen}), encoding="utf-8")
        paths = "".join(f"  {name}_temp_path {directory}/{name};\n"
                        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (directory / "nginx.conf").write_text(
            f"daemon off;\npid {directory}/pid;\nerror_log stderr warn;\nworker_processes 1;\nevents {{}}\n"
            f"http {{\n  access_log off;\n{paths}  include {directory}/lictor.conf;\n}}\n", encoding="utf-8")
        return Process(["/usr/sbin/nginx", "-p", directory, "-e", "stderr", "-c", directory / "nginx.conf"], directory)

    def _haproxy(self, directory, servers):
        directory.mkdir()
        # What starts it here is unprivileged already.
        mine = {"192.0.2.10:8080": f"127.0.0.1:{self.haproxy_port}", "  user haproxy\n  group haproxy\n": ""}
        (directory / "haproxy.cfg").write_text(
            substituted((DEPLOY / "haproxy.cfg").read_text(encoding="utf-8"), {**servers, **mine}), encoding="utf-8")
        return Process(["/usr/sbin/haproxy", "-db", "-f", directory / "haproxy.cfg"], directory)

    def start(self):
        self.nginx.start()
        self.haproxy.start()
        return self

    def wait(self):
        for process, port in zip((self.nginx, self.haproxy), self.ports):
            def ready(process=process, port=port):
                assert process.running(), process.output()
                return answers(port)
            eventually(ready, 20)

    @property
    def ports(self):
        return [self.nginx_port, self.haproxy_port]

    def stop(self):
        self.nginx.stop(signal.SIGQUIT)
        self.haproxy.stop(signal.SIGUSR1)


class Database:
    """What the replicas share: `url`, sql(), close(), and when it took no writes."""

    def __init__(self):
        self.outages = []  # [begin, end], monotonic

    @contextlib.contextmanager
    def outage(self):
        """While it lasts, the database takes no writes, or may not."""
        times = [time.monotonic(), float("inf")]
        self.outages.append(times)
        yield times
        times[1] = time.monotonic()


class Pair(Database):
    """A PostgreSQL and its streaming standby. `synchronous`: a COMMIT waits for the standby."""

    def __init__(self, synchronous=True):
        super().__init__()
        self.synchronous = synchronous
        self.primary, self.standby = PostgreSql(fsync=True), None
        try:
            self.primary.start()
            self.primary.create_database("lictor")
            self.standby = PostgreSql(copy_of=self.primary).start()
            self.servers = [self.primary, self.standby]
            self.wait_for_standby()
        except BaseException:
            self.close()
            raise

    @property
    def url(self):
        """All hosts, and libpq looks for the one that writes."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        return f"postgresql://lictor:{self.primary.password}@{hosts}/lictor?target_session_attrs=read-write"

    def sql(self, text):
        return self.primary.sql(text, "lictor")

    def wait_for_standby(self):
        if self.synchronous:
            self.primary.wait_for(self.standby)
        kind = "sync" if self.synchronous else "async"
        eventually(lambda: self.primary.follower() == f"streaming|{kind}", 30)

    # ---- what goes wrong ----

    def restart(self):
        with self.outage():
            self.primary.restart("fast")

    def crash(self):
        with self.outage():
            self.primary.kill()
            self.primary.start()

    def fail_over(self, hang=False, lag=0.0):
        """The primary is no more, the standby becomes the primary. `hang`: the machine of the old one still holds its
        connections and answers nothing. `lag`: for so many seconds before, the standby got nothing."""
        old, new = self.primary, self.standby
        if lag:
            new.listen_to(None)
            time.sleep(lag)
        with self.outage():
            if hang:
                old.signal(signal.SIGSTOP)
            else:
                old.kill()
            new.promote()
            self.primary, self.standby = new, old

    def attach_standby(self):
        """The one that failed comes back, as a copy of the one that took over."""
        if self.standby.running():  # it hung
            self.standby.kill()
        self.standby.follow(self.primary)
        self.standby.start()
        self.wait_for_standby()

    def close(self):
        for server in (self.standby, self.primary):
            if server is not None:
                server.remove()


class Cluster:
    """Replicas on `database`, behind balancers. `directory` is one that others may enter."""

    def __init__(self, directory, secrets, database, options=()):
        self.directory, self.database = Path(directory), database
        self.killed = [0] * REPLICAS  # how often each replica was made to end
        self.balancers = None
        self.replicas = []
        try:
            self._start(secrets, options)
        except BaseException:
            self.close()
            raise

    def _start(self, secrets, options):
        for number in range(len(self.killed)):
            directory = self.directory / f"replica-{number + 1}"
            directory.mkdir()
            replica = Server(directory, secrets, ["--log-format", "json", "--log-stderr", "off", *OPTIONS, *options], demo=False,
                             env={"DATABASE_URL": self.database.url})
            self.replicas.append(replica)
            if number > 0:  # the first administrator's key is made once, by whoever is first
                replica.data.mkdir(mode=0o700)
                shutil.copy(self.replicas[0].data / "admin.key", replica.data / "admin.key")
            replica.start()
        self.balancers = Balancers(self.directory, [replica.port for replica in self.replicas]).start()
        self.balancers.wait()

    @property
    def outages(self):
        return self.database.outages

    def sql(self, text):
        return self.database.sql(text)

    def kill_replica(self, number):
        self.killed[number] += 1
        self.replicas[number].kill9()

    def close(self):
        failures = []
        if self.balancers:
            self.balancers.stop()
        for replica in self.replicas:
            try:
                replica.close()
            except AssertionError as failure:
                failures.append(str(failure))
        self.database.close()
        assert not failures, "\n".join(failures)


def answers(port, with_database=True):
    """Whether what listens there is ready, and has the database or has not."""
    try:
        answer = requests.get(f"http://127.0.0.1:{port}/ready", timeout=15)
        return answer.status_code == 200 and answer.json()["data"].get("database", True) == with_database
    except requests.exceptions.RequestException:
        return False
