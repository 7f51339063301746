"""More than the server can carry: what waits is bounded, the rest is refused at once with OVERLOADED, renewals go before new
work, and right afterwards all is as before. No times are measured here; bench/harness/overload.py has the figures."""

import json
import random
import resource
import selectors
import socket
import time

import pytest

from metrics_text import parse_metrics
from raw_http import Target, check_refusal, split_answers
from support import eventually, seconds

QUEUE = 32
RENEWING = QUEUE // 4  # what is kept for renewals
WAVES, NEW_IN_A_WAVE = 25, 200


class Lines:
    """Keep-alive connections, each with one request under way."""

    def __init__(self, port, count):
        self.selector = selectors.DefaultSelector()
        self.sockets = []
        for _ in range(count):
            line = socket.create_connection(("127.0.0.1", port), timeout=seconds(30))
            self.sockets.append(line)
            self.selector.register(line, selectors.EVENT_READ, len(self.sockets) - 1)

    def ask(self, requests):
        """One request on each line, all at once: [(status, headers, body)] in the same order."""
        for line, request in zip(self.sockets, requests, strict=True):
            line.sendall(request)
        received = [b""] * len(requests)
        answers = [None] * len(requests)
        end = time.monotonic() + seconds(30)
        while None in answers:
            assert time.monotonic() < end, f"{answers.count(None)} of {len(answers)} have no answer"
            for key, _ in self.selector.select(1):
                part = key.fileobj.recv(65536)
                assert part, "a connection was closed without an answer"
                received[key.data] += part
                if complete(received[key.data]):
                    (answers[key.data],) = split_answers(received[key.data])
        return answers

    def close(self):
        for line in self.sockets:
            line.close()
        self.selector.close()


def complete(data):
    head, found, body = data.partition(b"\r\n\r\n")
    return bool(found) and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


def request(path, body, api_key):
    text = json.dumps(body).encode()
    head = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {api_key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\n\r\n")
    return head.encode() + text


def activation(target, license_, client_id):
    return request("/api/v1/licenses/activate", {"license_key": license_["license_key"], "client_id": client_id}, target.api_key)


def held_clients(server, license_):
    found, cursor = set(), ""
    while cursor is not None:
        page = server.admin("GET", f"/licenses/{license_['license_id']}/clients?held=true&limit=1000{cursor}")
        found |= {client["client_id"] for client in page["clients"]}
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    return found


@pytest.mark.quick
def test_new_work_is_shed_and_renewals_are_not(start_server):
    # A transaction for each write, so that a burst is more than it can carry however fast the disk is.
    server = start_server("--queue-max", str(QUEUE), "--batch-max", "1", "--io-threads", "1", "--log-level", "error")
    target = Target(server)
    license_ = server.create_license("perpetual", overrides={"max_clients": None})
    lines = Lines(server.port, NEW_IN_A_WAVE + RENEWING)
    holders = [f"holder-{n}" for n in range(RENEWING)]
    for name in holders:
        assert server.call("POST", "/api/v1/activate", {"license_key": license_["license_key"], "client_id": name},
                           target.api_key).status_code == 200
    acknowledged, refused, warm = set(holders), 0, 0
    for wave in range(WAVES):
        new = [f"new-{wave}-{n}" for n in range(NEW_IN_A_WAVE)]
        answers = lines.ask([activation(target, license_, name) for name in [*new, *holders]])
        for name, answer in zip(new, answers):
            if answer[0] == 200:
                acknowledged.add(name)
                continue
            refused += 1
            assert (answer[0], json.loads(answer[2])["error"]["code"]) == (503, "OVERLOADED"), answer
            assert int(answer[1]["retry-after"]) >= 1
        assert [answer[0] for answer in answers[NEW_IN_A_WAVE:]] == [200] * RENEWING, f"wave {wave}: a renewal was shed"
        taken = sum(answer[0] == 200 for answer in answers) - RENEWING
        assert taken >= QUEUE - RENEWING, "what fits into the queue is served"
        if wave == WAVES // 3:
            warm = target.memory_kib()
    assert refused > WAVES * NEW_IN_A_WAVE // 4, "it was never too much"
    assert target.memory_kib() - warm < 16 * 1024, "memory grows with what is refused"
    lines.close()

    # At once, and what was acknowledged is there, no more and no less.
    answer = server.call("POST", "/api/v1/activate", {"license_key": license_["license_key"], "client_id": "afterwards"}, target.api_key)
    assert answer.status_code == 200
    assert held_clients(server, license_) == acknowledged | {"afterwards"}
    metrics = parse_metrics(server.call("GET", "/metrics").text)
    assert metrics["lictor_write_queue_jobs", ()] == 0
    counted = metrics["license_activation_failures_total", (("reason", "OVERLOADED"),)]
    assert counted == refused
    assert "ERROR" not in server.logs()


def test_administration_goes_on_while_new_work_is_shed(start_server):
    """A revocation is not kept waiting behind what is refused."""
    server = start_server("--queue-max", str(QUEUE), "--batch-max", "1", "--io-threads", "1", "--log-level", "error")
    target = Target(server)
    license_ = server.create_license("perpetual", overrides={"max_clients": None})
    lines = Lines(server.port, NEW_IN_A_WAVE + 1)
    path = f"/api/v1/admin/licenses/{license_['license_id']}"
    for wave, verb in enumerate(["suspend", "resume"] * 5):
        new = [activation(target, license_, f"{wave}-{n}") for n in range(NEW_IN_A_WAVE)]
        answers = lines.ask([*new, request(f"{path}/{verb}", {"reason": "test"}, server.admin_key)])
        assert answers[-1][0] == 200, answers[-1]
        assert {answer[0] for answer in answers} <= {200, 403, 503}
    lines.close()


# ---- slow and idle peers ----

SHORT = ("--header-timeout", "1s", "--body-timeout", "1s", "--idle-timeout", "2s", "--write-timeout", "1s", "--log-level", "error")
TIMEOUT = (408, "REQUEST_TIMEOUT")
HEAD = b"POST /api/v1/licenses/activate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SLOW = {
    "nothing at all": (b"", b""),
    "a letter of the request line at a time": (b"", b"GET /health-" + b"x" * 500),
    "a header at a time": (b"GET /health HTTP/1.1\r\nHost: localhost\r\n", b"X-A: b\r\n" * 90),
    "the body by letters": (HEAD + b"Content-Length: 1000\r\n\r\n", b"{" + b" " * 998 + b"}"),
    "chunks of one letter": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 200),
    "a chunk's size by letters": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 500),
    "announced and never sent": (HEAD + b"Content-Length: 60000\r\n\r\n", b""),
    "after a good one": (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he", b"a" * 500),
}


@pytest.mark.quick
def test_slow_peers_are_told_or_closed_while_others_are_served(start_server):
    server = start_server(*SHORT)
    lines = {}
    for name, (begin, _) in SLOW.items():
        for number in range(10):
            line = socket.create_connection(("127.0.0.1", server.port), timeout=seconds(10))
            line.sendall(begin)
            lines[name, number] = [line, b"", False]
    began, served, sent = time.monotonic(), 0, 0
    while not all(ended for _, _, ended in lines.values()):
        assert time.monotonic() - began < seconds(8), [key for key, (_, _, ended) in lines.items() if not ended]
        for (name, _), state in lines.items():
            state[2] = state[2] or drip(state, SLOW[name][1][sent : sent + 1])
        sent += 1
        served += server.call("GET", "/health").status_code == 200
        time.sleep(0.05)
    assert served > 5
    for (name, number), (line, received, _) in lines.items():
        answers = split_answers(received)
        line.close()
        if name == "nothing at all":
            assert not answers or answers[-1][0] == 408, answers
            continue
        check_refusal(answers[-1], [TIMEOUT])
        assert len(answers) == (2 if name == "after a good one" else 1)
    eventually(lambda: parse_metrics(server.call("GET", "/metrics").text)["lictor_connections", ()] <= 2)


def drip(state, data):
    """Sends a little and takes what is there: whether the server has closed."""
    line, _, _ = state
    try:
        line.sendall(data)
        line.setblocking(False)
        part = line.recv(65536)
        state[1] += part
        return part == b""
    except BlockingIOError:
        return False
    except (BrokenPipeError, ConnectionResetError):
        return True
    finally:
        line.setblocking(True)


@pytest.mark.quick
def test_peers_that_do_not_read_are_closed_and_cost_little(start_server):
    server = start_server(*SHORT)
    target = Target(server)
    before = target.memory_kib()
    asked = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000
    lines = []
    for _ in range(20):
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", server.port))
        line.setblocking(False)
        lines.append(line)
    peak = 0
    for _ in range(10):
        for line in lines:
            try:
                line.send(asked)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                pass
        peak = max(peak, target.memory_kib())
        time.sleep(0.1)
    assert peak - before < 64 * 1024, "it keeps answers that nobody reads"
    eventually(lambda: parse_metrics(server.call("GET", "/metrics").text)["lictor_connections", ()] <= 2, limit=10)
    for line in lines:
        line.close()


def descriptors(wanted):
    """Raises this process's limit of open files as far as it may be; how many connections that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard - 200)
    if soft < wanted + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted + 200, hard) if hard != resource.RLIM_INFINITY else wanted + 200, hard))
    return wanted


def test_ten_thousand_idle_connections_disturb_nobody(start_server):
    count = descriptors(10_000)
    # They have not begun a request, so that they may rest for as long as the test takes.
    server = start_server("--header-timeout", "10m", "--idle-timeout", "10m", "--log-level", "error")
    target = Target(server)
    lines = []
    try:
        for _ in range(count):
            lines.append(socket.create_connection(("127.0.0.1", server.port), timeout=seconds(30)))
        eventually(lambda: parse_metrics(server.call("GET", "/metrics").text)["lictor_connections", ()] >= count, limit=30)
        assert target.memory_kib() < 200 * 1024
        for number in range(20):
            answer = server.call("POST", "/api/v1/activate", {"license_key": target.license_key, "client_id": f"c-{number}"}, target.api_key)
            assert answer.status_code in (200, 409), answer.text
        for line in random.Random(3).sample(lines, 100):
            line.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert line.recv(65536).startswith(b"HTTP/1.1 200")
    finally:
        for line in lines:
            line.close()
    eventually(lambda: parse_metrics(server.call("GET", "/metrics").text)["lictor_connections", ()] <= 2, limit=30)
    if count < 10_000:
        pytest.skip(f"only {count} connections: the limit of open files (ulimit -Hn) allows no more; those were served")


@pytest.mark.quick
def test_connections_over_the_limit_are_refused_and_come_in_when_others_leave(start_server):
    server = start_server("--max-connections", "50", "--log-level", "error")
    lines = [socket.create_connection(("127.0.0.1", server.port), timeout=seconds(10)) for _ in range(50)]
    for line in lines:
        line.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", server.port), timeout=seconds(10)) as line:
            received = b""
            while part := line.recv(65536):
                received += part
            ((status, headers, body),) = split_answers(received)
            assert (status, json.loads(body)["error"]["code"]) == (503, "OVERLOADED") and headers["retry-after"], received
    for line in lines:
        line.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200"), "one that was in before is still served"
        line.close()
    eventually(lambda: server.call("GET", "/health").status_code == 200)
    metrics = parse_metrics(server.call("GET", "/metrics").text)
    assert metrics["lictor_connections_refused_total", ()] >= 30
