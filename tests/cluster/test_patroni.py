"""lictord on PostgreSQL under Patroni with etcd, from the configuration that docs/operations.md shows."""

import pytest
import requests

from cluster import DEPLOY, Process, substituted
from database_server import psql
from drill import Drill
from patroni_nodes import Patroni
from support import eventually, free_port


def through_haproxy(database, directory):
    """HAProxy before the two, as deploy/cluster/haproxy-postgresql.cfg has it."""
    directory.mkdir()
    port = free_port()
    changes = {f"192.0.2.2{number}:5432 check port 8008":
               f"{host} check port {database.ports[f'192.0.2.2{number}:8008'].split(':')[1]}"
               for number, host in enumerate(database.hosts, 1)}
    text = substituted((DEPLOY / "haproxy-postgresql.cfg").read_text(encoding="utf-8"),
                       {"bind 127.0.0.1:5432": f"bind 127.0.0.1:{port}", **changes})
    (directory / "haproxy.cfg").write_text("defaults\n  timeout connect 2s\n" + text, encoding="utf-8")
    return port, Process(["/usr/sbin/haproxy", "-db", "-f", directory / "haproxy.cfg"], directory)


def refuse_strangers(database):
    """What changes the cluster, and the superuser in lictord's database, is not for whoever reaches the ports."""
    for address in (database.ports["192.0.2.21:8008"], database.ports["192.0.2.22:8008"]):
        changed = requests.patch(f"http://{address}/config", json={"postgresql": {"parameters": {"work_mem": "8MB"}}}, timeout=5)
        assert changed.status_code == 401, changed.text
        assert requests.post(f"http://{address}/restart", json={}, timeout=5).status_code == 401
    superuser = f"postgresql://postgres:{database.passwords['superuser']}@{database.hosts[0]}/lictor"
    with pytest.raises(RuntimeError, match="no pg_hba.conf entry"):
        psql(superuser, "SELECT 1")


def test_patroni_fails_over_and_lictord_goes_on(start_cluster, base):
    database = Patroni()
    drill = Drill(start_cluster(database), settle=2)
    refuse_strangers(database)
    port, haproxy = through_haproxy(database, base / "before-postgresql")
    direct = f"postgresql://lictor:{database.password}@127.0.0.1:{port}/lictor"
    try:
        haproxy.start()
        eventually(lambda: database.number_by(direct, "SELECT count(*) FROM events") > 0, 20)
        switched = drill.under("Patroni: switch-over", database.switch_over)
        eventually(lambda: database.number_by(direct, "SELECT count(*) FROM events") > 0, 20)
    finally:
        haproxy.stop()
    killed = drill.under("Patroni: kill -9 of the leader, all of it", database.kill_leader)
    drill.finish()
    drill.report()
    assert not drill.findings.broken, "\n".join(drill.findings.broken)
    assert killed.lasted < 40 and killed.writes < killed.lasted + 10, "ttl is 20 s"
    assert switched.writes < 20
