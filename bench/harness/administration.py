"""Administration: licenses issued in bulk, searches among many licenses, and what both cost those who validate."""

import contextlib
import http.client
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

from harness.bench import LOAD_CPU, SERVER_CPU, Bench
from harness.figures import ratio_of_medians
from harness.processes import HOST, Lictord
from harness.validate import REQUESTS

BULK = 10_000
SEARCHES = 200  # of each kind
PRODUCTS = ['bench', *(f'bench-{number}' for number in range(1, 10))]  # as bench_seed fill --varied has them
YEAR = 365 * 86_400
STATUS_LICENSES = 100_000


class Administrator:
    """One connection with the administrator's key, which is in its data directory."""

    def __init__(self, server: Lictord):
        self.key = (server.data / 'admin.key').read_text().strip()
        self.connection = http.client.HTTPConnection(HOST, server.port, timeout=60)

    def call(self, method: str, path: str, body: dict | None = None) -> tuple[float, dict]:
        """Seconds, and the data of the answer."""
        text = None if body is None else json.dumps(body)
        headers = {'X-API-Key': self.key, 'Content-Type': 'application/json'}
        started = time.perf_counter()
        self.connection.request(method, f'/api/v1/admin{path}', text, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - started
        if answer.status not in (200, 201):
            raise RuntimeError(f'{method} {path} was answered {answer.status}: {content[:500]!r}')
        return seconds, json.loads(content)['data']

    def issue(self, count: int) -> float:
        seconds, data = self.call('POST', '/licenses', {'product': 'bench', 'policy': 'bench', 'count': count})
        if len(data['licenses']) != count:
            raise RuntimeError('not all were issued')
        return seconds


def administered(bench: Bench, name: str, licenses: int, *options: str, fresh: bool = False) -> pathlib.Path:
    """A data directory that has an administrator's key, too."""
    data = bench.dataset(name, licenses, *options, fresh=fresh)
    if not (data / 'admin.key').exists():
        bench.tool('lictord', 'admin-key', '--data', data)
    return data


def measure_bulk(bench: Bench) -> None:
    data = administered(bench, 'bulk', 100_000, fresh=True)
    with bench.lictord(data, '0,1') as server:
        administrator = Administrator(server)
        administrator.issue(BULK)
        rates = [BULK / administrator.issue(BULK) for _ in range(max(5, bench.rounds))]
        alone = 1 / statistics.median(administrator.issue(1) for _ in range(200))
    bench.add('A1', f'licenses issued in calls of {BULK:,}, durable', statistics.median(rates), 'a second', bound=20_000,
              at_most=False, detail=f'slowest of {len(rates)}: {min(rates):,.0f}; one a call: {alone:,.0f}')


def searches(now: int, licenses: int, products: list[str], policies: list[str]) -> dict:
    """Each documented filter and order, and what is hard about them: name → a maker of queries."""
    def customer() -> str:
        return f'customer {random.randrange(licenses // 10)}'

    def product() -> str:
        return random.choice(products)

    def past() -> int:
        return now - random.randrange(3 * YEAR)

    def coming() -> int:
        return now + random.randrange(YEAR)

    return {
        'all': lambda: {},
        'sort=issued': lambda: {'sort': 'issued'},
        'sort=expires': lambda: {'sort': 'expires'},
        'sort=-expires': lambda: {'sort': '-expires'},
        'product': lambda: {'product': product()},
        'policy': lambda: {'product': product(), 'policy': random.choice(policies)},
        'holder': lambda: {'holder': customer()},
        'holder, product': lambda: {'holder': customer(), 'product': product()},
        'holder_prefix': lambda: {'holder_prefix': customer()[:-2]},
        'holder_prefix, product': lambda: {'holder_prefix': customer()[:-2], 'product': product()},
        **{f'status={status}': lambda status=status: {'status': status, 'product': product()}
           for status in ('active', 'grace', 'expired', 'not_yet_valid', 'suspended', 'revoked')},
        'issued_after': lambda: {'issued_after': past(), 'sort': 'issued'},
        'issued_before': lambda: {'issued_before': past()},
        'issued_…, product, status': lambda: {'issued_before': past(), 'product': product(), 'status': 'revoked'},
        'expires_after': lambda: {'expires_after': coming()},
        'expires_before': lambda: {'expires_before': coming(), 'sort': '-expires'},
        'expires_…, policy': lambda: {'expires_after': past(), 'expires_before': coming(), 'product': product(),
                                      'policy': policies[-1]},
    }


def query_of(arguments: dict) -> str:
    return '/licenses?' + urllib.parse.urlencode(arguments)


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def measure_search(bench: Bench) -> None:
    licenses, name = (10_000_000, '10 M') if bench.full else (1_000_000, '1 M')
    data = administered(bench, 'search-10m' if bench.full else 'search-1m', licenses, '--varied')
    worst, worst_name = 0.0, ''
    with bench.lictord(data, '0,1') as server:
        administrator = Administrator(server)
        kinds = searches(int(time.time()), licenses, PRODUCTS, ['bench', 'other'])
        for kind, make in kinds.items():
            first, further = [], []
            for _ in range(SEARCHES):
                query = make()
                seconds, page = administrator.call('GET', query_of(query))
                first.append(seconds)
                if page['next_cursor'] is not None:
                    query['cursor'] = page['next_cursor']
                    further.append(administrator.call('GET', query_of(query))[0])
            p99 = percentile(first + further, 0.99)
            bench.say(f'{kind}: median {1000 * statistics.median(first + further):.2f} ms, p99 {1000 * p99:.2f} ms')
            if p99 > worst:
                worst, worst_name = p99, kind
    bench.add('A2', f'search among {name} licenses, p99 of the slowest of {len(kinds)} kinds', 1000 * worst, 'ms',
              bound=50, detail=f'{worst_name}; each kind {SEARCHES} times with random values, and the page behind')


def measure_status(bench: Bench) -> None:
    data = administered(bench, 'licenses-100k', STATUS_LICENSES, '--clients')
    with bench.lictord(data, '0,1') as server:
        command = [str(bench.programs / 'lictor'), '--data', str(data), 'status', '--product', 'bench']
        times = []
        for _ in range(max(5, bench.rounds)):
            started = time.perf_counter()
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            times.append(time.perf_counter() - started)
            if done.returncode != 0:
                raise RuntimeError(f'{" ".join(command)}: {done.stderr.decode()}')
        lines = done.stdout.count(b'\n')
    bench.add('A3', f'lictor status of a product with {STATUS_LICENSES:,} licenses', statistics.median(times), 's', bound=1,
              detail=f'slowest of {len(times)}: {max(times):.2f} s; {lines:,} lines')


def serving_thread(server: Lictord) -> pathlib.Path:
    """Puts the thread that serves connections on the first core, and what works for administrators on the other."""
    found = None
    for task in pathlib.Path(f'/proc/{server.process.pid}/task').iterdir():
        is_io = (task / 'comm').read_text().startswith('lictor-io')
        os.sched_setaffinity(int(task.name), {int(SERVER_CPU if is_io else LOAD_CPU)})
        found = task if is_io else found
    return found


def seconds_on_cpu(task: pathlib.Path) -> float:
    return int((task / 'schedstat').read_text().split()[0]) / 1e9


class AtWork:
    """An administrator who issues, searches, lists seats and reads reports all the time, while the block runs."""

    def __init__(self, server: Lictord, licenses: int):
        self.administrator = Administrator(server)
        self.licenses = licenses
        self.calls = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        kinds = searches(int(time.time()), self.licenses, ['bench'], ['bench'])
        while not self.ended.is_set():
            self.administrator.issue(1_000)
            for make in random.sample(list(kinds.values()), 5):
                self.administrator.call('GET', query_of({**make(), 'limit': 200}))
            for path in ('/seats?product=bench&limit=500', '/reports/seats', '/events?order=desc', '/status'):
                self.administrator.call('GET', path)
            self.calls += 10
            self.ended.wait(0.1)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


SPIN = """
import sys, time
part = float(sys.argv[1])
while True:
    end = time.perf_counter() + 0.02 * part
    while time.perf_counter() < end:
        pass
    time.sleep(0.02 * (1 - part))
"""


class Spinner:
    """Takes a part of the second core's time, as an administrator at work does, and does nothing with it."""

    calls = 0

    def __init__(self, part: float):
        self.command = ['taskset', '-c', LOAD_CPU, sys.executable, '-c', SPIN, str(max(0.01, min(0.95, part)))]

    def __enter__(self):
        self.process = subprocess.Popen(self.command)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def measure_neighbours(bench: Bench) -> None:
    """Rounds of validations with and without an administrator at work. Two cores can't hold a server, a load that needs
    a core of its own, and an administrator, without one waiting for another. So the figure is what a validation costs
    the thread that serves it, which has a core for itself: what it would lose to locks, caches and work done for others.
    In the rounds without, something else takes as much of the load's core."""
    licenses = 1_000_000
    data = administered(bench, 'licenses-1m', licenses, '--clients')
    costs: dict[bool, list[float]] = {True: [], False: []}
    calls, part = 0, 0.0
    with bench.lictord(data, '0,1') as server:
        bench.warm(server, licenses, '--clients')
        thread = serving_thread(server)
        for number in range(bench.rounds):
            requests = bench.requests(data, 'validate', '--clients', '--count', REQUESTS)
            for busy in (True, False):
                with AtWork(server, licenses) if busy else Spinner(part) as neighbour:
                    before, all_before = seconds_on_cpu(thread), server.cpu_seconds() + time.process_time()
                    started = time.monotonic()
                    load = bench.load(server, requests, '--cpus', LOAD_CPU)
                    spent = seconds_on_cpu(thread) - before
                    if busy:
                        beside = server.cpu_seconds() + time.process_time() - all_before - spent
                        part = beside / (time.monotonic() - started)
                costs[busy].append(1e6 * spent / (load.report['answered'] + neighbour.calls))
                calls += neighbour.calls
    bench.add('A4', 'validate: cost with / without an administrator at work', ratio_of_medians(costs[True], costs[False]),
              bound=1.03, detail=f'{statistics.median(costs[True]):.2f} against {statistics.median(costs[False]):.2f} µs of '
              f'the serving thread, {calls / (bench.rounds * bench.seconds):.0f} calls a second beside')


def run(bench: Bench) -> None:
    measure_bulk(bench)
    measure_status(bench)
    measure_search(bench)
    measure_neighbours(bench)
