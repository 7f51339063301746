"""The administrative calls and what they take, written down by hand from the documentation: the malformed requests are
made from it, and test_malformed_admin.py compares it with what the server says it takes.

A value that is allowed has a type here, and each type knows values that are not (`wrong` in a body, `wrong_text` in a
query)."""

import json
from dataclasses import dataclass, field

LAST_SECOND = 253402300799  # of the year 9999
LAST_START = 4294967294
UNSEEN = ("\x00", "\n", "\x1b[0m", "\x7f", "\u0085", "\u202e", "\u200b", "\ufeff", "\u2028")


@dataclass
class Text:
    most: int

    def wrong(self):
        yield from (7, 1.5, True, [], {}, "", "x" * (self.most + 1), "\u00e9" * (self.most // 2 + 1))
        yield from (f"a{unseen}b" for unseen in UNSEEN)

    def wrong_text(self):
        yield from ("%00", "a%0ab", "%zz", "%", "%2", "%ff", "%c3", "%c0%af", "%ed%a0%80", "%e2%80%ae", "x" * (self.most + 1))


@dataclass
class Whole:
    least: int
    most: int

    def wrong(self):
        yield from ("1", "", 1.5, 1.0, True, [], {}, self.least - 1, self.most + 1, 2**63, 2**64, 10**30, -(2**63) - 1, 1e300)

    def wrong_text(self):
        yield from ("x", "1.5", "1.0", "1e3", "0x10", "%201", "1%20", "+1", "%2b1", "--1", "-", "true", "%00")
        yield from (str(self.least - 1), str(self.most + 1), str(2**63), str(2**64), "9" * 400)


@dataclass
class Truth:
    def wrong(self):
        yield from ("true", "", 0, 1, 1.5, [], {})

    def wrong_text(self):
        yield from ("1", "0", "yes", "TRUE", "null", "%00")


@dataclass
class Choice:
    choices: str

    def wrong(self):
        first = self.choices.split("|")[0]
        yield from ("nothing", "", first.upper() + "_", " " + first, first + "\x00", self.choices, 7, True, [], {}, [first])

    def wrong_text(self):
        yield from ("nothing", "|", self.choices.replace("|", "%7c") + "%7c", self.choices.split("|")[0] + "%20", "%00")


@dataclass
class Table:
    """An object; `members` are wrong ones with the name that is at fault, below the object's own."""

    members: list = field(default_factory=list)

    def wrong(self):
        yield from ("x", "", 1, 1.5, True, [], [{}], "{}")


@dataclass
class Items:
    least: int
    most: int

    def wrong(self):
        yield from ("x", "", 1, True, {}, {"0": 1}, [0] * (self.most + 1))
        if self.least > 0:
            yield []


@dataclass
class Cursor:
    """`others`: positions of other lists, which are none of this one."""

    others: tuple = ("1.1.6", "1.1.61.61")

    def wrong_text(self):
        yield from ("x", "1", "1.", ".1", "1.0", "1.-1", "1.1.", "1.1.zz", "1.1x", "%00", "9" * 25 + ".1", "1." + "9" * 25, "1%20.1",
                    "a" * 801, *self.others)


TIME = Whole(0, LAST_SECOND)
EXPIRY = Whole(1, LAST_SECOND)
START = Whole(0, LAST_START)
NAME, TEXT, REASON = Text(63), Text(256), Text(512)
AUTH = Choice("api_key|license")

# Terms that are no terms, and the member at fault (None: any).
WRONG_TERMS = [
    ({"type": "eternal"}, "type"), ({"type": 7}, "type"), ({"type": None}, "type"),
    ({"duration": -1}, "duration"), ({"duration": "1y"}, "duration"),
    ({"duration": 2**63}, "duration"), ({"duration": 1.5}, "duration"), ({"duration": 10**12}, "duration"),
    ({"starts": "never"}, "starts"), ({"starts": True}, "starts"),
    ({"grace": -1}, "grace"), ({"grace": "1d"}, "grace"), ({"grace": 10**12}, "grace"), ({"grace": None}, "grace"),
    ({"expiry_mode": "ignore"}, "expiry_mode"), ({"expiry_mode": []}, "expiry_mode"),
    ({"max_clients": 0}, "max_clients"), ({"max_clients": -1}, "max_clients"), ({"max_clients": "5"}, "max_clients"),
    ({"max_clients": 2**31}, "max_clients"), ({"max_clients": 2**64}, "max_clients"), ({"max_clients": 1.5}, "max_clients"),
    ({"overage": "some"}, None), ({"overage": 5}, None), ({"overage": {"percent": -1}}, None),
    ({"overage": {"percent": 100000}}, None), ({"overage": {"percent": "20"}}, None), ({"overage": {}}, None),
    ({"overage": {"percent": 20, "more": 1}}, None), ({"overage": []}, None),
    ({"binding": "tight"}, "binding"), ({"binding": None}, "binding"), ({"binding": {"a": 1}}, "binding"),
    ({"lease": -1}, "lease"), ({"lease": "1h"}, "lease"), ({"lease": 10**15}, "lease"), ({"lease": True}, "lease"),
    ({"borrow_max": -1}, "borrow_max"), ({"borrow_max": []}, "borrow_max"),
    ({"check_in": -1}, "check_in"), ({"check_in": "x"}, "check_in"),
    ({"max_transfers": -1}, "max_transfers"), ({"max_transfers": 1.5}, "max_transfers"), ({"max_transfers": 2**40}, "max_transfers"),
    ({"transfer_period": 0}, "transfer_period"), ({"transfer_period": "x"}, "transfer_period"),
    ({"version_range": ">=x"}, "version_range"), ({"version_range": 3}, "version_range"), ({"version_range": "1 2 3 <"}, "version_range"),
    ({"version_range": ">=1." + "9" * 400}, "version_range"), ({"version_range": "\u0000"}, "version_range"),
    ({"features": ["basic"]}, "features"), ({"features": "basic"}, "features"), ({"features": {"a b": None}}, None),
    ({"features": {"": None}}, None), ({"features": {"a": 5}}, None), ({"features": {"a": {"limit": -1}}}, None),
    ({"features": {"a": {"limit": "x"}}}, None), ({"features": {"a": {"expires_at": -1}}}, None),
    ({"features": {"a": {"nothing": 1}}}, None), ({"features": {"x" * 65: None}}, None), ({"features": {"\u202e": None}}, None),
    ({"quotas": 5}, "quotas"), ({"quotas": {"a b": {"amount": 1}}}, None), ({"quotas": {"a": None}}, None),
    ({"quotas": {"a": {"amount": -1}}}, None), ({"quotas": {"a": {"amount": 1, "period": "fortnight"}}}, None),
    ({"quotas": {"a": {"amount": 10**30}}}, None), ({"quotas": {"a": {"amount": 1, "more": 1}}}, None),
    ({"offline": "yes"}, "offline"), ({"offline": 1}, "offline"),
    ({"status": "active"}, "status"), ({"": 1}, None), ({"Max_Clients": 1}, "Max_Clients"), ({"max_clients ": 1}, "max_clients "),
]
WRONG_RELEASES = [
    ({"x": 1}, None), ({"": 1}, None), ({"1.0": "today"}, None), ({"1.0": -1}, None), ({"1.0": 1.5}, None),
    ({"1.0": None}, None), ({"1.0": 2**63}, None), ({"1.0": {"at": 1}}, None), ({"1." + "9" * 300: 1}, None), ({"1.0\u0000": 1}, None),
    ({"1.0\u202e": 1}, None),
]
TERMS, RELEASES = Table(WRONG_TERMS), Table(WRONG_RELEASES)
UNSET = Items(0, 32)


@dataclass
class Call:
    method: str
    path: str  # below /api/v1/admin; {product} and the like stand for things that are there
    fields: dict = field(default_factory=dict)
    good: dict = field(default_factory=dict)  # members with which it would be accepted
    required: tuple = ()
    nullable: tuple = ()

    @property
    def name(self):
        return f"{self.method} {self.path}"

    def body(self, **changed):
        return json.dumps({**self.good, **changed}).encode()


IMPORT_ROW = Call(
    "ROW", "", {
        "license_key": Text(128), "license_id": Text(30), "product": NAME, "policy": NAME, "holder": TEXT,
        "status": Choice("active|suspended|revoked"), "issued_at": START, "starts_at": START, "expires_at": EXPIRY,
        "first_activated_at": START, "overrides": TERMS,
    }, {"product": "demo", "policy": "perpetual"}, ("product", "policy"), ("expires_at",))

LISTED = {"limit": Whole(1, 1000), "cursor": Cursor()}
REPORTED = {
    "product": NAME, "license_id": Text(30), "from": EXPIRY, "to": EXPIRY, "by": Choice("product|license"),
    "format": Choice("json|csv"), "limit": Whole(1, 10000), "cursor": Cursor(others=("1.1", "1.1.1.1")),
}
CALLS = [
    Call("POST", "/products", {"name": NAME, "client_auth": AUTH, "require_signature": Truth(), "releases": RELEASES},
         {"name": "new"}, ("name",)),
    Call("GET", "/products"),
    Call("GET", "/products/{product}"),
    Call("PATCH", "/products/{product}", {"client_auth": AUTH, "require_signature": Truth(), "releases": RELEASES},
         {"require_signature": True}),
    Call("DELETE", "/products/{product}"),
    Call("POST", "/policies", {"product": NAME, "name": NAME, "terms": TERMS},
         {"product": "demo", "name": "new", "terms": {}}, ("product", "name")),
    Call("GET", "/policies", {"product": NAME}),
    Call("GET", "/policies/{policy}"),
    Call("PATCH", "/policies/{policy}", {"terms": TERMS, "unset": UNSET}, {"terms": {"grace": 77}}),
    Call("DELETE", "/policies/{policy}"),
    Call("POST", "/licenses", {
        "product": NAME, "policy": NAME, "count": Whole(1, 10000), "license_key": Text(128), "holder": TEXT, "starts_at": START,
        "expires_at": EXPIRY, "overrides": TERMS,
    }, {"product": "demo", "policy": "perpetual"}, ("product", "policy")),
    Call("GET", "/licenses", {
        "product": NAME, "policy": NAME, "status": Choice("active|grace|expired|not_yet_valid|suspended|revoked"), "holder": TEXT,
        "holder_prefix": TEXT, "issued_after": TIME, "issued_before": TIME, "expires_after": TIME, "expires_before": TIME,
        "sort": Choice("issued|-issued|expires|-expires"), **LISTED,
    }),
    Call("POST", "/licenses/lookup", {"license_key": Text(128)}, {"license_key": "{key}"}, ("license_key",)),
    Call("POST", "/licenses/import", {
        "licenses": Items(1, 10000), "dry_run": Truth(), "on_conflict": Choice("fail|skip|update"), "partial": Truth(),
    }, {"licenses": [IMPORT_ROW.good]}, ("licenses",)),
    Call("GET", "/licenses/export", {"product": NAME, "policy": NAME, "limit": Whole(1, 5000), "cursor": Cursor()}),
    Call("GET", "/licenses/{license}"),
    Call("PATCH", "/licenses/{license}", {
        "holder": TEXT, "policy": NAME, "starts_at": START, "expires_at": EXPIRY, "overrides": TERMS, "unset": UNSET,
        "reason": REASON,
    }, {"holder": "another"}, (), ("holder", "expires_at")),
    Call("POST", "/licenses/{license}/renew", {"expires_at": EXPIRY, "reason": REASON}, {"expires_at": 1900000000}),
    Call("POST", "/licenses/{license}/extend", {"seconds": Whole(1, 100 * 366 * 86400), "expires_at": EXPIRY, "reason": REASON},
         {"seconds": 1}),
    *(Call("POST", f"/licenses/{{license}}/{verb}", {"reason": REASON}, {"reason": "r"}) for verb in ("suspend", "resume", "revoke")),
    Call("POST", "/licenses/{license}/transfer", {
        "holder": TEXT, "keep_clients": Truth(), "new_key": Truth(), "reason": REASON,
    }, {"holder": "another"}, ("holder",)),
    Call("GET", "/licenses/{license}/clients", {"held": Truth(), **LISTED, "cursor": Text(800)}),
    Call("GET", "/clients/{client}"),
    *(Call("POST", f"/clients/{{client}}/{verb}", {"reason": REASON}, {"reason": "r"}) for verb in ("deactivate", "block", "unblock")),
    Call("DELETE", "/clients/{client}"),
    Call("GET", "/seats", {
        "product": NAME, "policy": NAME, "license_id": Text(30), "in_use": Truth(), "clients": Whole(0, 100),
        "limit": Whole(1, 5000), "cursor": Cursor(),
    }),
    Call("POST", "/api-keys", {
        "name": Text(100), "scopes": Items(1, 16), "product": NAME, "expires_at": EXPIRY, "require_signature": Truth(),
        "addresses": Items(0, 64),
    }, {"name": "new", "scopes": ["license:read"]}, ("name", "scopes")),
    Call("GET", "/api-keys"),
    Call("GET", "/api-keys/{api_key_id}"),
    Call("PATCH", "/api-keys/{api_key_id}", {
        "name": Text(100), "expires_at": EXPIRY, "require_signature": Truth(), "addresses": Items(0, 64),
    }, {"name": "renamed"}, (), ("expires_at",)),
    Call("POST", "/api-keys/{api_key_id}/revoke"),
    Call("GET", "/events", {
        "order": Choice("asc|desc"), "after": Whole(0, 2**63 - 1), "before": Whole(0, 2**63 - 1), "subject": Text(64),
        "actor": Text(64), "action": Text(64), "code": Text(64), "request_id": Text(64), "from": TIME, "to": TIME, **LISTED,
    }),
    Call("GET", "/refusals", {
        "request_id": Text(64), "license_id": Text(30), "client_id": TEXT, "code": Text(64), "limit": Whole(1, 500), "cursor": Cursor(),
    }),
    Call("GET", "/reports/usage", {"metric": Text(64), **REPORTED}),
    Call("GET", "/reports/seats", REPORTED),
    Call("GET", "/reports/refusals", {"code": Text(64), **REPORTED}),
    Call("GET", "/status"),
]
