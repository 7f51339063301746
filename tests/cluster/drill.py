"""A drill: a cluster under load, one fault after the other, and what it looked like from outside."""

import sys
import time
from dataclasses import dataclass

from cluster import Cluster, Pair, answers
from load import Load
from patroni_nodes import Patroni
from support import eventually
from verify import verify

SETTLE = 4.0  # seconds between two faults
WRITES = ("activate", "deactivate", "revoke", "suspend", "resume")


@dataclass
class Seen:
    """Of one fault, from outside."""

    fault: str
    writes: float  # seconds without any acknowledged write
    validations: float  # and without any validation answered
    lasted: float  # until the database was there again, by what did it; 0: it was no matter of the database
    refused: list  # attempts that were refused for now or cut off
    slowest: float  # request

    def __str__(self):
        database = f"{self.lasted:6.2f} s" if self.lasted else "       –"
        return (f"{self.fault:<44} {database}  {self.writes:6.2f} s  {self.validations:6.2f} s  {len(self.refused):7}  "
                f"{self.slowest:6.2f} s")


SEEN_HEAD = f"{'fault':<44} {'database':>8}  {'writes':>8}  {'validate':>8}  {'refused':>7}  {'slowest':>8}"


class Drill:
    def __init__(self, cluster, say=print, settle=SETTLE):
        self.cluster, self.say, self.settle = cluster, say, settle
        self.began = time.monotonic()
        self.seen = []
        self.load = Load(cluster).start()

    def tell(self, text):
        self.say(f"[{time.monotonic() - self.began:6.1f} s] {text}")

    def under(self, fault, work):
        """Does `work` under load, waits until all is well again, and notes what it looked like."""
        self.tell(fault)
        begin, outages = time.monotonic(), len(self.cluster.outages)
        work()
        eventually(self.is_well, 60)
        time.sleep(self.settle)
        end = time.monotonic()
        during = [each for each in self.load.ledger.attempts if each.ended >= begin and each.began <= end
                  and not each.where.startswith("watch")]
        mine = self.cluster.outages[outages:]
        gap = self.load.ledger.gap
        seen = Seen(fault, gap("", begin, end, WRITES), gap("only_use", begin, end), sum(to - since for since, to in mine),
                    [each for each in during if each.outcome in ("UNAVAILABLE", "OVERLOADED") or
                     each.outcome[0].isdigit() or each.outcome.endswith(("Error", "Closed", "Disconnected", "Line"))],
                    max((each.ended - each.began for each in during), default=0))
        self.seen.append(seen)
        return seen

    def is_well(self):
        return all(answers(replica.port) for replica in self.cluster.replicas)

    # ---- the faults ----

    def kill_replicas(self):
        for number, replica in enumerate(self.cluster.replicas):
            def work(number=number, replica=replica):
                self.cluster.kill_replica(number)
                time.sleep(1)
                replica.start()
            self.under(f"kill -9 of replica {number + 1}, started after 1 s", work)

    def roll(self):
        def work():
            for number, replica in enumerate(self.cluster.replicas):
                self.cluster.killed[number] += 1
                replica.restart()
                time.sleep(2)  # until balancers take it for well again
        return self.under("rolling restart of the replicas", work)

    def restart_database(self):
        return self.under("restart of PostgreSQL", self.cluster.database.restart)

    def crash_database(self):
        return self.under("kill -9 of PostgreSQL, started at once", self.cluster.database.crash)

    def fail_over(self, **how):
        name = ("fail-over: the primary hangs" if how.get("hang") else "fail-over: the primary is killed")
        if how.get("lag"):
            name += f", {how['lag']:.0f} s behind"
        return self.under(name, lambda: self.cluster.database.fail_over(**how))

    def attach_standby(self):
        return self.under("the standby is made anew and attached", self.cluster.database.attach_standby)

    def finish(self, lost_is_allowed=False):
        self.tell("the load ends")
        self.load.stop()
        self.tell("verify")
        self.findings = verify(self.cluster, self.load, lost_is_allowed)
        return self.findings

    def report(self):
        ledger = self.load.ledger
        slowest = ledger.longest_attempt()
        self.say("\nSeconds: database away, as whoever moved it saw it; longest without an acknowledged write, without a "
                 "validation;\nrequests refused for now or cut off (each was repeated); the slowest request")
        self.say("\n".join([SEEN_HEAD, *map(str, self.seen)]))
        self.say(f"\n{len(ledger.attempts)} requests, {len(ledger.calls)} calls; the slowest request took "
                 f"{slowest.ended - slowest.began:.2f} s ({slowest.operation}, {slowest.outcome})\n")
        self.say(self.findings.table())
        for fault in self.findings.broken:
            self.say(f"BROKEN  {fault}")


def faults_of_pair(drill, synchronous):
    drill.kill_replicas()
    drill.roll()
    drill.restart_database()
    drill.crash_database()
    drill.fail_over(lag=0 if synchronous else 2)
    drill.attach_standby()
    drill.fail_over(hang=True)
    drill.attach_standby()


def faults_of_patroni(drill):
    database = drill.cluster.database
    drill.kill_replicas()
    drill.under("Patroni: kill -9 of the leader, all of it", database.kill_leader)
    drill.under("it comes back", database.bring_back)
    drill.under("Patroni: switch-over", database.switch_over)
    drill.under("etcd: kill -9 of all three, for 25 s", database.lose_etcd)
    drill.under("etcd comes back", database.bring_back_etcd)


def run(directory, secrets, kind, minutes, say=print):
    """The whole of it with a standby that is `sync` or `async`, or with `patroni`; True when all held. Without minutes each
    fault comes once."""
    say(f"\n== {kind} ==")
    cluster = Cluster(directory, secrets, Patroni() if kind == "patroni" else Pair(kind == "sync"))
    try:
        drill = Drill(cluster, say)
        end = time.monotonic() + 60 * minutes
        while True:
            faults_of_patroni(drill) if kind == "patroni" else faults_of_pair(drill, kind == "sync")
            if time.monotonic() >= end:
                break
        findings = drill.finish(lost_is_allowed=kind == "async")
        drill.report()
        return not findings.broken
    finally:
        cluster.close()
        sys.stdout.flush()
