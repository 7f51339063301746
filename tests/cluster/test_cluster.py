"""Three replicas on one PostgreSQL with a streaming standby, behind nginx and HAProxy. tests/cluster/drill is the long form."""

import threading
import time

import pytest
import requests

from cluster import OPTIONS, Pair, answers
from drill import Drill
from support import BIN_DIR, ROOT, eventually, run


def finished(drill, lost_is_allowed=False):
    drill.finish(lost_is_allowed)
    drill.report()
    assert not drill.findings.broken, "\n".join(drill.findings.broken)


def test_nothing_acknowledged_is_lost_with_a_synchronous_standby(start_cluster):
    drill = Drill(start_cluster(Pair(synchronous=True)), settle=2)
    drill.kill_replicas()
    rolled = drill.roll()
    drill.restart_database()
    drill.crash_database()
    drill.fail_over()
    finished(drill)
    # Of changes that administrators make, a balancer can't know whether they may come twice.
    felt = [attempt for attempt in rolled.refused if attempt.operation not in ("revoke", "suspend", "resume")]
    assert not felt, f"a rolling restart is felt: {felt}"


def test_what_the_standby_had_not_got_is_lost_and_nothing_else(start_cluster):
    """The replicas remember a history that is none any more: they must notice. The old primary hangs, besides."""
    cluster = start_cluster(Pair(synchronous=False))
    drill = Drill(cluster, settle=2)
    time.sleep(2)
    drill.fail_over(lag=2, hang=True)
    finished(drill, lost_is_allowed=True)
    assert any("lost" in result for _, _, result in drill.findings.rows), "nothing was lost: the standby was not behind"
    for replica in cluster.replicas:
        eventually(lambda replica=replica: '"event":"feed.another_history"' in replica.logs())


def test_the_configuration_on_the_page_is_accepted(tmp_path):
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    page = page[page.index("## More than one machine"):]
    (tmp_path / "lictord.toml").write_text(page.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    finished = run(BIN_DIR / "lictord", "check-config", "--config", tmp_path / "lictord.toml", "--data", tmp_path)
    assert finished.code == 0, finished
    held = {line.split()[0]: line for line in finished.out.splitlines() if ", database." in line}
    assert set(held) == {"database_url", "wait_for_database", "database_timeout"}, finished
    assert OPTIONS == ("--database-timeout", "2s") and " 2s " in held["database_timeout"], "the drill runs with another one"


class One:
    """A cluster for tests that make a license each, with one seat."""

    def __init__(self, cluster):
        self.cluster, self.database, self.first = cluster, cluster.database, cluster.replicas[0]
        self.first.admin("POST", "/products", {"name": "one"})
        terms = {"type": "perpetual", "max_clients": 1}
        self.first.admin("POST", "/policies", {"product": "one", "name": "one", "terms": terms})
        self.api_key = self.first.create_api_key()["api_key"]

    def new_license(self):
        self.license = self.first.create_license("one", "one")
        return self

    def ask(self, call, client="a", port=None):
        body = {"license_key": self.license["license_key"], "client_id": client}
        return requests.post(f"http://127.0.0.1:{port or self.first.port}/api/v1/licenses/{call}", json=body,
                             headers={"X-API-Key": self.api_key}, timeout=30)

    def cut_standby_off(self):
        self.database.standby.listen_to(None)
        eventually(lambda: self.database.primary.follower() == "")

    def sessions_that_wait(self):
        return self.database.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND "
                                 "application_name = 'lictord'")


@pytest.fixture(scope="module")
def shared(start_shared_cluster):
    return One(start_shared_cluster(Pair(synchronous=True)))


@pytest.fixture
def one(shared):
    yield shared.new_license()
    database = shared.database
    if database.standby.running():
        database.standby.listen_to(database.primary)
    else:
        database.attach_standby()
    database.wait_for_standby()
    eventually(lambda: all(answers(replica.port) for replica in shared.cluster.replicas), 30)


def test_validations_go_on_through_the_balancers_while_the_database_is_away(one):
    cluster = one.cluster
    assert one.ask("activate").status_code == 200
    time.sleep(0.3)  # until all know of it
    for replica in cluster.replicas:
        assert one.ask("validate", port=replica.port).status_code == 200
    one.database.primary.kill()
    for port in cluster.balancers.ports:
        eventually(lambda port=port: answers(port, with_database=False))
    time.sleep(3)  # longer than HAProxy needs to find that no replica has it
    for port in cluster.balancers.ports:
        assert [one.ask("validate", port=port).status_code for _ in range(6)] == [200] * 6
        refused = one.ask("activate", port=port)
        assert refused.json()["error"]["code"] == "UNAVAILABLE" and int(refused.headers["Retry-After"]) >= 1
    one.database.primary.start()
    for port in cluster.balancers.ports:
        eventually(lambda port=port: answers(port), 20)
        eventually(lambda port=port: one.ask("activate", port=port).status_code == 200, 20)


def test_nobody_is_told_that_nothing_was_recorded_when_that_is_not_known(one):
    one.cut_standby_off()
    began = time.monotonic()
    refused = one.ask("activate")
    took = time.monotonic() - began
    one.database.standby.listen_to(one.database.primary)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert refused.headers["Retry-After"] and refused.json()["error"]["details"] == {"recorded": "unknown"}
    assert "nothing was recorded" not in refused.json()["error"]["message"]
    assert took < 7, f"--database-timeout is 2 s, and it took {took:.1f} s"
    eventually(lambda: one.ask("activate", "b").json()["error"]["code"] == "MAX_CLIENTS_REACHED", 20)
    assert one.ask("activate").status_code == 200, "it was recorded after all"


@pytest.mark.parametrize("ends_by", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_write_that_only_the_primary_has_is_not_acknowledged(one, ends_by):
    """The wait for the standby is ended. Whoever looks then finds what was written, on one machine only; COMMIT itself says
    that all went well, but for a warning."""
    database, results = one.database, []
    one.cut_standby_off()
    thread = threading.Thread(target=lambda: results.append(one.ask("activate")))
    thread.start()
    waiting = eventually(one.sessions_that_wait)
    database.primary.sql(f"SELECT {ends_by}({waiting})")
    thread.join()
    assert results[0].status_code == 503, "it was acknowledged, and the standby does not have it"
    with database.outage():
        database.primary.kill()
        database.standby.promote()
    database.primary, database.standby = database.standby, database.primary
    eventually(lambda: one.ask("activate", "b").status_code == 200, 30)
    assert one.ask("activate").json()["error"]["code"] == "MAX_CLIENTS_REACHED", "the seat went to the other client"
