"""The log files: JSON lines, rotation, nothing from outside that could be taken for the program's own, no secret."""

import json
import re
import socket

import pytest
import requests

from support import eventually, seconds

def activate(server, created, client_id, api_key, **more):
    body = {"license_key": created["license_key"], "client_id": client_id, **more}
    return server.call("POST", "/api/v1/licenses/activate", body, api_key=api_key)


JSON_LOG = ("--log-format", "json", "--log-level", "debug", "--log-max-bytes", "65536", "--log-files", "3")


@pytest.mark.quick
def test_json_logs_rotate_and_escape_and_tell_no_secret(start_server):
    server = start_server(*JSON_LOG, "--log-file", "-")
    server.stop()
    log = server.data / "logs" / "lictord.log"
    assert not log.exists(), "- is no file"
    server.options = list(JSON_LOG)
    server.start()
    created = server.create_license("perpetual", overrides={"max_clients": None})
    api_key = server.create_api_key()["api_key"]
    client_id = 'quote " backslash \\ tag <b> é 数'
    body = {"license_key": created["license_key"], "client_id": client_id}
    headers = {"X-Request-Id": "mine-1"}
    answer = server.call("POST", "/api/v1/licenses/activate", body, api_key, headers)
    assert answer.status_code == 200 and answer.headers["X-Request-Id"] == "mine-1"
    text = "".join(path.read_text(encoding="utf-8") for path in eventually(lambda: logged(server, "mine-1")))
    (line,) = [json.loads(line) for line in text.splitlines() if "mine-1" in line]
    assert line["event"] == "seat.granted" and line["client_id"] == client_id

    with requests.Session() as session:
        session.headers["X-API-Key"] = api_key
        for number in range(600):  # most are refused, which needs no commit
            body = {"license_key": created["license_key"], "client_id": f"client-{number}-{'x' * 230}"}
            operation = "validate" if number % 10 else "activate"
            session.post(f"{server.url}/api/v1/licenses/{operation}", json=body, timeout=seconds(30))
    server.stop()
    files = sorted(log.parent.iterdir())
    assert len(files) == 3 and log in files, files
    assert all(path.stat().st_size <= 65536 + 4096 for path in files)
    for path in files:
        for line in path.read_bytes().split(b"\n")[:-1]:
            assert all(byte >= 0x20 for byte in line), line
            document = json.loads(line)
            assert {"time", "level", "event", "message"} <= set(document), line
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document["time"])
            if document["event"] in ("seat.granted", "license.refused"):
                assert document["request_id"].startswith("req_") and document["license_id"].startswith("lic_")
    everything = server.logs().upper()
    for secret in (created["license_key"], api_key, server.admin_key):
        assert secret.upper() not in everything


def logged(server, text):
    return [path for path in (server.data / "logs").iterdir() if text in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("form", ["json", "human"])
def test_what_comes_from_outside_can_write_no_line_of_its_own(start_server, form):
    """In names that pass the checks, and in requests that are refused before any check."""
    server = start_server("--log-format", form, "--log-level", "trace")
    before = len(server.logs().splitlines())
    created = server.create_license("perpetual", holder="h\u00a0 \"},{\"level\":\"forged\"")
    api_key = server.create_api_key(name='n", "event":"forged')["api_key"]
    hostile = ["a\nforged line", "a\r\nforged line", "\x1b[31mforged", "\u202eforged", "\u2028forged", "\x00forged"]
    for client_id in hostile + ['"},{"level":"forged"']:
        activate(server, created, client_id, api_key)
        activate(server, {"license_key": client_id}, "x", api_key, hardware_fingerprint=client_id)
    raw = b"GET /\xff\nforged line HTTP/1.1\r\nX-Request-Id: a\tforged\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds(10)) as connection:
        connection.sendall(raw)
        connection.recv(65536)
    server.call("GET", "/x", headers={"X-Request-Id": "bad id forged", "User-Agent": "forged"})
    server.stop()
    lines = server.logs().splitlines()[before:]
    assert lines
    for line in lines:
        assert not re.match(r"\s*forged", line)
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", line), line
        if form == "json":
            assert json.loads(line)["level"] != "forged"
        else:
            assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z +[A-Z]+ ", line), line


def refuse_in_every_way(server, created, api_key):
    """Calls that are refused although (or because) they carry true secrets: their error bodies."""
    key, other = created["license_key"], server.create_license("perpetual")
    few = server.create_api_key(scopes=["license:validate"])["api_key"]
    limited = server.create_api_key(scopes=["license:activate"], product="sandbox")["api_key"]
    activate(server, created, "first", api_key, hardware_fingerprint="f3" * 16)
    server.admin("POST", f"/licenses/{other['license_id']}/revoke", {"reason": "test"})
    calls = [
        ("POST", "/api/v1/activate", {"license_key": key, "client_id": "second", "hardware_fingerprint": "d1" * 16}, api_key),
        ("POST", "/api/v1/activate", {"license_key": key, "client_id": "first", "hardware_fingerprint": "e2" * 16}, api_key),
        ("POST", "/api/v1/activate", {"license_key": other["license_key"], "client_id": "c"}, api_key),
        ("POST", "/api/v1/activate", {"license_key": key, "client_id": "c"}, limited),
        ("POST", "/api/v1/activate", {"license_key": key, "client_id": "c"}, few),
        ("POST", "/api/v1/activate", {"license_key": key, "client_id": "c"}, api_key + "x"),
        ("POST", "/api/v1/activate", {"license_key": key, "client_id": "c"}, api_key.swapcase()),
        ("POST", "/api/v1/activate", {"license_key": key, "client_id": ["c"]}, api_key),
        ("POST", "/api/v1/activate", {"license_key": [key], "client_id": "c"}, api_key),
        ("POST", "/api/v1/activate", {"license_key": key, "license_id": key, "client_id": "c"}, api_key),
        ("POST", "/api/v1/activate", {"license_key": key, "client_id": "c", "signature": "0" * 64, "timestamp": 1}, api_key),
        ("POST", "/api/v1/licenses/validate", {"license_key": key, "client_id": "nobody"}, api_key),
        ("POST", "/api/v1/licenses/usage", {"license_key": key, "metric": "m", "quantity": 1, "idempotency_key": "i"}, few),
        ("GET", f"/api/v1/licenses/{key}", None, server.admin_key),
        ("GET", f"/api/v1/clients/first?license_id={key}", None, server.admin_key),
        ("GET", f"/api/v1/admin/licenses/{key}", None, server.admin_key),
        ("GET", f"/api/v1/admin/licenses?license_key={key}", None, server.admin_key),
        ("POST", "/api/v1/admin/licenses/lookup", {"license_key": {"key": key}}, server.admin_key),
        ("POST", "/api/v1/admin/licenses", {"product": "demo", "policy": "perpetual", "license_key": key}, server.admin_key),
        ("POST", "/api/v1/admin/licenses/import",
         {"licenses": [{"product": "demo", "policy": "perpetual", "license_key": key, "holder": "x"}]}, server.admin_key),
        ("POST", "/api/v1/admin/api-keys", {"name": "n", "scopes": [api_key]}, few),
    ]
    answers = [server.call(method, path, body, api_key=caller) for method, path, body, caller in calls]
    assert all(answer.status_code >= 400 for answer in answers), [answer.status_code for answer in answers]
    return [answer.text for answer in answers], [key, other["license_key"], few, limited]


@pytest.mark.quick
def test_errors_refusals_events_and_metrics_tell_no_secret(start_server):
    """What administrators and monitoring read; the watch of conftest.py looks for every secret in what all tests saw."""
    server = start_server(*JSON_LOG)
    created = server.create_license("perpetual", overrides={"max_clients": 1, "binding": "strict"})
    api_key = server.create_api_key()["api_key"]
    errors, secrets = refuse_in_every_way(server, created, api_key)
    secrets += [api_key, server.admin_key]
    secrets += [secret.rsplit("_", 1)[-1] for secret in secrets if secret.startswith("lk_")]
    refusals = eventually(lambda: server.call("GET", "/api/v1/admin/refusals?limit=500", api_key=server.admin_key).json()["data"]["refusals"])
    assert {"MAX_CLIENTS_REACHED", "HARDWARE_MISMATCH", "LICENSE_REVOKED"} <= {refusal["code"] for refusal in refusals}
    told = {
        "errors": "\n".join(errors),
        "refusals": json.dumps(refusals),
        "events": server.call("GET", "/api/v1/admin/events?limit=1000", api_key=server.admin_key).text,
        "report": server.call("GET", "/api/v1/admin/reports/refusals?format=csv&by=license", api_key=server.admin_key).text,
        "api keys": server.call("GET", "/api/v1/admin/api-keys", api_key=server.admin_key).text,
        "metrics": server.call("GET", "/metrics").text,
    }
    server.stop()
    told["logs"] = server.logs()
    assert all(len(text) > 100 for text in told.values())
    for where, text in told.items():
        for secret in secrets:
            assert secret.upper() not in text.upper(), where
