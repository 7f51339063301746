"""lictord on PostgreSQL under Patroni with etcd, from the configuration that docs/operations.md shows."""

from cluster import DEPLOY, Process, substituted
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


def test_patroni_fails_over_and_lictord_goes_on(start_cluster, base):
    database = Patroni()
    drill = Drill(start_cluster(database), settle=2)
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
