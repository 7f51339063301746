"""Item 18: durable activations, in batches and one for each transaction, spread over licenses and on one hot license."""

import contextlib
import statistics

from harness.bench import Bench, Load, sync_rate
from harness.figures import ratio_of_medians

LICENSES = 100_000
FIRST_ROUND = 4_000  # activations, before the rate is known


class Activations:
    """Rounds of activations of new clients on one server."""

    def __init__(self, bench: Bench, server, license_range: int):
        self.bench, self.server, self.license_range = bench, server, license_range
        self.loads: list[Load] = []
        self.count = FIRST_ROUND

    def round(self) -> Load:
        requests = self.bench.requests(self.server.data, 'activate', '--call', 'activate', '--count', self.count, '--range',
                                       self.license_range, '--client-base', self.bench.new_clients(self.count))
        load = self.bench.load_once(self.server, requests)
        self.count = max(FIRST_ROUND, int(load.rate * self.bench.seconds))
        return load


def measure(bench: Bench, where: str, bound: float, batched, single, license_range: int) -> None:
    turns = [Activations(bench, batched, license_range), Activations(bench, single, license_range)]
    for turn in turns:
        turn.round()
    for _ in range(bench.rounds):
        for turn in turns:
            turn.loads.append(turn.round())
    rates = [[load.rate for load in turn.loads] for turn in turns]
    costs = [statistics.median(load.cpu_microseconds for load in turn.loads) for turn in turns]
    p99 = statistics.median(load.p99 for load in turns[0].loads)
    detail = (f'{statistics.median(rates[0]):,.0f} against {statistics.median(rates[1]):,.0f} a second, CPU {costs[0]:.0f} '
              f'against {costs[1]:.0f} µs, p99 {p99 / 1000:.1f} ms')
    bench.add('18', f'activate: batches / one by one, {where}', ratio_of_medians(*rates), bound=bound, at_most=False,
              detail=detail)


def run(bench: Bench) -> None:
    before = sync_rate(bench.work)
    with contextlib.ExitStack() as stack:
        servers = []
        for name, options in (('activate-batched', ()), ('activate-single', ('--batch-max', '1'))):
            data = bench.dataset(name, LICENSES, '--max-clients', '0', fresh=True)
            servers.append(stack.enter_context(bench.lictord(data, '0,1', 1, *options)))
        measure(bench, 'spread over 100 k licenses', 3, *servers, LICENSES)
        measure(bench, 'one hot license', 4, *servers, 1)
    bench.add('18', 'syncs of this disk (4 KiB, fdatasync)', (before + sync_rate(bench.work)) / 2, 'a second')
