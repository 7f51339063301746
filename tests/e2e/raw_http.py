"""Requests as bytes, over sockets of their own: for what a proper client can't send."""

import json
import re
import socket

from support import seconds

BAD = (400, "BAD_REQUEST")
UNKNOWN = (422, "UNKNOWN_FIELD")
TOO_LARGE = (413, "PAYLOAD_TOO_LARGE")
DEEP = 17


def broken_json(good):
    """(name, body, whether an unknown member may be what is named): what is no JSON, or not the JSON that is accepted,
    whatever the endpoint."""
    text = {
        "nothing": b"",
        "only spaces": b"   ",
        "cut short": good[:-1],
        "cut in a string": good[: good.rindex(b'"')],
        "text behind": good + b"x",
        "a second document": good + good,
        "single quotes": good.replace(b'"', b"'"),
        "trailing comma": good[:-1] + b",}",
        "comment": good[:-1] + b"/* c */}",
        "name without quotes": b"{license_key:1}",
        "NaN": b'{"client_id":NaN}',
        "leading zero": b'{"quantity":01}',
        "plus": b'{"quantity":+1}',
        "hexadecimal": b'{"quantity":0x1}',
        "bare word": b"activate",
        "array": b"[" + good + b"]",
        "string": b'"x"',
        "number": b"1",
        "null": b"null",
        "NUL": good[:-1] + b"\x00}",
        "NUL behind": good + b"\x00",
        "control character in a string": b'{"client_id":"a\x01b"}',
        "line feed in a string": b'{"client_id":"a\nb"}',
        "unknown escape": b'{"client_id":"\\x"}',
        "lone high surrogate": b'{"client_id":"\\ud800"}',
        "lone low surrogate": b'{"client_id":"\\udc00x"}',
        "half an escape": b'{"client_id":"\\u12"}',
        "byte-order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("utf-16"),
        "invalid UTF-8": good[:-1] + b',"x":"\xff\xfe"}',
        "overlong UTF-8": good[:-1] + b',"x":"\xc0\xaf"}',
        "UTF-8 surrogate": good[:-1] + b',"x":"\xed\xa0\x80"}',
        "UTF-8 beyond Unicode": good[:-1] + b',"x":"\xf4\x90\x80\x80"}',
        "UTF-8 cut short": good[:-1] + b',"x":"\xe2\x82"}',
        "too deep, arrays": good[:-1] + b',"x":' + b"[" * DEEP + b"]" * DEEP + b"}",
        "too deep, objects": good[:-1] + b',"x":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
        "endlessly deep": b"[" * 60000,
        "endlessly deep objects": b'{"a":' * 12000,
        "a member twice": good[:-1] + b',"client_id":"c","client_id":"d"}',
        "a member twice, escaped": good[:-1] + b',"x":1,"\\u0078":2}',
        "5000 members": b"{" + b",".join(b'"m%d":1' % n for n in range(5000)) + b"}",
        "number of 60 000 digits": b'{"client_id":' + b"9" * 60000 + b"}",
        "exponent beyond all": b'{"client_id":1e999999}',
    }
    # The member is named as unknown, or what is wrong with it: both are said.
    refused_by_name = {"5000 members", "number of 60 000 digits", "exponent beyond all"}
    for name, body in text.items():
        yield name, body, name in refused_by_name


class Target:
    """The server under test, with credentials to fill in, over raw sockets."""

    def __init__(self, server):
        self.server = server
        self.license_key = server.create_license("metered")["license_key"]
        self.api_key = server.create_api_key(
            scopes=["license:activate", "license:validate", "license:read", "usage:write", "admin:*"]
        )["api_key"]

    def fill(self, data):
        return data.replace(b"{api_key}", self.api_key.encode()).replace(b"{key}", self.license_key.encode())

    def send(self, data):
        """[(status, headers, body)]: every answer until the server closes; the client ends its side after the data."""
        received = b""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=seconds(10)) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    received += part
            except (BrokenPipeError, ConnectionResetError):
                pass  # it closed before it had everything
        answers = split_answers(received)
        for status, _, body in answers:
            if status >= 400:
                self.server.remember("errors", body)
        return answers

    def post(self, path, body, accept="application/json"):
        body = self.fill(body)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {self.api_key}\r\nAccept: {accept}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return self.send(head.encode() + body)

    def memory_kib(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="utf-8") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])


def split_answers(data):
    answers = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        answers.append((int(lines[0].split(" ")[1]), headers, rest[:length]))
        data = rest[length:]
    return answers


def check_refusal(answer, expected, field=None):
    status, headers, body = answer
    assert status < 500 or status == 505, body
    assert headers["content-type"] == "application/json", headers
    document = json.loads(body)
    assert (status, document["error"]["code"]) in expected, body
    assert document["status"] == "error" and document["error"]["message"] and document["request_id"], body
    assert isinstance(document["error"]["details"], dict), body
    if field is not None:
        assert document["error"]["details"]["field"] == field, body


def failures_of(rows, check):
    failures = []
    for name, *row in rows:
        try:
            check(*row)
        except (AssertionError, KeyError, IndexError, ValueError, OSError) as failure:
            failures.append(f"{name}: {type(failure).__name__}: {str(failure)[:300]}")
    assert not failures, f"{len(failures)} of {len(rows)}:\n" + "\n".join(failures)
