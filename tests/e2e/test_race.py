"""Durable and exact: clients in many threads and processes race on a server that is killed with SIGKILL again and
again. What every client was told, and when, is compared with what the server and its database say."""

import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from pathlib import Path

import pytest

import audit_chain
from support import TIME_SCALE, lictor, seconds

SEATS = 10
PROCESSES = 8
THREADS = 8  # of each process
KILLS = [
    pytest.param(6, id="few", marks=[pytest.mark.quick, pytest.mark.race]),
    pytest.param(55, id="full"),
]
ALIVE_SECONDS = (0.02, 0.25)  # between ready and the next kill
DATABASE = "lictor.db"


class Race:
    """Processes of clients (race_client.py) and what they wrote down."""

    def __init__(self, server, directory, work, license_key, refusals, processes=PROCESSES, threads=THREADS):
        self.server = server
        self.logs = [directory / f"clients.{number}" for number in range(processes)]
        self.records = []  # in the order of each client
        self._offsets = [0] * processes
        self._tails = [b""] * processes
        api_key = server.create_api_key(scopes=["license:activate", "license:validate", "usage:write"])["api_key"]
        task = {
            "work": work,
            "port": server.port,
            "api_key": api_key,
            "license_key": license_key,
            "refusals": refusals,
            "threads": threads,
            "patience": seconds(60),
        }
        self._processes = [self._spawn({**task, "name": f"p{n}", "log": str(log)}) for n, log in enumerate(self.logs)]

    @staticmethod
    def _spawn(task):
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("race_client.py"))],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        return process

    def finish(self):
        for process in self._processes:
            process.stdin.close()
        errors = [process.stderr.read() for process in self._processes]
        codes = [process.wait(seconds(90)) for process in self._processes]
        assert not any(codes), "\n".join(errors)
        return self.read()

    def abandon(self):
        for process in self._processes:
            process.kill()
            process.wait()
            process.stderr.close()

    def read(self):
        """Everything that was written so far."""
        for number, log in enumerate(self.logs):
            if not log.exists():
                continue
            with open(log, "rb") as file:
                file.seek(self._offsets[number])
                data = file.read()
            self._offsets[number] += len(data)
            *lines, self._tails[number] = (self._tails[number] + data).split(b"\n")
            self.records += [json.loads(line) for line in lines]
        return self.records


@contextmanager
def race(*args, **more):
    running = Race(*args, **more)
    try:
        yield running
    finally:
        running.abandon()


def kill_again_and_again(server, kills, while_down):
    chance = random.Random(kills)
    for number in range(kills):
        time.sleep(chance.uniform(*ALIVE_SECONDS) * TIME_SCALE)
        server.kill9()
        while_down(number)
        server.start()


# ---- what clients were told ----


def told(records):
    """client → the set of what it may hold: one value after an answer, two while an operation is under way."""
    may_hold = defaultdict(lambda: {False})
    for record in records:
        client = record["client"]
        if record["step"] == "begin":
            may_hold[client] = may_hold[client] | {record["operation"] == "activate"}
        elif record["operation"] == "activate":
            may_hold[client] = {record["code"] == "OK"}
        else:
            may_hold[client] = {False}
    return may_hold


def most_holders_at_a_time(intervals):
    """intervals: (from, until). Ends go before beginnings of the same moment."""
    steps = sorted([(until, -1) for _, until in intervals] + [(begin, 1) for begin, _ in intervals])
    held = most = 0
    for _, change in steps:
        held += change
        most = max(most, held)
    return most


def promised_intervals(records, end):
    """From the moment a client had read that it has a seat to the moment it began to ask for its release."""
    since, intervals = {}, []
    for record in records:
        client = record["client"]
        if record["step"] == "answer" and record["operation"] == "activate" and record["code"] == "OK":
            since.setdefault(client, record["at"])
        if record["step"] == "begin" and record["operation"] == "deactivate" and client in since:
            intervals.append((since.pop(client), record["at"]))
    return intervals + [(begin, end) for begin in since.values()]


def held_in(database):
    return {row["client_id"] for row in database.rows("SELECT client_id FROM activations WHERE held = 1")}


def check_held(held, records):
    may_hold = told(records)
    wrong = {c: v for c, v in may_hold.items() if (c in held) not in v}
    assert not wrong, f"clients that were told otherwise: {wrong}"
    assert held <= set(may_hold), "clients that never asked"


def replay(events, license_id):
    """Who holds a seat, by the audit events alone."""
    holders = set()
    for event in events:
        if event["subject"] != license_id or event["action"] not in ("seat.granted", "seat.released"):
            continue
        if event["action"] == "seat.granted":
            assert event["client"] not in holders, f"a second seat: {event}"
            holders.add(event["client"])
            assert len(holders) <= SEATS, f"more than {SEATS} seats: {event}"
        else:
            assert event["client"] in holders, f"released without a seat: {event}"
            holders.remove(event["client"])
    return holders


def check_audit_command(server):
    found = server.lictor("audit", "verify")
    assert found.code == 0, found


# ---- the races ----


@pytest.mark.parametrize("kills", KILLS)
def test_seats_are_exact_and_durable_under_kill_9(start_server, tmp_path, kills):
    server = start_server("--log-level", "error")
    created = server.create_license("perpetual", overrides={"max_clients": SEATS})
    license_id = created["license_id"]
    full = 0

    def check_while_down(number):
        nonlocal full
        with server.database.as_left() as database:
            held = held_in(database)
            counted = database.rows("SELECT max(seats_held) AS most FROM licenses")[0]["most"]
            assert len(held) == counted <= SEATS, f"kill {number}: {len(held)} rows, {counted} counted"
            full += counted == SEATS
            check_held(held, clients.read())
            if number % 10 == 5:
                assert replay(audit_chain.verify_database(database), license_id) == held

    began = time.monotonic()
    with race(server, tmp_path, "race_for_seats", created["license_key"], {"activate": [409]}) as clients:
        kill_again_and_again(server, kills, check_while_down)
        assert server.admin("GET", f"/licenses/{license_id}")["active_clients"] <= SEATS
        records = clients.finish()
    took = time.monotonic() - began

    shown = server.admin("GET", f"/licenses/{license_id}/clients?limit=500")["clients"]
    held = {client["client_id"] for client in shown if client["held"]}
    assert all(len(states) == 1 for states in told(records).values())
    check_held(held, records)
    assert server.admin("GET", f"/licenses/{license_id}")["active_clients"] == len(held) <= SEATS
    assert most_holders_at_a_time(promised_intervals(records, time.monotonic())) <= SEATS
    assert replay(audit_chain.verify_api(server), license_id) == held
    check_audit_command(server)
    server.stop()
    with server.database.as_left() as database:
        assert held_in(database) == held
        audit_chain.verify_database(database)

    answers = Counter((r["operation"], r["code"]) for r in records if r["step"] == "answer")
    retried = sum(r["attempts"] > 1 for r in records if r["step"] == "answer")
    print(f"\n{kills} kills in {took:.1f} s, full at {full} of them; {dict(answers)}; {retried} answers after retries")
    # Or else there was no race.
    assert answers["activate", "OK"] > 2 * kills and answers["activate", "MAX_CLIENTS_REACHED"] > 0
    assert retried >= kills and full > 0


QUOTA = 300


@pytest.mark.parametrize("kills", KILLS)
def test_usage_counts_are_exact_under_kill_9(start_server, tmp_path, kills):
    server = start_server("--log-level", "error")
    quotas = {"calls": {"amount": None, "period": "total"}, "limited": {"amount": QUOTA, "period": "total"}}
    terms = {"type": "metered", "max_clients": None, "quotas": quotas}
    server.admin("POST", "/policies", {"product": "demo", "name": "counted", "terms": terms})
    created = server.create_license("counted")

    def check_while_down(_):
        acknowledged = sums(clients.read())
        with server.database.as_left() as database:
            totals = {row["metric"]: row["total"] for row in database.rows("SELECT metric, total FROM usage_counters")}
        for metric, total in acknowledged.items():
            assert totals.get(metric, 0) >= total, f"acknowledged usage of {metric} is lost"

    with race(server, tmp_path, "count_usage", created["license_key"], {"usage": [403]}) as clients:
        kill_again_and_again(server, kills, check_while_down)
        records = clients.finish()

    codes = {r["code"] for r in records if r["step"] == "answer"}
    assert codes <= {"OK", "USAGE_QUOTA_EXCEEDED"}, codes
    totals = sums(records)
    check_serial(records, "calls")
    check_serial(records, "limited")
    assert totals["limited"] <= QUOTA
    refused = [r for r in records if r["step"] == "answer" and r["code"] == "USAGE_QUOTA_EXCEEDED"]
    assert all(r["data"]["quota"] == QUOTA and r["data"]["used"] <= QUOTA for r in refused)
    if refused:
        assert totals["limited"] == QUOTA  # by ones, so that nothing is left when one is refused
    check_retries_change_nothing(server, created, records, totals)
    check_audit_command(server)
    server.stop()
    with server.database.as_left() as database:
        stored = {row["metric"]: row["total"] for row in database.rows("SELECT metric, total FROM usage_counters")}
        assert stored == totals
        audit_chain.verify_database(database)
    retried = sum(r["attempts"] > 1 for r in records if r["step"] == "answer")
    print(f"\n{kills} kills; {dict(totals)}; {len(refused)} refused; {retried} answers after retries")
    assert retried >= kills and len(accepted(records)) > 10 * kills


def accepted(records):
    answers = [r for r in records if r["step"] == "answer" and r["operation"] == "usage"]
    return [r for r in answers if r["code"] == "OK"]


def sums(records):
    totals = Counter()
    for record in accepted(records):
        totals[record["data"]["metric"]] += record["data"]["quantity"]
    return totals


def check_serial(records, metric):
    """The totals that clients were told are those of all additions done one after the other: none lost, none twice."""
    additions = [r["data"] for r in accepted(records) if r["data"]["metric"] == metric]
    before = 0
    for total, quantity in sorted((addition["total"], addition["quantity"]) for addition in additions):
        assert total - quantity == before, f"{metric}: {quantity} made {total} of {before}"
        before = total


def check_retries_change_nothing(server, created, records, totals):
    """Answers that got lost on their way are asked for again, much later."""
    api_key = server.create_api_key(scopes=["usage:write"])["api_key"]
    begun = {}
    for record in records:
        if record["step"] == "begin":
            begun[record["client"]] = record["body"]
        elif record["code"] == "OK":
            record["body"] = begun[record["client"]]
    for record in random.Random(1).sample(accepted(records), 40):
        body = {"license_key": created["license_key"], **record["body"]}
        again = server.call("POST", "/api/v1/licenses/usage", body, api_key=api_key)
        assert again.status_code == 200 and again.json()["data"] == record["data"], again.text
        other = server.call("POST", "/api/v1/licenses/usage", {**body, "quantity": 77}, api_key=api_key)
        assert (other.status_code, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_CONFLICT"), other.text
    body = {"license_key": created["license_key"], "metric": "calls", "quantity": 1, "idempotency_key": "the-last"}
    last = server.call("POST", "/api/v1/licenses/usage", body, api_key=api_key)
    totals["calls"] += 1
    assert last.json()["data"]["total"] == totals["calls"]


LEASE_SECONDS = 2
FLOATING_SEATS = 5


@pytest.mark.race
def test_vanished_holders_of_leases_make_room_by_time_alone(start_server, tmp_path):
    server = start_server("--log-level", "error")
    terms = {"type": "subscription", "max_clients": FLOATING_SEATS, "lease": LEASE_SECONDS}
    server.admin("POST", "/policies", {"product": "demo", "name": "short-lease", "terms": terms})
    created = server.create_license("short-lease")
    refusals = {"activate": [409], "validate": [403]}
    rounds = 4
    with race(server, tmp_path, "float_and_vanish", created["license_key"], refusals, 2, 8) as clients:
        for _ in range(rounds):  # nobody ever gives a seat back: only time does
            time.sleep(LEASE_SECONDS)
            assert server.admin("GET", f"/licenses/{created['license_id']}")["active_clients"] <= FLOATING_SEATS
            server.kill9()
            server.start()
        records = clients.finish()

    assert most_holders_at_a_time(lease_intervals(records)) <= FLOATING_SEATS
    grants = [r for r in records if r["step"] == "answer" and r["operation"] == "activate"]
    assert len({r["client"] for r in grants if r["code"] == "OK"}) >= 2 * FLOATING_SEATS, "vanished holders kept seats"
    for refusal in (r for r in grants if r["code"] == "MAX_CLIENTS_REACHED"):
        assert refusal["data"]["max_clients"] == refusal["data"]["active_clients"] == FLOATING_SEATS
        assert refusal["data"]["next_release_at"] <= refusal["wall"] + LEASE_SECONDS
    time.sleep(LEASE_SECONDS + 1)
    assert server.admin("GET", f"/licenses/{created['license_id']}")["active_clients"] == 0
    audit_chain.verify_api(server)
    check_audit_command(server)


def lease_intervals(records):
    """From the moment a client had read that it has a lease to the end it was told; renewals move the end."""
    leases = {}
    for record in records:
        if record["step"] != "answer" or record["code"] != "OK":
            continue
        begin, end = leases.get(record["client"], (record["wall"], 0))
        leases[record["client"]] = (begin, max(end, record["data"]["client"]["lease_expires_at"]))
    return list(leases.values())


@pytest.mark.quick
@pytest.mark.race
def test_validations_see_every_acknowledged_change_at_once(start_server):
    """Read-your-writes through the cache, from other connections, while others write to the same license."""
    server = start_server("--log-level", "error")
    created = server.create_license("perpetual", overrides={"max_clients": 8})
    api_key = server.create_api_key()["api_key"]
    failures = []

    def alternate(name):
        body = {"license_key": created["license_key"], "client_id": name}
        for _ in range(25):
            for operation, status in (("activate", 200), ("deactivate", 403)):
                server.call("POST", f"/api/v1/licenses/{operation}", body, api_key=api_key)
                seen = server.call("POST", "/api/v1/licenses/validate", body, api_key=api_key)
                if seen.status_code != status:
                    failures.append(f"{name}: {seen.status_code} after {operation}: {seen.text}")

    threads = [threading.Thread(target=alternate, args=(f"client-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]


def record_of(step, operation, code="OK", at=0.0, client="c"):
    return {"client": client, "step": step, "operation": operation, "code": code, "at": at}


BEGIN_ACTIVATE, ACTIVATED = record_of("begin", "activate", at=1), record_of("answer", "activate", at=2)
BEGIN_DEACTIVATE, DEACTIVATED = record_of("begin", "deactivate", at=3), record_of("answer", "deactivate", at=4)
REFUSED = record_of("answer", "activate", "MAX_CLIENTS_REACHED", at=2)


@pytest.mark.parametrize(
    "records, may_hold, may_hold_none",
    [
        ([BEGIN_ACTIVATE], True, True),
        ([BEGIN_ACTIVATE, ACTIVATED], True, False),
        ([BEGIN_ACTIVATE, REFUSED], False, True),
        ([BEGIN_ACTIVATE, ACTIVATED, BEGIN_ACTIVATE], True, False),
        ([BEGIN_ACTIVATE, ACTIVATED, BEGIN_DEACTIVATE], True, True),
        ([BEGIN_ACTIVATE, ACTIVATED, BEGIN_DEACTIVATE, DEACTIVATED], False, True),
    ],
)
def test_the_check_of_promises_can_fail(records, may_hold, may_hold_none):
    for held, allowed in (({"c"}, may_hold), (set(), may_hold_none)):
        if allowed:
            check_held(held, records)
        else:
            with pytest.raises(AssertionError):
                check_held(held, records)


def test_the_checks_of_intervals_and_totals_can_fail():
    assert most_holders_at_a_time([(0, 2), (1, 3), (2, 4)]) == 2
    assert most_holders_at_a_time([(0, 1), (1, 2)]) == 1
    assert promised_intervals([BEGIN_ACTIVATE, ACTIVATED, BEGIN_DEACTIVATE, DEACTIVATED], 9) == [(2, 3)]
    assert promised_intervals([BEGIN_ACTIVATE, ACTIVATED], 9) == [(2, 9)]

    def usage(total, quantity):
        return {**record_of("answer", "usage"), "data": {"metric": "m", "total": total, "quantity": quantity}}

    check_serial([usage(5, 2), usage(3, 3)], "m")
    for wrong in ([usage(5, 2), usage(4, 3)], [usage(3, 3), usage(3, 3)], [usage(6, 3)]):  # lost, twice, before any
        with pytest.raises(AssertionError):
            check_serial(wrong, "m")


@pytest.mark.sqlite
def test_the_independent_verification_finds_an_edited_event(start_server, tmp_path):
    """And so does the command: or else the races prove nothing about the chain."""
    server = start_server()
    for number in range(5):
        server.create_license("perpetual", holder=f"holder {number}")
    server.stop()
    with server.database.as_left() as database:
        assert len(audit_chain.verify_database(database)) >= 5
    path = server.data / DATABASE
    for change in (
        "UPDATE events SET detail = detail || ' ' WHERE sequence = 7",
        "DELETE FROM events WHERE sequence = 7",
        "DELETE FROM events WHERE sequence = (SELECT max(sequence) FROM events)",
    ):
        kept = path.read_bytes()
        with sqlite3.connect(path) as database:
            database.execute(change)
        database.close()
        with server.database.as_left() as copy, pytest.raises(AssertionError):
            audit_chain.verify_database(copy)
        server.start()
        found = lictor("audit", "verify", "--data", server.data, env={"LICTOR_SERVER": server.url})
        assert found.code == 1 and "broken" in found.err + found.out, f"{change}: {found}"
        server.stop()
        for left in server.data.glob(f"{DATABASE}-*"):
            left.unlink()
        path.write_bytes(kept)
