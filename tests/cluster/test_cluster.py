"""Three replicas on one PostgreSQL with a streaming standby, behind nginx and HAProxy. tests/cluster/drill is the long form."""

import threading
import time

import pytest
import requests

from cluster import Pair, answers
from drill import Drill
from support import eventually


def finished(drill, lost_is_allowed=False):
    drill.finish(lost_is_allowed)
    drill.report()
    assert not drill.findings.broken, "\n".join(drill.findings.broken)
    return drill


def test_nothing_acknowledged_is_lost_with_a_synchronous_standby(start_cluster):
    drill = Drill(start_cluster(Pair(synchronous=True)))
    drill.kill_replicas()
    rolled = drill.roll()
    drill.restart_database()
    drill.crash_database()
    drill.fail_over()
    drill.fail_over(hang=True)
    finished(drill)
    assert rolled.writes < 2 and rolled.validations < 2, "a rolling restart is felt"


def test_what_the_standby_had_not_got_is_lost_and_nothing_else(start_cluster):
    """The replicas remember a history that is none any more: they must notice."""
    cluster = start_cluster(Pair(synchronous=False))
    drill = Drill(cluster)
    time.sleep(2)
    drill.fail_over(lag=2)
    finished(drill, lost_is_allowed=True)
    assert any("lost" in result for _, _, result in drill.findings.rows), "nothing was lost: the standby was not behind"
    for replica in cluster.replicas:
        assert '"event":"feed.another_history"' in replica.logs()


@pytest.fixture
def pair_without_receiver(start_cluster):
    """A synchronous standby that gets nothing: what is written is on one machine, and COMMIT does not return."""
    cluster = start_cluster(Pair(synchronous=True), replicas=1)
    (replica,) = cluster.replicas
    replica.admin("POST", "/products", {"name": "one"})
    replica.admin("POST", "/policies", {"product": "one", "name": "one", "terms": {"type": "perpetual", "max_clients": 1}})
    license_ = replica.create_license("one", "one")
    api_key = replica.create_api_key()["api_key"]
    return cluster, replica, lambda call, client="a": replica.call(
        "POST", f"/api/v1/licenses/{call}", {"license_key": license_["license_key"], "client_id": client}, api_key=api_key)


def in_background(work):
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


def sessions_that_wait(database):
    return database.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'lictord'")


@pytest.mark.parametrize("ends_by", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_write_that_only_the_primary_has_is_not_acknowledged(pair_without_receiver, ends_by):
    """The wait for the standby is ended. Whoever looks then finds what was written, on one machine only; COMMIT itself says
    that all went well, but for a warning."""
    cluster, _, ask = pair_without_receiver
    database = cluster.database
    database.standby.listen_to(None)
    eventually(lambda: database.primary.follower() == "")
    thread, results = in_background(lambda: ask("activate"))
    waiting = eventually(lambda: sessions_that_wait(database))
    database.primary.sql(f"SELECT {ends_by}({waiting})")
    thread.join()
    assert results[0].status_code == 503, "it was acknowledged, and the standby does not have it"
    with database.outage():
        database.primary.kill()
        database.standby.promote()
    database.primary, database.standby = database.standby, database.primary
    eventually(lambda: ask("activate").status_code == 200, 30)
    assert ask("activate", "b").json()["error"]["code"] == "MAX_CLIENTS_REACHED"


def test_nobody_is_told_that_nothing_was_recorded_when_that_is_not_known(pair_without_receiver):
    cluster, replica, ask = pair_without_receiver
    database = cluster.database
    database.standby.listen_to(None)
    eventually(lambda: database.primary.follower() == "")
    began = time.monotonic()
    refused = ask("activate")
    took = time.monotonic() - began
    database.standby.listen_to(database.primary)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert refused.headers["Retry-After"] and "nothing was recorded" not in refused.json()["error"]["message"]
    assert took < 16, f"--database-timeout is 5 s, and it took {took:.1f} s"
    eventually(lambda: answers(replica.port), 20)
    assert ask("activate", "b").json()["error"]["code"] == "MAX_CLIENTS_REACHED", "it was recorded after all"
    assert ask("activate").status_code == 200


def test_validations_go_on_through_the_balancers_while_the_database_is_away(start_cluster):
    cluster = start_cluster(Pair(synchronous=False))
    first = cluster.replicas[0]
    first.admin("POST", "/products", {"name": "one"})
    first.admin("POST", "/policies", {"product": "one", "name": "one", "terms": {"type": "perpetual", "max_clients": 1}})
    license_ = first.create_license("one", "one")
    api_key = first.create_api_key()["api_key"]
    body = {"license_key": license_["license_key"], "client_id": "a"}

    def ask(port, call):
        return requests.post(f"http://127.0.0.1:{port}/api/v1/licenses/{call}", json=body, headers={"X-API-Key": api_key},
                             timeout=30)

    assert ask(first.port, "activate").status_code == 200
    for replica in cluster.replicas:
        eventually(lambda port=replica.port: ask(port, "validate").status_code == 200)
    cluster.database.primary.kill()
    for port in cluster.balancers.ports:
        eventually(lambda port=port: answers(port, with_database=False))
    time.sleep(3)  # longer than HAProxy needs to find that no replica has it
    for port in cluster.balancers.ports:
        assert [ask(port, "validate").status_code for _ in range(6)] == [200] * 6
        refused = ask(port, "activate")
        assert refused.json()["error"]["code"] == "UNAVAILABLE" and int(refused.headers["Retry-After"]) >= 1
    cluster.database.primary.start()
    for port in cluster.balancers.ports:
        eventually(lambda port=port: answers(port), 20)
        assert ask(port, "activate").status_code == 200
