"""Malformed administrative requests on the real server, made from the table of calls: each member of each call with each
kind of wrong value, broken JSON, queries, ids, conditions and keys of idempotency. Each gets its documented 4xx naming
what is wrong, and nothing is recorded."""

import json
import time

import pytest

from admin_calls import CALLS, IMPORT_ROW, Table
from metrics_text import parse_metrics
from raw_http import BAD, TOO_LARGE, UNKNOWN, Target, broken_json, check_refusal, failures_of
from support import Server, seconds

pytestmark = pytest.mark.quick

NOT_FOUND = (404, "NOT_FOUND")
ROWS_REJECTED = (422, "ROWS_REJECTED")
MEDIA_TYPE = (415, "UNSUPPORTED_MEDIA_TYPE")
PREFIX = "/api/v1/admin"
SHORT_WORDS = 40


class AdminTarget(Target):
    """With one object of each kind, none of which may change."""

    def __init__(self, server):
        super().__init__(server)
        client = server.call(
            "POST", "/api/v1/licenses/activate", {"license_key": self.license_key, "client_id": "kept"}, self.api_key
        ).json()["data"]
        spare = server.create_api_key(name="spare")
        self.poor_key = server.create_api_key(scopes=["admin:read"])["api_key"]
        policies = server.admin("GET", "/policies?product=demo")["policies"]
        self.places = {
            "{product}": "demo",
            "{policy}": next(policy["id"] for policy in policies if policy["name"] == "perpetual"),
            "{license}": client["license_id"],
            "{client}": client["client"]["id"],
            "{api_key_id}": spare["id"],
        }

    def request(self, method, path, body=b"", headers=(), content_type="application/json"):
        for place, value in self.places.items():
            path = path.replace(place, value)
        body = self.fill(body)
        lines = [f"{method} {PREFIX}{path} HTTP/1.1", "Host: localhost", f"X-API-Key: {self.api_key}", *headers]
        if method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        if method != "GET" and content_type:
            lines.append(f"Content-Type: {content_type}")
        ((status, answer_headers, answer),) = self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return status, answer_headers, answer

    def state(self):
        """What must be the same before and after."""
        return [
            self.server.admin("GET", "/events?limit=1")["head"],
            *(self.server.admin("GET", path.replace(*place)) for place in self.places.items() for path in (
                "/products/{product}", "/policies/{policy}", "/licenses/{license}", "/clients/{client}",
                "/api-keys/{api_key_id}") if place[0] in path),
        ]


@pytest.fixture(scope="module")
def target(secrets, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("malformed"), secrets, ("--log-level", "error"))
    try:
        yield AdminTarget(server.start())
        errors = [line for line in server.logs().splitlines() if "ERROR" in line]
        assert not errors, errors[:5]
    finally:
        server.close()


@pytest.fixture(autouse=True)
def nothing_changes(target):
    before = target.state()
    yield
    assert target.state() == before, "something was recorded"
    metrics = parse_metrics(target.server.call("GET", "/metrics").text)
    assert metrics.get(("license_activation_failures_total", (("reason", "INTERNAL"),)), 0) == 0


def shown(value):
    text = repr(value)
    return text if len(text) <= SHORT_WORDS else f"{text[:SHORT_WORDS]}… ({len(text)})"


# ---- the cases: (name, arguments of AdminTarget.request, expected codes, details.field or None for any) ----


def wrong_objects(name, allowed):
    """Objects whose own members are wrong: (value, expected, field)."""
    if not isinstance(allowed, Table):
        return
    for value, member in allowed.members:
        yield value, (BAD, UNKNOWN), None if member is None else f"{name}.{member}"


def body_cases(call):
    for name, allowed in call.fields.items():
        for value in allowed.wrong():
            yield f"{name} is {shown(value)}", call.body(**{name: value}), (BAD,), name
        for value, expected, member in wrong_objects(name, allowed):
            yield f"{name} is {shown(value)}", call.body(**{name: value}), expected, member
        if name in call.required:
            without = {member: value for member, value in call.good.items() if member != name}
            yield f"without {name}", json.dumps(without).encode(), (BAD,), name
            yield f"{name} is null", call.body(**{name: None}), (BAD,), name
    for name in ("no_such_member", "id", "max_clients", "Holder", "role", "__proto__", "x" * 300, "\u202e", "\u00e9" * 100):
        yield f"unknown member {shown(name)}", call.body(**{name: 1}), (UNKNOWN,), None if len(name.encode()) > 100 else name
    yield "member without a name", call.body(**{"": 1}), (UNKNOWN,), None
    good = call.body()
    for name, body, by_name in broken_json(good):
        if body or call.required:
            yield name, body, (BAD, UNKNOWN) if by_name else (BAD,), None


def query_cases(call):
    for name, allowed in call.fields.items():
        for text in dict.fromkeys(allowed.wrong_text()):
            yield f"{name} is {shown(text)}", f"{name}={text}", name
        yield f"{name} twice", f"{name}=1&{name}=1", name
        yield f"{name} of another case", f"{name.upper()}=1", name.upper()
    yield "unknown parameter", "no_such=1", "no_such"
    yield "parameter without a name", "=1", None
    yield "unknown parameter, empty", "no_such=", "no_such"


def with_body(method):
    return [call for call in CALLS if call.method in method and call.fields]


BODY_CASES = [
    (f"{call.name}: {name}", (call.method, call.path, body), expected, member)
    for call in with_body(("POST", "PATCH")) for name, body, expected, member in body_cases(call)
]
QUERY_CASES = [
    (f"{call.name}: {name}", ("GET", f"{call.path}?{query}"), (BAD,), member)
    for call in with_body(("GET",)) for name, query, member in query_cases(call)
]
GARBAGE_IDS = ["x", "lic_", "lic_!", "cli_" + "0" * 26, "lic_" + "0" * 25, "lic_" + "0" * 27, "key_" + "u" * 26, "%00", "..", ".",
               "lic_0123456789abcdefghjkmnpqrs", "pol_0123456789abcdefghjkmnpqrs", "-1", "1", "a" * 5000, "'%20OR%201=1--", "%2e%2e%2f"]
ID_CASES = [
    (f"{call.name}: {shown(garbage)}", (call.method, call.path.replace(place, garbage), call.body() if call.good else b""),
     (NOT_FOUND,), None)
    for call in CALLS for place in ("{product}", "{policy}", "{license}", "{client}", "{api_key_id}") if place in call.path
    for garbage in GARBAGE_IDS
]
WRONG_CONDITIONS = ["abc", '"', '"a', 'a"', '"a" "b"', '"a",', ',"a"', '"a";"b"', '*,"a"', "**", "W/", "W/abc", 'w/"a"', "",
                    '"' + "a" * 64 + '"', ", ".join(f'"{n}"' for n in range(17)), "'a'", "\u201ca\u201d"]
CONDITION_CASES = [
    (f"{call.name}: If-Match {shown(text)}", (call.method, call.path, call.body() if call.good else b"",
                                              [f"If-Match: {text}".encode().decode("latin-1")]), (BAD,), "If-Match")
    for call in CALLS if "{" in call.path and call.method != "GET" for text in WRONG_CONDITIONS
]
WRONG_KEYS = ["", "a b", "k" * 129, "\u00e9", "a\tb"]
KEY_CASES = [
    (f"{call.name}: Idempotency-Key {shown(text)}", (call.method, call.path, call.body() if call.good else b"",
                                                     [f"Idempotency-Key: {text}".encode().decode("latin-1")]), (BAD,), "Idempotency-Key")
    for call in CALLS if call.method == "POST" and not call.path.endswith("/lookup") for text in WRONG_KEYS
]
ITEM_CASES = [
    (f"{method} {path}: {member} {shown(value)}", (method, path, json.dumps({**good, member: value}).encode()), (BAD, UNKNOWN), None)
    for method, path, good in (("POST", "/api-keys", {"name": "n", "scopes": ["license:read"]}), ("PATCH", "/api-keys/{api_key_id}", {}))
    for member, values in {
        "addresses": [["10.0.0.1/8"], ["10.0.0.0/33"], [""], [" "], ["10.0.0.1 ::1"], [7], [None], [["::1"]], ["localhost"], ["127.1"],
                      ["10.0.0.1\x00"], ["\u00e9" * 60], ["x" * 60000], ["::1%lo"], ["0x7f.1"], ["10.0.0.0/+8"], ["10.0.0.0/ 8"]],
        "scopes": [["root"], [""], [7], [None], ["admin:*", "x"], ["license:read license:write"], ["ADMIN:*"], ["license:read\x00"],
                   [["admin:*"]], ["\u00e9" * 60], ["x" * 60000]],
    }.items() if method == "POST" or member == "addresses" for value in values
] + [
    (f"{method} {path}: unset {shown(value)}", (method, path, json.dumps({"unset": value}).encode()), (BAD, UNKNOWN), None)
    for method, path in (("PATCH", "/policies/{policy}"), ("PATCH", "/licenses/{license}"))
    for value in ([7], [None], [""], ["nothing"], [["lease"]], ["lease\x00"], ["x" * 60000], ["\u00e9" * 100])
]


def row_cases():
    for value in (7, "x", None, True, [], [IMPORT_ROW.good], 1.5):
        yield f"row is {shown(value)}", value, None
    for name, allowed in IMPORT_ROW.fields.items():
        for value in allowed.wrong():
            if len(json.dumps(value)) < 1000:
                yield f"{name} is {shown(value)}", {**IMPORT_ROW.good, name: value}, name
        for value, _, member in wrong_objects(name, allowed):
            yield f"{name} is {shown(value)}", {**IMPORT_ROW.good, name: value}, member
    for name in IMPORT_ROW.required:
        yield f"without {name}", {key: value for key, value in IMPORT_ROW.good.items() if key != name}, name
        yield f"{name} is unknown", {**IMPORT_ROW.good, name: "nothing"}, name
    yield "unknown member", {**IMPORT_ROW.good, "max_clients": 99}, "max_clients"
    yield "a long unknown member", {**IMPORT_ROW.good, "\u00e9" * 200: 1}, None
    yield "key of bad characters", {**IMPORT_ROW.good, "license_key": "a_b!"}, "license_key"
    yield "id of another kind", {**IMPORT_ROW.good, "license_id": "cli_0123456789abcdefghjkmnpqrs"}, "license_id"
    yield "ends before it starts", {**IMPORT_ROW.good, "starts_at": 2000, "expires_at": 1000}, "expires_at"


ROW_CASES = list(row_cases())

# ---- the tests ----


def check_cases(target, cases):
    assert cases and len({name for name, *_ in cases}) == len(cases)

    def check(arguments, expected, member):
        answer = target.request(*arguments)
        check_refusal(answer, expected, member)
        assert len(answer[2]) < 4000, "the answer is long"
        answer[2].decode("utf-8")

    failures_of(cases, check)


def test_the_table_has_every_call_and_every_member(target):
    metrics = parse_metrics(target.server.call("GET", "/metrics").text)
    served = {dict(labels)["method"] + " " + dict(labels)["endpoint"] for name, labels in metrics
              if name == "license_requests_total" and dict(labels)["endpoint"].startswith("/admin/")}
    places = ("{product}", "{policy}", "{license}", "{client}", "{api_key_id}")
    mine = set()
    for call in CALLS:
        path = call.path
        for place in places:
            path = path.replace(place, "{id}")
        mine.add(f"{call.method} /admin{path}")
    assert mine == served
    for call in CALLS:
        if not call.fields:
            continue
        if call.method == "GET":
            _, _, body = target.request("GET", f"{call.path}?no_such=1")
        else:
            _, _, body = target.request(call.method, call.path, call.body(no_such=1))
        message = json.loads(body)["error"]["message"]
        assert set(message.rpartition("allowed: ")[2].split(", ")) == set(call.fields), (call.name, message)


def test_there_are_enough_cases():
    assert len(BODY_CASES) + len(QUERY_CASES) + len(ID_CASES) + len(CONDITION_CASES) + len(KEY_CASES) + len(ITEM_CASES) >= 2000


def test_bodies(target):
    check_cases(target, BODY_CASES)


def test_what_is_wrong_is_said_with_what_is_allowed(target):
    """In words, not only by name."""
    for call in with_body(("POST", "PATCH")):
        for name in call.fields:
            _, _, body = target.request(call.method, call.path, call.body(**{name: 1.5}))
            message = json.loads(body)["error"]["message"]
            assert f"'{name}' " in message and "must be" in message and len(message) > len(name) + 12, (call.name, message)


def test_queries(target):
    check_cases(target, QUERY_CASES)


def test_ids(target):
    check_cases(target, ID_CASES)


def test_items_of_arrays(target):
    check_cases(target, ITEM_CASES)


def test_conditions_and_keys_of_idempotency(target):
    check_cases(target, CONDITION_CASES)
    check_cases(target, KEY_CASES)
    for call in CALLS:
        if "{" not in call.path or call.method == "GET":
            continue
        body = call.body() if call.good else b""
        answer = target.request(call.method, call.path, body, ['If-Match: "0123456789abcdef"'])
        check_refusal(answer, [(412, "PRECONDITION_FAILED")])
        answer = target.request(call.method, call.path, body, ['If-Match: "a"', 'If-Match: "b"'])
        check_refusal(answer, [BAD], "If-Match")


def test_content_types(target):
    for call in with_body(("POST", "PATCH")):
        for content_type in ("", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data; boundary=x"):
            check_refusal(target.request(call.method, call.path, call.body(), (), content_type), [MEDIA_TYPE])


def test_rows_of_an_import(target):
    """Alone, each refuses the import; in a dry run each is reported, and the good row beside it too."""
    def check(row, member):
        body = json.dumps({"licenses": [IMPORT_ROW.good, row]}).encode()
        status, _, answer = target.request("POST", "/licenses/import", body)
        details = json.loads(answer)["error"]["details"]
        assert (status, details["failed"], details["rows"][0]["row"]) == (422, 1, 1), answer
        assert details["rows"][0]["code"] in ("BAD_REQUEST", "UNKNOWN_FIELD") and details["rows"][0]["message"], answer
        assert member is None or details["rows"][0]["field"] == member, answer
        assert len(answer) < 4000
        body = json.dumps({"licenses": [IMPORT_ROW.good, row], "dry_run": True}).encode()
        status, _, answer = target.request("POST", "/licenses/import", body)
        rows = json.loads(answer)["data"]["rows"]
        assert status == 200 and [one["action"] for one in rows] == ["created", "failed"], answer

    failures_of([(name, row, member) for name, row, member in ROW_CASES], check)
    assert len(ROW_CASES) > 150


def test_large_imports(target):
    many = json.dumps({"licenses": [7] * 10001}).encode()
    check_refusal(target.request("POST", "/licenses/import", many), [BAD], "licenses")
    rows = json.dumps({"licenses": [{"\u00e9" * 100: 1}] * 10000}).encode()
    answer = target.request("POST", "/licenses/import", rows)
    check_refusal(answer, [ROWS_REJECTED])
    details = json.loads(answer[2])["error"]["details"]
    assert details["failed"] == 10000 and len(details["rows"]) == 100 and len(answer[2]) < 200_000
    wide = b'{"licenses":[' + b'{"a":1,"a":2},' * 1000 + b"{}]}"
    check_refusal(target.request("POST", "/licenses/import", wide), [BAD])
    head = (f"POST {PREFIX}/licenses/import HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {target.api_key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {(8 << 20) + 1}\r\n\r\n")
    check_refusal(target.send(head.encode())[-1], [TOO_LARGE])
    check_refusal(target.request("POST", "/licenses", b'{"holder":"' + b"x" * 65536 + b'"}'), [TOO_LARGE])


def test_a_large_body_is_only_taken_from_who_may_import(target):
    """Announced, not sent: the head alone decides."""
    for key in (target.poor_key, "lk_live_x", ""):
        head = (f"POST {PREFIX}/licenses/import HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nExpect: 100-continue\r\n"
                "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
        check_refusal(target.send(head.encode())[-1], [TOO_LARGE])


def test_after_all_of_it_the_server_is_well(target):
    cases = [arguments for _, arguments, *_ in BODY_CASES[::9] + QUERY_CASES[::7] + ID_CASES[::7]]
    for arguments in cases:
        target.request(*arguments)
    warm = target.memory_kib()
    for _ in range(2):
        for arguments in cases:
            target.request(*arguments)
    assert target.memory_kib() - warm < 16 * 1024, "it keeps memory of what it refused"
    began = time.monotonic()
    assert target.server.call("GET", "/ready").status_code == 200
    assert time.monotonic() - began < seconds(1)
