"""PostgreSQL under Patroni: three etcd and two nodes, with the files of deploy/cluster, in which only addresses, accounts,
paths and passwords are others."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import requests

from cluster import DEPLOY, Database, Process, substituted
from database_server import PostgreSql, psql
from support import eventually, free_port

NODES = ("db1", "db2", "db3")
WITH_POSTGRESQL = NODES[:2]
PATRONI, ETCD = "/usr/bin/patroni", "/usr/bin/etcd"


def missing():
    return [package for package, path in (("patroni", PATRONI), ("etcd-server", ETCD)) if not os.path.exists(path)]


def of_node(line, number):
    """A line of db1's file as it is in that of another node."""
    return line.replace("192.0.2.21", f"192.0.2.2{number}").replace("db1", f"db{number}")


class Patroni(Database):
    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="lictor-patroni-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.passwords = {name: secrets.token_hex(8) for name in ("superuser", "replication", "rewind", "restapi")}
        self.password = secrets.token_hex(8)
        self.ports = {f"192.0.2.2{number}:{port}": f"127.0.0.1:{free_port()}"
                      for number in range(1, 4) for port in (2379, 2380, 5432, 8008)}
        self.etcd = [self._etcd(number) for number in range(1, 4)]
        self.nodes = {name: self._node(number) for number, name in enumerate(WITH_POSTGRESQL, 1)}
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    # ---- the files ----

    def addresses_in(self, text):
        for documented, mine in self.ports.items():
            text = text.replace(documented, mine)
        assert "192.0.2" not in text, text
        return text

    def _etcd(self, number):
        directory = self.directory / f"etcd{number}"
        directory.mkdir()
        env = {}
        for line in (DEPLOY / "etcd.env").read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                shared = line.startswith("ETCD_INITIAL_CLUSTER")
                name, _, value = self.addresses_in(line if shared else of_node(line, number)).partition("=")
                env[name] = value
        assert env["ETCD_DATA_DIR"] == "/var/lib/etcd/lictor"
        env["ETCD_DATA_DIR"] = str(directory / "data")
        return Process([ETCD], directory, env=env)

    def _node(self, number):
        directory = self.directory / f"node{number}"
        directory.mkdir()
        text = (DEPLOY / "patroni.yml").read_text(encoding="utf-8")
        own = [line if "hosts:" in line else of_node(line, number) for line in text.splitlines(keepends=True)]
        text = substituted("".join(own), {
            "192.0.2.0/24": "127.0.0.1/32",
            "/var/lib/postgresql/15/lictor": str(directory / "data"),
            "/usr/lib/postgresql/15/bin": PostgreSql.programs,
            "/var/lib/postgresql/.pgpass-patroni": str(directory / "pgpass"),
            "/var/run/postgresql": str(directory),
            "local all postgres peer": "local all postgres scram-sha-256",
            **{f"change-this-{name}": password for name, password in self.passwords.items()},
        })
        (directory / "config.yml").write_text(self.addresses_in(text), encoding="utf-8")
        (directory / "config.yml").chmod(0o600)
        return Process([PATRONI, directory / "config.yml"], directory, account="postgres", env={"PYTHONDONTWRITEBYTECODE": "1"})

    # ---- life ----

    def _start(self):
        for member in self.etcd:
            member.start()
        for node in self.nodes.values():
            node.start()
        eventually(self.is_complete, 90, pause=0.2)
        self.psql(f"CREATE ROLE lictor LOGIN PASSWORD '{self.password}'")
        self.psql("CREATE DATABASE lictor OWNER lictor ENCODING 'UTF8' TEMPLATE template0")
        for host in self.hosts:  # libpq tries no further host when the first says that there is no such database
            url = f"postgresql://lictor:{self.password}@{host}/lictor"
            eventually(lambda url=url: self.number_by(url, "SELECT 1"), 20)

    def ask(self, name, path):
        """What the REST interface of a node answers: (status, document); (0, {}): nothing."""
        address = self.ports[f"192.0.2.2{NODES.index(name) + 1}:8008"]
        try:
            answer = requests.get(f"http://{address}{path}", timeout=2)
            return answer.status_code, answer.json()
        except (requests.exceptions.RequestException, ValueError):
            return 0, {}

    def leader(self):
        """Its name; nothing: none leads now."""
        return next((name for name in WITH_POSTGRESQL if self.ask(name, "/primary")[0] == 200), None)

    def is_complete(self):
        """One leads, and the other follows so that nothing acknowledged is on one of them only."""
        broken = [process for process in (*self.etcd, *self.nodes.values()) if process.child and not process.running()]
        assert not broken, broken[0].output()[-3000:]
        leader = self.leader()
        return leader and any(self.ask(name, "/synchronous")[0] == 200 for name in WITH_POSTGRESQL if name != leader)

    @property
    def hosts(self):
        return [self.ports[f"192.0.2.2{number}:5432"] for number in (1, 2)]

    @property
    def url(self):
        return f"postgresql://lictor:{self.password}@{','.join(self.hosts)}/lictor?target_session_attrs=read-write"

    def psql(self, text):
        return psql(f"postgresql://postgres:{self.passwords['superuser']}@{','.join(self.hosts)}/postgres"
                    "?target_session_attrs=read-write", text)

    def sql(self, text):
        return psql(self.url, text)

    @staticmethod
    def number_by(url, text):
        """A number that the statement gives there; 0: nobody answers."""
        try:
            return int(psql(url, text))
        except RuntimeError:
            return 0

    # ---- what goes wrong ----

    def processes_of(self, node):
        """Patroni and its PostgreSQL."""
        listed = subprocess.run(["ps", "-eo", "pid=,ppid="], stdout=subprocess.PIPE, text=True, check=True).stdout
        parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listed.splitlines())}
        pid_file = self.directory / f"node{NODES.index(node) + 1}" / "data" / "postmaster.pid"
        found = {self.nodes[node].child.pid}
        if pid_file.exists():
            found.add(int(pid_file.read_text(encoding="ascii").split("\n", 1)[0]))
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def kill_leader(self):
        """As a machine that is gone, until another one leads."""
        leader = self.leader()
        with self.outage():
            for pid in self.processes_of(leader):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.nodes[leader].stop()
            eventually(lambda: self.leader() not in (None, leader), 90)
        self.failed = leader

    def bring_back(self):
        self.nodes[self.failed].start()
        eventually(self.is_complete, 90, pause=0.2)

    def switch_over(self):
        """As before work on a machine: the leader hands over to the other one."""
        leader = self.leader()
        other = next(name for name in WITH_POSTGRESQL if name != leader)
        with self.outage():
            address = self.ports[f"192.0.2.2{NODES.index(leader) + 1}:8008"]
            answer = requests.post(f"http://{address}/switchover", json={"leader": leader, "candidate": other}, timeout=60,
                                   auth=("patroni", self.passwords["restapi"]))
            assert answer.status_code == 200, answer.text
            eventually(lambda: self.leader() == other, 60)
        eventually(self.is_complete, 90, pause=0.2)

    def lose_etcd(self):
        """All of it, for longer than a leader is believed without."""
        for member in self.etcd:
            member.stop(signal.SIGKILL)
        time.sleep(25)

    def bring_back_etcd(self):
        for member in self.etcd:
            member.start()
        eventually(self.is_complete, 90, pause=0.2)

    def close(self):
        for node in self.nodes.values():
            node.stop()  # and its PostgreSQL with it
        for member in self.etcd:
            member.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
