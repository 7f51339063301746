"""One process of clients that race each other on a server which is killed again and again (test_race.py).

Its first line on stdin is the task as JSON; when stdin ends, every client finishes what it is doing, retrying until it
has an answer, and the process ends with 0. To the task's `log` goes a line of JSON when an operation begins, before its
first byte is sent, and one when its answer has been read: what a client was promised, and when, is known from these
alone. `at` is CLOCK_MONOTONIC (one for all processes), `wall` Unix time.
"""

import http.client
import json
import os
import random
import sys
import threading
import time

PAUSE_WHILE_DOWN = (0.005, 0.03)


class Unexpected(Exception):
    """An answer that no client should ever get."""


class Client:
    """One client: operations one after the other, each retried until it has an answer."""

    def __init__(self, task, number, stopping):
        self.task = task
        self.name = f"{task['name']}-{number}"
        self.stopping = stopping
        self.random = random.Random(self.name)
        self.out = os.open(task["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.connection = None
        self.operations = 0

    # ---- one operation ----

    def do(self, operation, **members):
        body = {"license_key": self.task["license_key"], "client_id": self.name, **members}
        self.operations += 1
        self.write(step="begin", operation=operation, body={k: v for k, v in body.items() if k != "license_key"})
        give_up = time.monotonic() + self.task["patience"]
        attempts = 0
        while True:
            assert time.monotonic() < give_up, f"{self.name}: no answer to {operation}"
            attempts += 1
            answer = self.attempt(operation, json.dumps(body).encode())
            if answer is not None:
                break
            time.sleep(self.random.uniform(*PAUSE_WHILE_DOWN))
        status, document = answer
        code = document["error"]["code"] if status != 200 else "OK"
        details = document["data"] if status == 200 else document["error"]["details"]
        self.write(step="answer", operation=operation, status=status, code=code, data=details, attempts=attempts)
        return code, details

    def attempt(self, operation, body):
        """(status, document), or None when the server went away or is busy: then nobody knows whether it was done."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(
                    "127.0.0.1", self.task["port"], timeout=self.task["patience"]
                )
            headers = {"Content-Type": "application/json", "X-API-Key": self.task["api_key"]}
            self.connection.request("POST", f"/api/v1/licenses/{operation}", body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except TimeoutError as error:  # it may still come to pass: no client could say what it holds
            raise Unexpected(f"{operation}: the server hangs") from error
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            return None
        if answer.status == 503:
            return None
        document = json.loads(text)
        expected = {200} | set(self.task["refusals"].get(operation, []))
        if answer.status not in expected:
            raise Unexpected(f"{operation}: {answer.status} {text[:500]}")
        return answer.status, document

    def write(self, **record):
        line = {"client": self.name, "at": time.monotonic(), "wall": time.time(), **record}
        os.write(self.out, (json.dumps(line) + "\n").encode())

    def pause(self, most):
        self.stopping.wait(self.random.uniform(0, most))

    # ---- what the clients do ----

    def race_for_seats(self):
        """Takes a seat, uses it for a moment, gives it back; some keep theirs when the race ends."""
        while not self.stopping.is_set():
            code, _ = self.do("activate")
            if code != "OK":
                self.pause(0.05)
                continue
            self.pause(0.03)
            if self.stopping.is_set():
                return
            if self.random.random() < 0.2:
                self.do("activate")  # a renewal: must not take a second seat
            self.do("deactivate")
            if self.random.random() < 0.1:
                self.do("deactivate")

    def count_usage(self):
        self.do("activate")
        while not self.stopping.is_set():
            limited = self.random.random() < 0.3
            self.do(
                "usage",
                metric="limited" if limited else "calls",
                quantity=1 if limited else self.random.randint(1, 9),
                idempotency_key=f"{self.name}-{self.operations}",
            )

    def float_and_vanish(self):
        """Takes a lease, renews it a few times, then is never heard of again; a new client takes its place."""
        first_name, lives = self.name, 0
        while not self.stopping.is_set():
            lives += 1
            self.name = f"{first_name}-{lives}"
            code, data = self.do("activate")
            if code != "OK":
                self.pause(0.2)
                continue
            for _ in range(self.random.randint(0, 3)):
                self.pause(0.7 * max(0, data["client"]["lease_expires_at"] - time.time()))
                code, data = self.do("validate")
                if code != "OK":
                    break


def run(client, failures):
    try:
        getattr(client, client.task["work"])()
    except Exception as error:  # whatever it is: the process must say so
        failures.append(f"{client.name}: {type(error).__name__}: {error}")
        client.stopping.set()


def main():
    task = json.loads(sys.stdin.readline())
    stopping, failures = threading.Event(), []
    clients = [Client(task, number, stopping) for number in range(task["threads"])]
    threads = [threading.Thread(target=run, args=(client, failures)) for client in clients]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stopping.set()
    for thread in threads:
        thread.join()
    print("\n".join(failures), file=sys.stderr, end="")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
