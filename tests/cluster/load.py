"""Clients and administrators at work on a cluster, and what they were told.

Each of them makes one call after the other and repeats one that was cut off or refused for now, as it stands, until it has
an answer: what a client was promised is known from the calls alone. Times are CLOCK_MONOTONIC."""

import http.client
import json
import random
import threading
import time
import uuid
from dataclasses import dataclass, field

MAX_RETRY_AFTER = 1.0  # what a server asks for is followed, up to this
ATTEMPT_SECONDS = 40.0
TRY_AGAIN = (502, 503, 504)


@dataclass
class Call:
    who: str
    operation: str
    license_id: str
    began: float
    client_id: str = ""
    asked: float = 0.0  # when the request that was answered was sent
    ended: float = float("inf")  # when the answer was read; inf: there was none
    code: str = "UNKNOWN"  # OK, the code of a refusal
    attempts: int = 0
    data: dict = field(default_factory=dict)

    @property
    def acknowledged(self):
        return self.code == "OK"


@dataclass
class Attempt:
    """One request, whatever came of it."""

    where: str
    operation: str
    began: float
    ended: float
    outcome: str  # OK, a code, or how it was cut off


class Ledger:
    """All that was asked and told; lists are appended to by many threads."""

    def __init__(self):
        self.calls, self.attempts, self.unexpected = [], [], []

    def of(self, *operations):
        return [call for call in self.calls if call.operation in operations]

    def longest_attempt(self):
        return max(self.attempts, key=lambda attempt: attempt.ended - attempt.began)

    def gap(self, who, begin, end, operations=()):
        """The longest time between two acknowledged calls of `who` that ended within [begin, end]."""
        times = [begin, *sorted(attempt.ended for attempt in self.attempts if attempt.outcome == "OK"
                                and attempt.where.startswith(who) and begin <= attempt.ended <= end
                                and (not operations or attempt.operation in operations)), end]
        return max(later - earlier for earlier, later in zip(times, times[1:]))


class Caller:
    """Of one server or balancer, over one connection that is kept open."""

    def __init__(self, ledger, name, port, api_key):
        self.ledger, self.name, self.port, self.api_key = ledger, name, port, api_key
        self.random = random.Random(name)
        self.connection = None

    def attempt(self, operation, method, path, body, headers=None):
        """(status, document, Retry-After), or None: cut off."""
        began = time.monotonic()
        headers = {"Content-Type": "application/json", "X-API-Key": self.api_key, **(headers or {})}
        document, status, wait = {}, None, 0.0
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ATTEMPT_SECONDS)
            self.connection.request(method, path, json.dumps(body), headers)
            answer = self.connection.getresponse()
            text = answer.read()
            status, wait = answer.status, float(answer.headers.get("Retry-After", 0))
            document = json.loads(text) if "json" in (answer.headers["Content-Type"] or "") else {}
            outcome = "OK" if status < 400 else document.get("error", {}).get("code", str(status))
        except (OSError, http.client.HTTPException) as error:
            outcome = type(error).__name__
            self.connection.close()
            self.connection = None
        self.ledger.attempts.append(Attempt(self.name, operation, began, time.monotonic(), outcome))
        if outcome == "UNAVAILABLE" and not wait:
            self.ledger.unexpected.append(f"{operation} at {self.name}: UNAVAILABLE without Retry-After")
        if outcome == "TimeoutError":
            self.ledger.unexpected.append(f"{operation} at {self.name}: no answer for {ATTEMPT_SECONDS:.0f} s")
        return None if status is None else (status, document, wait)

    def until_answered(self, call, method, path, body, allowed, give_up, headers=None):
        """Repeats the call; True when it was answered."""
        self.ledger.calls.append(call)
        while time.monotonic() < give_up():
            call.attempts += 1
            call.asked = time.monotonic()
            answer = self.attempt(call.operation, method, path, body, headers)
            if answer is None or answer[0] in TRY_AGAIN:
                time.sleep(min(answer[2] if answer else 0, MAX_RETRY_AFTER) + self.random.uniform(0.01, 0.1))
                continue
            call.ended = time.monotonic()
            status, document, _ = answer
            call.code = "OK" if status < 400 else document.get("error", {}).get("code", str(status))
            call.data = document.get("data", {}) if status < 400 else document.get("error", {}).get("details", {})
            if not call.acknowledged and call.code not in allowed:
                self.ledger.unexpected.append(f"{call.operation} of {call.license_id} at {self.name}: {status} {document}")
            return True
        return False


# What may be refused besides: administrators suspend and revoke while it goes on.
BY_ADMINISTRATORS = ("LICENSE_SUSPENDED", "LICENSE_REVOKED")


class Load:
    """Works on `cluster` from start() to stop()."""

    def __init__(self, cluster, contended=4, spread=200, to_revoke=400, clients=12):
        self.cluster = cluster
        self.ledger = Ledger()
        self.stopping = threading.Event()
        self.give_up = float("inf")
        first = cluster.replicas[0]
        self.admin_key = first.admin_key
        self.api_key = first.create_api_key()["api_key"]
        first.admin("POST", "/products", {"name": "drill"})
        first.admin("POST", "/policies", {"product": "drill", "name": "few", "terms": {"type": "perpetual", "max_clients": 3}})
        make = lambda count: first.create_licenses("few", "drill", count=count)  # noqa: E731
        self.contended, self.spread, self.to_revoke = make(contended), make(spread), make(to_revoke)
        self.suspended = make(4)
        self.max_clients = {each["license_id"]: 3
                            for each in self.contended + self.spread + self.to_revoke + self.suspended}
        self.lost = []  # what a client was promised and did not find: (call, what)
        ports = cluster.balancers.ports
        self.watched = []  # licenses and clients whose status administrators change
        works = [(self.take_and_give_back, ports[number % 2]) for number in range(clients)]
        works += [(self.revoke, ports[0]), (self.suspend_and_resume, ports[1])]
        works += [(self.only_use, port) for port in ports]
        works += [(self.watch, replica.port) for replica in cluster.replicas]
        self.threads = [threading.Thread(target=self._run, args=(work, port, number), daemon=True)
                        for number, (work, port) in enumerate(works)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self, patience=60):
        """Everybody brings to its end what was begun."""
        self.give_up = time.monotonic() + patience
        self.stopping.set()
        for thread in self.threads:
            thread.join(patience + ATTEMPT_SECONDS)
            assert not thread.is_alive(), "a client hangs"

    def _run(self, work, port, number):
        name = f"{work.__name__}-{number}"
        try:
            work(Caller(self.ledger, name, port, self.api_key if work != self.revoke else self.admin_key))
        except Exception as error:  # noqa: BLE001  whatever it is, it is told at the end
            self.ledger.unexpected.append(f"{name}: {type(error).__name__}: {error}")
            raise

    # ---- clients ----

    def on_license(self, caller, operation, license_, client_id, allowed=()):
        call = Call(caller.name, operation, license_["license_id"], time.monotonic(), client_id)
        body = {"license_key": license_["license_key"], "client_id": client_id}
        caller.until_answered(call, "POST", f"/api/v1/licenses/{operation}", body, (*BY_ADMINISTRATORS, *allowed),
                              lambda: self.give_up)
        return call

    def take_and_give_back(self, caller):
        """A seat, some validations, and mostly the seat back: of licenses that many want, and of many licenses."""
        turn = 0
        while not self.stopping.is_set():
            turn += 1
            contended = caller.random.random() < 0.6
            license_ = caller.random.choice(self.contended if contended else self.spread)
            client_id = caller.name if contended else f"{caller.name}-{turn}"
            activated = self.on_license(caller, "activate", license_, client_id, ["MAX_CLIENTS_REACHED"])
            if not activated.acknowledged:
                continue
            for _ in range(caller.random.randint(0, 4)):
                self.use(caller, license_, client_id)
            if contended or caller.random.random() < 0.5:
                given = self.on_license(caller, "deactivate", license_, client_id)
                if given.acknowledged and given.attempts == 1 and not given.data["released"]:
                    self.lost.append((given, "the seat was not there when it was given back"))

    def use(self, caller, license_, client_id):
        call = self.on_license(caller, "validate", license_, client_id, ["CLIENT_NOT_ACTIVATED"])
        if call.code == "CLIENT_NOT_ACTIVATED":
            self.lost.append((call, "the seat was not there when it was used"))

    def only_use(self, caller):
        """Has a seat and asks whether it may work, as most clients do most of the time."""
        license_ = self.spread[caller.port % len(self.spread)]
        if not self.on_license(caller, "activate", license_, caller.name, ["MAX_CLIENTS_REACHED"]).acknowledged:
            return
        while not self.stopping.wait(0.02):
            self.use(caller, license_, caller.name)

    # ---- administrators ----

    def change(self, caller, verb, license_):
        call = Call(caller.name, verb, license_["license_id"], time.monotonic())
        caller.until_answered(call, "POST", f"/api/v1/admin/licenses/{license_['license_id']}/{verb}", {"reason": "drill"}, (),
                              lambda: self.give_up, {"Idempotency-Key": uuid.uuid4().hex})
        return call

    def revoke(self, caller):
        """Licenses with a seat that is in use: whoever uses it must be refused soon."""
        user = Caller(self.ledger, caller.name, caller.port, self.api_key)
        for license_ in self.to_revoke:
            if self.stopping.is_set():
                return
            self.on_license(user, "activate", license_, "user")
            self.watched = [*self.watched[-11:], license_]
            self.stopping.wait(0.15)
            self.change(caller, "revoke", license_)

    def suspend_and_resume(self, caller):
        caller.api_key = self.admin_key
        user = Caller(self.ledger, caller.name, caller.port, self.api_key)
        for license_ in self.suspended:
            self.on_license(user, "activate", license_, "user")
        while not self.stopping.is_set():
            license_ = caller.random.choice(self.suspended)
            self.change(caller, "suspend", license_)
            self.stopping.wait(1.5)
            self.change(caller, "resume", license_)
            self.stopping.wait(0.3)

    def watch(self, caller):
        """Validates at one replica what administrators change, all the time."""
        while not self.stopping.is_set():
            for license_ in [*self.watched, *self.suspended]:
                call = Call(caller.name, "validate", license_["license_id"], time.monotonic(), "user")
                body = {"license_key": license_["license_key"], "client_id": "user"}
                caller.until_answered(call, "POST", "/api/v1/licenses/validate", body,
                                      (*BY_ADMINISTRATORS, "CLIENT_NOT_ACTIVATED"), lambda: 0 if self.stopping.is_set() else self.give_up)
                self.stopping.wait(0.02)
