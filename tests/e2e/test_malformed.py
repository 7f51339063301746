"""Malformed HTTP and JSON on the real server: each gets its documented 4xx in the envelope, or a closed connection;
never a 500, a crash or a hang. (The parser's own table is tests/http/malformed_http.h; here is what arrives at the
endpoints.)"""

import json
import time

import pytest

from metrics_text import parse_metrics
from raw_http import BAD, TOO_LARGE, UNKNOWN, Target, broken_json, check_refusal, failures_of
from support import Server, seconds

pytestmark = pytest.mark.quick

ACTIVATE = "/api/v1/licenses/activate"
VALIDATE = "/api/v1/licenses/validate"
DEACTIVATE = "/api/v1/licenses/deactivate"
USAGE = "/api/v1/licenses/usage"
LICENSES = "/api/v1/admin/licenses"
CLOSED = (0, None)  # no answer, the connection ends

# ---- bodies: (name, path, body, expected status and code, details.field or None for any) ----

GOOD = {
    ACTIVATE: {"license_key": "{key}", "client_id": "c"},
    VALIDATE: {"license_key": "{key}", "client_id": "c"},
    DEACTIVATE: {"license_key": "{key}", "client_id": "c"},
    USAGE: {"license_key": "{key}", "metric": "api_calls", "quantity": 1, "idempotency_key": "k"},
    LICENSES: {"product": "demo", "policy": "perpetual"},
}


def changed(path, **members):
    return json.dumps({**GOOD[path], **members}).encode()


def without(path, name):
    return json.dumps({k: v for k, v in GOOD[path].items() if k != name}).encode()


def wrong_members():
    """Members that are missing, unknown or wrong, with the member's name in details.field."""
    rows = []

    def bad(name, path, body, field, *expected):
        rows.append((f"{path}: {name}", path, body, expected or (BAD,), field))

    for path, names in ((ACTIVATE, ["license_key", "client_id"]), (DEACTIVATE, ["client_id"]),
                        (USAGE, ["metric", "quantity", "idempotency_key"]), (LICENSES, ["product", "policy"])):
        for name in names:
            bad(f"without {name}", path, without(path, name), name)
            for wrong in (7, 1.5, True, ["x"], {"a": 1}):
                if name == "quantity" and wrong == 7:
                    continue
                bad(f"{name} is {wrong!r}", path, changed(path, **{name: wrong}), name)
    bad("without key and id", VALIDATE, without(VALIDATE, "license_key"), "license_id")
    bad("key and id", VALIDATE, changed(VALIDATE, license_id="lic_0123456789abcdefghjkmnpqrs"), "license_id")
    for path in GOOD:
        bad("unknown member", path, changed(path, max_clients=99), "max_clients", UNKNOWN)
        bad("unknown member of another case", path, changed(path, Client_ID="x"), "Client_ID", UNKNOWN)
        bad("member without a name", path, changed(path, **{"": 1}), None, UNKNOWN, BAD)
    for path in (ACTIVATE, VALIDATE, DEACTIVATE):
        bad("client_id is empty", path, changed(path, client_id=""), "client_id")
        bad("client_id is null", path, changed(path, client_id=None), "client_id")
        bad("client_id is long", path, changed(path, client_id="c" * 257), "client_id")
        for unseen in ("\x00", "\n", "\x7f", "\u202e", "\u200b", "\ufeff", "\u2028"):
            bad(f"client_id holds {unseen!r}", path, changed(path, client_id=f"a{unseen}b"), "client_id")
        bad("signature is a number", path, changed(path, signature=1), "signature")
        bad("timestamp is text", path, changed(path, timestamp="now"), "timestamp")
        bad("timestamp is negative", path, changed(path, timestamp=-1), "timestamp")
        bad("timestamp beyond 64 bits", path, changed(path, timestamp=2**64), "timestamp")
    bad("fingerprint is a number", ACTIVATE, changed(ACTIVATE, hardware_fingerprint=1), "hardware_fingerprint")
    bad("fingerprint is null", ACTIVATE, changed(ACTIVATE, hardware_fingerprint=None), "hardware_fingerprint")
    bad("fingerprint is an array", ACTIVATE, changed(ACTIVATE, hardware_fingerprint=["a"]), "hardware_fingerprint")
    bad("fingerprint is empty", ACTIVATE, changed(ACTIVATE, hardware_fingerprint=""), "hardware_fingerprint")
    bad("fingerprint without parts", ACTIVATE, changed(ACTIVATE, hardware_fingerprint={}), "hardware_fingerprint")
    bad("fingerprint of a placeholder", ACTIVATE, changed(ACTIVATE, hardware_fingerprint="unknown"),
        "hardware_fingerprint")
    bad("fingerprint is long", ACTIVATE, changed(ACTIVATE, hardware_fingerprint="f" * 513), "hardware_fingerprint")
    bad("fingerprint of an unknown class", ACTIVATE, changed(ACTIVATE, hardware_fingerprint={"shoe": "43"}),
        "hardware_fingerprint.shoe", UNKNOWN)
    bad("fingerprint's tag is a number", ACTIVATE, changed(ACTIVATE, hardware_fingerprint={"tpm": 1}),
        "hardware_fingerprint.tpm")
    bad("version is long", ACTIVATE, changed(ACTIVATE, client_version="1" * 65), "client_version")
    bad("features is text", VALIDATE, changed(VALIDATE, features="basic"), "features")
    bad("features holds a number", VALIDATE, changed(VALIDATE, features=["basic", 1]), "features")
    bad("65 features", VALIDATE, changed(VALIDATE, features=["f"] * 65), "features")
    bad("nonce is long", VALIDATE, changed(VALIDATE, nonce="n" * 129), "nonce")
    for quantity in (0, -1, 10**15 + 1, 2**63, -(2**63) - 1, 10**30, "1", None):
        bad(f"quantity {quantity!r}", USAGE, changed(USAGE, quantity=quantity), "quantity")
    for metric in ("", "a b", "é", "m" * 65, "a\n", "../x"):
        bad(f"metric {metric!r}", USAGE, changed(USAGE, metric=metric), "metric")
    bad("idempotency key is long", USAGE, changed(USAGE, idempotency_key="k" * 129), "idempotency_key")
    bad("idempotency key is empty", USAGE, changed(USAGE, idempotency_key=""), "idempotency_key")
    for count in (0, -1, 10001, 1.5, "2"):
        bad(f"count {count!r}", LICENSES, changed(LICENSES, count=count), "count")
    bad("unknown product", LICENSES, changed(LICENSES, product="nothing"), "product")
    bad("unknown policy", LICENSES, changed(LICENSES, policy="nothing"), "policy")
    bad("key to import of bad characters", LICENSES, changed(LICENSES, license_key="a_b!"), "license_key")
    bad("holder with a line end", LICENSES, changed(LICENSES, holder="a\nb"), "holder")
    bad("overrides is text", LICENSES, changed(LICENSES, overrides="x"), "overrides")
    bad("overrides of no term", LICENSES, changed(LICENSES, overrides={"status": "active"}), None, UNKNOWN)
    bad("overrides of no clients", LICENSES, changed(LICENSES, overrides={"max_clients": 0}), None)
    bad("expires at text", LICENSES, changed(LICENSES, expires_at="tomorrow"), "expires_at")
    return rows


def broken_bodies():
    for path in GOOD:
        for name, body, by_name in broken_json(changed(path)):
            yield (f"{path}: {name}", path, body, (BAD, UNKNOWN) if by_name else (BAD,), None)


BODIES = [*broken_bodies(), *wrong_members()]

# ---- HTTP: (name, bytes, expected); {api_key} and {key} are filled in, {body} and {length} of a good activation ----

HEAD = "POST /api/v1/licenses/activate HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {api_key}\r\n"
TYPED = HEAD + "Content-Type: application/json\r\n"
REST = "Content-Length: {length}\r\n\r\n{body}"
GET = "GET /health HTTP/1.1\r\n"
STATUS = {status: (status, "BAD_REQUEST") for status in (400, 414, 417, 431, 505)}
NOT_FOUND = (404, "NOT_FOUND")
HTTP = [
    ("no content type", HEAD + REST, (415, "UNSUPPORTED_MEDIA_TYPE")),
    ("a form", HEAD + "Content-Type: application/x-www-form-urlencoded\r\n" + REST, (415, "UNSUPPORTED_MEDIA_TYPE")),
    ("plain text", HEAD + "Content-Type: text/plain\r\n" + REST, (415, "UNSUPPORTED_MEDIA_TYPE")),
    ("JSON in the name only", HEAD + "Content-Type: application/jsonx\r\n" + REST, (415, "UNSUPPORTED_MEDIA_TYPE")),
    ("no API key", TYPED.replace("X-API-Key: {api_key}\r\n", "") + REST, (401, "UNAUTHENTICATED")),
    ("half an API key", TYPED.replace("{api_key}", "lk_live_") + REST, (401, "UNAUTHENTICATED")),
    ("API key of control characters", TYPED.replace("{api_key}", "\x01\x02") + REST, STATUS[400]),
    ("a long API key", TYPED.replace("{api_key}", "k" * 9000) + REST, (401, "UNAUTHENTICATED")),
    ("another credential", TYPED.replace("X-API-Key: {api_key}", "Authorization: Bearer x") + REST,
     (401, "UNAUTHENTICATED")),
    ("body over the limit", TYPED + "Content-Length: 65537\r\n\r\n" + "x" * 1000, TOO_LARGE),
    ("body over the limit, announced", TYPED + "Expect: 100-continue\r\nContent-Length: 10000000\r\n\r\n", TOO_LARGE),
    ("chunks over the limit", TYPED + "Transfer-Encoding: chunked\r\n\r\n" + ("8000\r\n" + "x" * 0x8000 + "\r\n") * 2
     + "1\r\nx\r\n0\r\n\r\n", TOO_LARGE),
    ("a huge chunk", TYPED + "Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nx", TOO_LARGE),
    ("chunk size of letters", TYPED + "Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n", STATUS[400]),
    ("length and chunks", TYPED + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", STATUS[400]),
    ("two lengths", TYPED + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", STATUS[400]),
    ("length of words", TYPED + "Content-Length: five\r\n\r\nhello", STATUS[400]),
    ("negative length", TYPED + "Content-Length: -1\r\n\r\n", STATUS[400]),
    ("length beyond 64 bits", TYPED + "Content-Length: 99999999999999999999999\r\n\r\n", STATUS[400]),
    ("gzip", TYPED + "Transfer-Encoding: gzip\r\n\r\nx", STATUS[400]),
    ("no length, no body", TYPED + "\r\n", BAD),
    ("unknown expectation", TYPED + "Expect: wonders\r\n" + REST, STATUS[417]),
    ("no Host", GET + "\r\n", STATUS[400]),
    ("two Hosts", GET + "Host: a\r\nHost: b\r\n\r\n", STATUS[400]),
    ("Host with a path", GET + "Host: a/b\r\n\r\n", STATUS[400]),
    ("space before a colon", GET + "Host : a\r\n\r\n", STATUS[400]),
    ("folded header", GET + "Host: a\r\nX-A: b\r\n c\r\n\r\n", STATUS[400]),
    ("bare line feeds", "GET /health HTTP/1.1\nHost: a\n\n", STATUS[400]),
    ("bare carriage return", GET + "Host: a\rX-B: c\r\n\r\n", STATUS[400]),
    ("NUL in a header", GET + "Host: a\r\nX-A: \x00\r\n\r\n", STATUS[400]),
    ("101 headers", GET + "Host: a\r\n" + "X-A: b\r\n" * 101 + "\r\n", STATUS[431]),
    ("large headers", GET + "Host: a\r\n" + f"X-A: {'b' * 3000}\r\n" * 6 + "\r\n", STATUS[431]),
    ("long target", "GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: a\r\n\r\n", STATUS[414]),
    ("endless request line", "GET /" + "a" * 40000, STATUS[414]),
    ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", STATUS[505]),
    ("HTTP/1.9", "GET /health HTTP/1.9\r\nHost: a\r\n\r\n", STATUS[505]),
    ("HTTP/0.9", "GET /health\r\n\r\n", STATUS[400]),
    ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", STATUS[400]),
    ("binary", "".join(chr(n) for n in range(256)), STATUS[400]),
    ("spaces", " " * 200 + "\r\n\r\n", STATUS[400]),
    ("JSON without HTTP", '{"license_key":"x"}\r\n\r\n', STATUS[400]),
    ("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", STATUS[400]),
    ("target without a slash", "GET health HTTP/1.1\r\nHost: a\r\n\r\n", STATUS[400]),
    ("target with UTF-8", "GET /h\u00e9 HTTP/1.1\r\nHost: a\r\n\r\n", STATUS[400]),
    ("another host's URL", "GET http://b/health HTTP/1.1\r\nHost: a\r\n\r\n", STATUS[400]),
    ("encoded path", "GET /%68ealth HTTP/1.1\r\nHost: a\r\n\r\n", NOT_FOUND),
    ("path with dots", "GET /api/../health HTTP/1.1\r\nHost: a\r\n\r\n", NOT_FOUND),
    ("doubled slash", "GET //health HTTP/1.1\r\nHost: a\r\n\r\n", NOT_FOUND),
    ("slash behind", "GET /health/ HTTP/1.1\r\nHost: a\r\n\r\n", NOT_FOUND),
    ("a tripled prefix", "GET /api/v1/api/v1/api/v1/licenses/validate HTTP/1.1\r\nHost: a\r\n\r\n", NOT_FOUND),
    ("GET of a call", "GET /api/v1/licenses/usage/ HTTP/1.1\r\nHost: a\r\n\r\n", NOT_FOUND),
    ("PUT of a call", "PUT /api/v1/activate HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
     (405, "METHOD_NOT_ALLOWED")),
    ("DELETE of a license", "DELETE /api/v1/licenses/x HTTP/1.1\r\nHost: a\r\n\r\n", (405, "METHOD_NOT_ALLOWED")),
    ("TRACE", "TRACE /health HTTP/1.1\r\nHost: a\r\n\r\n", (405, "METHOD_NOT_ALLOWED")),
    ("lower-case method", "get /health HTTP/1.1\r\nHost: a\r\n\r\n", (405, "METHOD_NOT_ALLOWED")),
    ("dots for an id", "GET /api/v1/licenses/../x HTTP/1.1\r\nHost: a\r\nX-API-Key: {api_key}\r\n\r\n", NOT_FOUND),
    ("no id", "GET /api/v1/licenses/lic_!!!! HTTP/1.1\r\nHost: a\r\nX-API-Key: {api_key}\r\n\r\n", NOT_FOUND),
    ("garbage behind a good request", GET + "Host: a\r\n\r\n" + "\x01\x02\r\n\r\n", STATUS[400]),
    ("body longer than its length", TYPED + "Content-Length: 2\r\n\r\n{}garbage\r\n\r\n", STATUS[400]),
    ("ends in the request line", "GET /hea", CLOSED),
    ("ends in the headers", GET + "Host: a\r\nX-", CLOSED),
    ("ends in the body", TYPED + "Content-Length: 50\r\n\r\n{", CLOSED),
    ("ends in a chunk", TYPED + "Transfer-Encoding: chunked\r\n\r\n5\r\nab", CLOSED),
    ("ends before anything", "", CLOSED),
]
# A key that is no key, whatever is wrong with it: one answer for all.
KEYS = ["", "x", "????", "A" * 65, "A" * 5000, "AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA", "' OR 1=1 --", "\u0130" * 8,
        "\uff21" * 8, "KEY\n", "TEST-KEY-001\u0000", "lic_0123456789abcdefghjkmnpqrs", "%00%00%00%00"]


@pytest.fixture(scope="module")
def target(secrets, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("malformed"), secrets, ("--log-level", "error"))
    try:
        yield Target(server.start())
        errors = [line for line in server.logs().splitlines() if "ERROR" in line]
        assert not errors, errors[:5]
    finally:
        server.close()


def test_there_are_enough_cases():
    assert len(BODIES) + len(HTTP) >= 300
    assert len({name for name, *_ in BODIES}) == len(BODIES) and len({name for name, *_ in HTTP}) == len(HTTP)


def test_malformed_bodies_are_refused_with_code_and_field(target):
    def check(path, body, expected, field):
        answers = target.post(path, body)
        assert len(answers) == 1, answers
        check_refusal(answers[0], expected, field)

    failures_of(BODIES, check)
    assert target.server.admin("GET", "/status")["seats_held"] == 0, "something was recorded"


def test_malformed_http_is_refused_or_closed(target):
    body = json.dumps(GOOD[ACTIVATE]).replace("{key}", target.license_key)

    def check(text, expected):
        data = text.replace("{length}", str(len(body))).replace("{body}", body)
        answers = target.send(target.fill(data.encode("latin-1")))
        if expected == CLOSED:
            assert not answers, answers
        else:
            check_refusal(answers[-1], [expected])

    failures_of(HTTP, check)


def test_keys_that_are_none_get_one_answer(target):
    bodies = set()
    for path in (ACTIVATE, VALIDATE, DEACTIVATE, USAGE):
        for key in KEYS:
            ((status, _, body),) = target.post(path, changed(path, license_key=key))
            document = json.loads(body)
            assert status == 404, (path, key, body)
            document.pop("request_id")
            bodies.add(json.dumps(document))
    assert len(bodies) == 1, bodies


def test_problems_are_rfc_9457_when_asked_for(target):
    ((status, headers, body),) = target.post(ACTIVATE, changed(ACTIVATE, extra=1), "application/problem+json")
    problem = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["code"], status) == (422, "UNKNOWN_FIELD", 422)
    assert problem["details"] == {"field": "extra"} and problem["title"] and problem["type"] == "about:blank"
    assert problem["request_id"] == headers["x-request-id"]


def test_the_limits_are_exact(target):
    """What lies just inside is served."""
    good = changed(VALIDATE)
    ((status, _, body),) = target.post(ACTIVATE, changed(ACTIVATE, client_id="c" * 256, client_version="1" * 64))
    assert status == 200, body
    ((status, _, body),) = target.post(DEACTIVATE, changed(DEACTIVATE, client_id="c" * 256))
    assert status == 200 and json.loads(body)["data"]["released"], body
    padded = target.fill(good)
    padded += b" " * (65536 - len(padded))
    ((status, _, body),) = target.post(VALIDATE, padded)
    assert (status, json.loads(body)["error"]["code"]) == (403, "CLIENT_NOT_ACTIVATED"), body
    ((status, _, body),) = target.post(VALIDATE, padded + b" ")
    assert (status, json.loads(body)["error"]["code"]) == TOO_LARGE, body


def test_after_all_of_it_the_server_is_well(target):
    before = parse_metrics(target.server.call("GET", "/metrics").text)
    rows = [(path, body) for _, path, body, _, _ in BODIES]
    garbage = [target.fill(text.encode("latin-1")) for _, text, expected in HTTP if expected in STATUS.values()]
    for data in garbage:
        target.send(data)
    warm = target.memory_kib()
    for _ in range(2):
        for path, body in rows:
            target.post(path, body)
        for data in garbage:
            target.send(data)
    after = parse_metrics(target.server.call("GET", "/metrics").text)
    assert after["lictor_protocol_errors_total", ()] - before["lictor_protocol_errors_total", ()] >= 2 * 30
    for path, endpoint in ((ACTIVATE, "/activate"), (USAGE, "/usage"), (LICENSES, "/admin/licenses")):
        sent = 2 * sum(row[0] == path for row in rows)
        series = ("license_requests_total", (("endpoint", endpoint), ("method", "POST")))
        assert after[series] - before[series] >= sent, path
    assert set(after) == set(before)
    assert target.memory_kib() - warm < 16 * 1024, "it keeps memory of what it refused"
    began = time.monotonic()
    assert target.server.call("GET", "/ready").status_code == 200
    assert time.monotonic() - began < seconds(1)
    assert after["lictor_connections", ()] < 10, "connections are left over"
