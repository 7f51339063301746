"""What must hold at the end of a drill, from three sources that know nothing of each other: what clients were told, the
audit trail, and the tables."""

import json
from collections import defaultdict

from audit_chain import FIELDS, follow, verify_api
from metrics_text import parse_metrics

LATE = 1.0  # seconds after which every replica knows of a revocation, while the database can be reached
AFTER_OUTAGE = 2.0  # a replica is connected again
STATUS = {1: "active", 2: "suspended", 3: "revoked"}
ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class Findings:
    """A table of what was verified; `broken` is empty when all holds."""

    def __init__(self):
        self.rows, self.broken = [], []

    def check(self, what, amount, faults, allowed=False):
        """`allowed`: faults are counted and told, but are none."""
        faults = list(faults)
        result = "ok" if not faults else f"{len(faults)} lost" if allowed else f"{len(faults)} BROKEN"
        self.rows.append((what, amount, result))
        if not allowed:
            self.broken += [f"{what}: {fault}" for fault in faults[:5]]

    def table(self):
        width = max(len(what) for what, _, _ in self.rows)
        return "\n".join(f"{what:<{width}}  {amount:>8}  {result}" for what, amount, result in self.rows)


def events_by_sql(cluster):
    columns = ", ".join(("sequence", "at") + FIELDS)
    rows = cluster.sql(f"SELECT row_to_json(e) FROM (SELECT {columns}, encode(hash, 'hex') AS hash FROM events "
                       "ORDER BY sequence) AS e")
    return [json.loads(row) for row in rows.splitlines()]


def seats_over_time(events, max_clients):
    """Counts seats again, event by event. Returns who holds which, and what was wrong on the way."""
    held, faults = defaultdict(set), []
    for event in events:
        license_id, client = event["subject"], event["client"]
        if event["action"] == "seat.granted":
            if client in held[license_id]:
                faults.append(f"event {event['sequence']}: {client} is given a second seat of {license_id}")
            held[license_id].add(client)
        elif event["action"] == "seat.released":
            if client not in held[license_id]:
                faults.append(f"event {event['sequence']}: {client} gives back a seat of {license_id} that it has not got")
            held[license_id].discard(client)
        else:
            continue
        seats = len(held[license_id])
        if seats > max_clients.get(license_id, seats):
            faults.append(f"event {event['sequence']}: {seats} seats of {license_id} are held")
        if json.loads(event["detail"])["seats_held"] != seats:
            faults.append(f"event {event['sequence']} says {event['detail']}, and there are {seats} seats held")
    return held, faults


def license_id(hexadecimal):
    """As it is shown: lic_ and 26 characters of Crockford's base 32."""
    number, text = int(hexadecimal, 16), ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        text = ID_ALPHABET[digit] + text
    return "lic_" + text


def tables(cluster):
    """(status of each license, who holds a seat of it, what its counter says)."""
    status, seats, counters = {}, defaultdict(set), {}
    for row in cluster.sql("SELECT encode(id, 'hex'), status, seats_held FROM licenses").splitlines():
        identity, state, count = row.split("|")
        status[license_id(identity)] = STATUS[int(state)]
        counters[license_id(identity)] = int(count)
    for row in cluster.sql("SELECT encode(id, 'hex'), client_id FROM activations JOIN licenses ON license = row "
                           "WHERE held = 1").splitlines():
        identity, client = row.split("|")
        seats[license_id(identity)].add(client)
    return status, seats, counters


def wrong_seats(ledger, seats):
    """Clients whose last acknowledged call says otherwise than the tables."""
    latest = {}
    for call in ledger.of("activate", "deactivate"):
        if call.acknowledged or call.code == "UNKNOWN":
            latest[call.license_id, call.client_id] = call
    for (license_, client), call in latest.items():
        if call.acknowledged and (client in seats[license_]) != (call.operation == "activate"):
            yield f"{call.operation} of {client} was acknowledged, and the tables say otherwise: {call}"


def wrong_grants(ledger, events):
    """Clients that took a seat so many times, and the audit trail has other numbers."""
    told, known, unknown = defaultdict(int), defaultdict(int), set()
    holds = set()
    for call in ledger.of("activate", "deactivate"):
        pair = (call.license_id, call.client_id)
        if call.code == "UNKNOWN":
            unknown.add(pair)
        elif call.acknowledged and call.operation == "activate":
            told[pair] += pair not in holds
            holds.add(pair)
        elif call.acknowledged:
            holds.discard(pair)
    for event in events:
        if event["action"] == "seat.granted":
            known[event["subject"], event["client"]] += 1
    for pair in told.keys() | known.keys():
        if pair not in unknown and told[pair] != known[pair]:
            yield f"{pair}: {told[pair]} seats taken, as the client was told; {known[pair]} in the audit trail"


def missed_seats(load, events):
    """Seats that a client was promised and did not find. A balancer that repeats a deactivation on another replica makes
    the second answer of it: then the seat is given back as often as the client did so."""
    given, released = defaultdict(int), defaultdict(int)
    for call in load.ledger.of("deactivate"):
        given[call.license_id, call.client_id] += call.acknowledged
    for event in events:
        if event["action"] == "seat.released":
            released[event["subject"], event["client"]] += 1
    for call, what in load.lost:
        pair = (call.license_id, call.client_id)
        if call.operation != "deactivate" or released[pair] < given[pair]:
            yield f"{what}: {call}"


def wrong_status(ledger, status):
    latest = {}
    for call in ledger.of("revoke", "suspend", "resume"):
        latest[call.license_id] = call
    expected = {"revoke": "revoked", "suspend": "suspended", "resume": "active"}
    for license_, call in latest.items():
        if call.acknowledged and status[license_] != expected[call.operation]:
            yield f"{call.operation} of {license_} was acknowledged, and it is {status[license_]}"


def late_validations(ledger, outages):
    """Validations that went well although the license had been revoked or suspended for more than a second."""
    refused = defaultdict(list)  # license: [from, to]
    for call in ledger.of("revoke", "suspend", "resume"):
        if call.operation == "resume":
            for time in refused[call.license_id]:
                time[1] = min(time[1], call.began)
        elif call.acknowledged:
            refused[call.license_id].append([call.ended + LATE, float("inf")])
    for call in ledger.of("validate"):
        if not call.acknowledged or any(begin <= call.asked <= end + AFTER_OUTAGE for begin, end in outages):
            continue
        for begin, end in refused[call.license_id]:
            # One that began before the change and was answered after it may say either.
            if begin <= call.asked and call.ended < end:
                yield f"{call.who}: {call.license_id} is valid {call.asked - begin + LATE:.2f} s after it was refused"


def memory_of_replicas(cluster, load, status, seats):
    """What each replica answers by itself, against the tables."""
    licenses = load.contended + load.suspended + load.to_revoke[:40] + load.spread[:40]
    clients = {"user"} | {client for license_ in load.contended for client in seats[license_["license_id"]]}
    for replica in cluster.replicas:
        for license_ in licenses:
            identity = license_["license_id"]
            for client in sorted(clients):
                body = {"license_key": license_["license_key"], "client_id": client}
                answer = replica.call("POST", "/api/v1/licenses/validate", body, api_key=load.api_key)
                code = answer.json().get("error", {}).get("code", "OK")
                expected = {"suspended": "LICENSE_SUSPENDED", "revoked": "LICENSE_REVOKED"}.get(
                    status[identity], "OK" if client in seats[identity] else "CLIENT_NOT_ACTIVATED")
                if code != expected:
                    yield f"{replica.url}: {client} on {identity} gets {code} instead of {expected}"


def wrong_metrics(cluster, counters):
    for replica in cluster.replicas:
        metrics = parse_metrics(replica.call("GET", "/metrics").text)
        expected = {"lictor_seats_held": sum(counters.values()), "lictor_licenses": len(counters), "lictor_database_up": 1}
        for name, value in expected.items():
            if metrics[name, ()] != value:
                yield f"{replica.url}: {name} is {metrics[name, ()]} instead of {value}"


def restarts(cluster):
    for replica, killed in zip(cluster.replicas, cluster.killed):
        if not replica.running() or replica.starts != 1 + killed:
            yield f"{replica.url} was started {replica.starts} times and made to end {killed} times"
        if '"event":"request.failed"' in replica.logs():
            yield f"{replica.url} had internal errors"


def verify(cluster, load, lost_is_allowed=False):
    """After load.stop(). `lost_is_allowed`: what the standby had not got when it became the primary is counted."""
    findings, ledger = Findings(), load.ledger
    events = events_by_sql(cluster)
    held, faults = seats_over_time(events, load.max_clients)
    status, seats, counters = tables(cluster)
    findings.check("seats after each event of the audit trail", len(events), faults)
    findings.check("licenses whose seats are those of the audit trail", len(counters),
                   [f"{each}: {held[each] ^ seats[each]}" for each in counters if held[each] != seats[each]])
    findings.check("counters of seats", len(counters),
                   [each for each, count in counters.items() if count != len(seats[each])])
    chain = follow(events)
    by_api = verify_api(cluster.replicas[-1])
    verified = cluster.replicas[1].lictor("audit", "verify")
    findings.check("events of the audit chain, by SQL, by the API, by lictor audit verify", chain[0],
                   [each for each in (verified,) if verified.code != 0 or by_api[: len(events)] != events])
    acknowledged = [call for call in ledger.of("activate", "deactivate") if call.acknowledged]
    findings.check("acknowledged activations and deactivations", len(acknowledged), wrong_seats(ledger, seats), lost_is_allowed)
    findings.check("seats taken, one by one", len(acknowledged), wrong_grants(ledger, events), lost_is_allowed)
    findings.check("acknowledged changes of administrators", len(ledger.of("revoke", "suspend", "resume")),
                   wrong_status(ledger, status), lost_is_allowed)
    findings.check("seats found where they were promised", len(ledger.of("validate")), missed_seats(load, events),
                   lost_is_allowed)
    findings.check("validations after a revocation", len([c for c in ledger.of("validate") if not c.acknowledged]),
                   [] if lost_is_allowed else late_validations(ledger, cluster.outages))
    findings.check("replicas whose memory is that of the database", len(cluster.replicas),
                   memory_of_replicas(cluster, load, status, seats))
    findings.check("replicas with the same figures", len(cluster.replicas), wrong_metrics(cluster, counters))
    findings.check("replicas that went on, without internal errors", len(cluster.replicas), restarts(cluster))
    findings.check("answers that nobody should get", len(ledger.attempts), ledger.unexpected)
    return findings
