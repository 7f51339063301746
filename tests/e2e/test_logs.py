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
