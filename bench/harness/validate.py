"""Item 17: validations over HTTP from memory, signed, with logs and metrics on; the peer is nginx with `return 200`."""

import contextlib
import statistics

from harness.bench import BOTH_CPUS, SERVER_CPU, Bench, Load
from harness.figures import ratio_of_medians

LICENSES = 1_000_000
REQUESTS = 400_000  # prepared for each round, so that few licenses are asked for twice in it


def take_turns(bench: Bench, data, first, second, *load_options) -> tuple[list[Load], list[Load]]:
    """Rounds in which both servers get the same requests; who begins alternates."""
    loads = {first: [], second: []}
    for number in range(bench.rounds):
        requests = bench.requests(data, 'validate', '--clients', '--count', REQUESTS)
        for server in (first, second) if number % 2 == 0 else (second, first):
            loads[server].append(bench.load(server, requests, *load_options))
    return loads[first], loads[second]


def report(bench: Bench, where: str, ours: list[Load], peers: list[Load]) -> None:
    def figure(name, of, unit, bound, at_most):
        a, b = [of(load) for load in ours], [of(load) for load in peers]
        detail = f'{statistics.median(a):,.1f} against {statistics.median(b):,.1f} {unit}'
        bench.add('17', f'{name}, {where}', ratio_of_medians(a, b), bound=bound, at_most=at_most, detail=detail)

    figure('validate: rate / nginx', lambda load: load.rate, 'a second', 0.90, False)
    figure('validate: CPU per request / nginx', lambda load: load.cpu_microseconds, 'µs', 1.15, True)
    figure('validate: p99 / nginx', lambda load: load.p99, 'µs', 1.2, True)


def measure(bench: Bench, data, where: str, cpus: str, threads: int, *load_options) -> None:
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(bench.lictord(data, cpus, threads))
        bench.say(f'warm {LICENSES:,} licenses with a client each')
        bench.warm(ours, LICENSES, '--clients')
        body = bench.sample_body_bytes(ours, bench.requests(data, 'sample', '--clients', '--count', 1))
        peer = stack.enter_context(bench.nginx(body, cpus, threads))
        report(bench, where, *take_turns(bench, data, ours, peer, *load_options))


def run(bench: Bench) -> None:
    data = bench.dataset('licenses-1m', LICENSES, '--clients')
    measure(bench, data, 'one core', SERVER_CPU, 1)
    measure(bench, data, 'both cores shared with the load', BOTH_CPUS, 2, '--threads', 2)
