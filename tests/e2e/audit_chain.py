"""The chain of audit events (src/store/audit_chain.h) recomputed by other means than the server's: its grammar
again, in another language, so that a fault in the server's own code does not hide itself."""

import hashlib
import sqlite3

FIELDS = ("actor", "action", "subject", "client", "code", "request_id", "detail")
START = (0, bytes(32))


def next_hash(previous, event):
    text = f"lictor-event-1\n{event['sequence']}\n{event['at']}\n".encode()
    for name in FIELDS:
        value = event[name].encode()
        text += b"%d:" % len(value) + value + b"\n"
    return hashlib.sha256(previous + text).digest()


def follow(events, link=START):
    """The link after the events; fails at the first event that does not follow from the one before it."""
    sequence, digest = link
    for event in events:
        sequence += 1
        assert event["sequence"] == sequence, f"event {sequence} is missing: {event['sequence']} follows"
        digest = next_hash(digest, event)
        assert event["hash"] == digest.hex(), f"event {sequence} is not what its hash says: {event}"
    return sequence, digest


def rows_of(database, query):
    """Of a connection of sqlite3, or of one of databases.py."""
    if not isinstance(database, sqlite3.Connection):
        return database.rows(query)
    database.row_factory = sqlite3.Row
    return [dict(row) for row in database.execute(query)]


def events_in(database, after=0):
    """The events of a database that no server has open, as the API shows them."""
    columns = ", ".join(("sequence", "at") + FIELDS)
    events = rows_of(database, f"SELECT {columns}, hash FROM events WHERE sequence > {after:d} ORDER BY sequence")
    return [{**event, "hash": event["hash"].hex()} for event in events]


def verify_database(database):
    """The whole chain and the head record of a database that no server has open; returns the events."""
    events = events_in(database)
    link = follow(events)
    (head,) = rows_of(database, "SELECT sequence, hash FROM audit_head")
    assert (head["sequence"], head["hash"]) == link, "the head record is not the newest event"
    return events


def verify_api(server):
    """The whole chain and its head as GET /admin/events tells them; returns the events."""
    events, link = [], START
    while True:
        page = server.admin("GET", f"/events?limit=1000&after={link[0]}")
        link = follow(page["events"], link)
        events += page["events"]
        if not page["events"]:
            break
    assert (page["head"]["sequence"], page["head"]["hash"]) == (link[0], link[1].hex())
    return events
