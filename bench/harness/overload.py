"""Twice the load the server can carry: what it still does, how fast it refuses the rest, whether renewals are spared, what it
weighs meanwhile, and how it does right afterwards."""

import json
import statistics
import subprocess
import time
import urllib.request

from harness.bench import BOTH_CPUS, LOAD_CPU, Bench
from harness.figures import ratio_of_medians

LICENSES = 100_000
CONNECTIONS = 9_000  # more than fit into the queue of writes
CARRIED_BY = 512  # connections when the load is what it can carry
RENEWING = 1_000  # connections; together they fit into the places kept for renewals
RENEWED = 2_000  # clients that hold a seat and activate again
MIB = 1024 * 1024


class Overload:
    def __init__(self, bench: Bench, server):
        self.bench, self.server = bench, server
        self.before, self.during, self.after, self.memory, self.drained = [], [], [], [], []
        self.renewals = bench.requests(server.data, 'renew', '--call', 'activate', '--count', RENEWED, '--range', LICENSES,
                                       '--client-base', bench.new_clients(RENEWED))
        bench.load_once(server, self.renewals)

    def new_work(self, count: int):
        return self.bench.requests(self.server.data, 'activate', '--call', 'activate', '--count', count, '--range', LICENSES,
                                   '--client-base', self.bench.new_clients(count))

    def carried(self, count: int) -> float:
        return self.bench.load_once(self.server, self.new_work(count), connections=CARRIED_BY).rate

    def start(self, requests, connections: int, rate: float) -> subprocess.Popen:
        command = [self.bench.programs / 'bench_load', self.server.address, '--requests', requests, '--connections', connections,
                   '--rate', rate, '--seconds', self.bench.seconds, '--warmup', 1, '--cpus', LOAD_CPU]
        return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)

    def wait_until_drained(self) -> float:
        """Seconds until what was taken, and whose clients have gone, is done."""
        began = time.monotonic()
        while True:
            with urllib.request.urlopen(f'http://{self.server.address}/metrics', timeout=10) as answer:
                metrics = dict(line.rsplit(' ', 1) for line in answer.read().decode().splitlines() if not line.startswith('#'))
            if float(metrics['lictor_write_queue_jobs']) == 0:
                return time.monotonic() - began
            time.sleep(0.01)

    def turn(self, rate: float) -> None:
        count = int(rate * self.bench.seconds)
        self.before.append(self.carried(count))
        offered = self.new_work(int(2 * rate * (self.bench.seconds + 1.5)))
        load = self.start(offered, CONNECTIONS, 2 * rate)
        renewals = self.start(self.renewals, RENEWING, rate / 10)
        peak = 0
        while load.poll() is None:
            peak = max(peak, self.server.memory()['resident'])
            try:
                load.wait(0.1)
            except subprocess.TimeoutExpired:
                pass
        self.drained.append(self.wait_until_drained())
        self.after.append(self.carried(count))
        self.memory.append(peak / MIB)
        self.during.append((json.loads(load.communicate()[0]), json.loads(renewals.communicate()[0])))


def run(bench: Bench) -> None:
    data = bench.dataset('overload', LICENSES, '--max-clients', '0', fresh=True)
    with bench.lictord(data, BOTH_CPUS, 1) as server:
        overload = Overload(bench, server)
        overload.carried(4_000)
        rate = statistics.median(overload.carried(20_000) for _ in range(3))
        idle = server.memory()['resident'] / MIB
        for _ in range(bench.rounds):
            overload.turn(rate)
    loads, renewals = zip(*overload.during, strict=True)
    accepted = [(load['requests'] - load['unexpected'] + renewal['requests'] - renewal['unexpected']) / load['seconds']
                for load, renewal in overload.during]
    refused = [load['unexpected'] / load['requests'] for load in loads]
    lost = sum(load['errors'] for load in loads) + sum(renewal['errors'] for renewal in renewals)
    bench.add('6', 'twice the load: accepted a second ÷ what it carries', ratio_of_medians(accepted, overload.before), bound=0.8,
              at_most=False, detail=f'{statistics.median(accepted):,.0f} against {statistics.median(overload.before):,.0f} a second')
    bench.add('6', '… refused with OVERLOADED: p99', statistics.median(load['unexpected_p99_us'] for load in loads) / 1000, 'ms',
              bound=100, detail=f'{100 * statistics.median(refused):.0f} % of the requests, p50 '
              f'{statistics.median(load["unexpected_p50_us"] for load in loads) / 1000:.1f} ms; accepted p50 '
              f'{statistics.median(load["p50_us"] for load in loads) / 1000:.0f} ms; {lost} connections lost')
    bench.add('6', '… renewals refused', sum(renewal['unexpected'] for renewal in renewals), 'of '
              f'{sum(renewal["requests"] for renewal in renewals):,}', bound=0)
    bench.add('6', '… memory in all', max(overload.memory), 'MiB', bound=300,
              detail=f'{idle:.0f} MiB before; {CONNECTIONS} connections')
    bench.add('6', '… what had been taken is done after', statistics.median(overload.drained), 's')
    bench.add('6', '… then ÷ before', ratio_of_medians(overload.after, overload.before), bound=0.9, at_most=False)
