"""Item 19: memory for each cached license, time to ready, and what many licenses cost when they are in memory."""

import contextlib
import statistics

from harness import validate
from harness.bench import Bench
from harness.figures import ratio_of_medians

MILLION = 1_000_000
STARTS = 5


def bytes_per_license(bench: Bench, data, *options: str) -> tuple[float, float]:
    """Growth of the anonymous and of the resident memory by the first validation of a million licenses, for each. The
    connections, the thread's buffers and SQLite's caches are there before: a few thousand licenses were validated."""
    first = 5_000
    with bench.lictord(data) as server:
        bench.warm(server, first, *options)
        before = server.memory()
        bench.warm(server, MILLION, *options)
        after = server.memory()
    grown = [(after[kind] - before[kind]) / (MILLION - first) for kind in ('anonymous', 'resident')]
    return grown[0], grown[1]


def measure_memory(bench: Bench) -> None:
    data = bench.dataset('licenses-1m', MILLION, '--clients')
    for name, options in (('license alone', ()), ('license and one client', ('--clients',))):
        anonymous, resident = bytes_per_license(bench, data, *options)
        detail = f'RssAnon; with the mapped pages of the database VmRSS grew by {resident:.0f} B for each'
        bound = None if options else 150  # a license and a client are two records
        bench.add('19', f'memory for each cached license, {name}', anonymous, 'B', bound=bound, detail=detail)


def measure_start(bench: Bench, data, size: str) -> None:
    seconds = []
    for _ in range(STARTS):
        with bench.lictord(data) as server:
            seconds.append(server.seconds_to_ready)
    bench.add('19', f'start to ready on {size} licenses', statistics.median(seconds), 's', bound=1,
              detail=f'slowest of {STARTS}: {max(seconds):.2f} s')


def measure_size(bench: Bench, big, licenses: int, size: str) -> None:
    """The same number of requests a round on both; each over all of its licenses."""
    small = bench.dataset('licenses-1k', 1_000, '--clients')
    bound = ('--cache-licenses', str(licenses + licenses // 4), '--cache-activations', str(licenses + licenses // 4))
    with contextlib.ExitStack() as stack:
        many = stack.enter_context(bench.lictord(big, '0', 1, *bound))
        few = stack.enter_context(bench.lictord(small))
        bench.say(f'warm {size} licenses')
        bench.warm(many, licenses, '--clients')
        bench.warm(few, 1_000, '--clients')
        loads = {many: [], few: []}
        for number in range(bench.rounds):
            for server in (many, few) if number % 2 == 0 else (few, many):
                requests = bench.requests(server.data, 'validate', '--clients', '--count', validate.REQUESTS)
                loads[server].append(bench.load(server, requests))
        costs = [[load.cpu_microseconds for load in loads[server]] for server in (many, few)]
        rates = [statistics.median(load.rate for load in loads[server]) for server in (many, few)]
    detail = (f'CPU per request {statistics.median(costs[0]):.2f} against {statistics.median(costs[1]):.2f} µs; '
              f'{rates[0]:,.0f} against {rates[1]:,.0f} a second')
    bench.add('19', f'validate on {size} / on 1 k licenses, warm', ratio_of_medians(*costs), bound=1.15, detail=detail)


def run(bench: Bench) -> None:
    measure_memory(bench)
    licenses, size = (10 * MILLION, '10 M') if bench.full else (MILLION, '1 M')
    data = bench.dataset('licenses-10m' if bench.full else 'licenses-1m', licenses, '--clients')
    measure_start(bench, data, size)
    measure_size(bench, data, licenses, size)
