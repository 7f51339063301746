"""Item 20: ten thousand idle keep-alive connections: what they weigh, and whether 64 busy ones notice."""

import contextlib
import json
import statistics
import subprocess

from harness.bench import Bench
from harness.figures import ratio_of_medians

IDLE = 10_000
MIB = 1024 * 1024


@contextlib.contextmanager
def idle_connections(bench: Bench, server):
    """Each has had a request answered before it rests. They end with the block, and all must still be open then."""
    command = [str(bench.programs / 'bench_load'), server.address, '--idle', str(IDLE), '--seconds', '600']
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        held = json.loads(holder.stdout.readline() or '{"held":0}')['held']
        if held != IDLE:
            raise RuntimeError(f'only {held} connections of {IDLE} could be opened')
        yield
        out, _ = holder.communicate(timeout=60)
        if holder.returncode != 0:
            raise RuntimeError(f'the server closed idle connections: {out}')
    finally:
        if holder.poll() is None:
            holder.kill()
            holder.wait()


def run(bench: Bench) -> None:
    data = bench.dataset('licenses-1k', 1_000, '--clients')
    p99 = {True: [], False: []}
    with bench.lictord(data) as server:
        bench.warm(server, 1_000, '--clients')
        before = server.memory()
        for number in range(bench.rounds):
            for with_idle in (False, True) if number % 2 == 0 else (True, False):
                requests = bench.requests(data, 'validate', '--clients', '--count', 200_000)
                with idle_connections(bench, server) if with_idle else contextlib.nullcontext():
                    if with_idle:
                        held = server.memory()
                    p99[with_idle].append(bench.load(server, requests).p99)
    grown = (held['anonymous'] - before['anonymous']) / MIB
    bench.add('20', 'memory of the server with 10 k idle connections', held['resident'] / MIB, 'MiB', bound=200,
              detail=f'VmRSS in all; RssAnon grew by {grown:.1f} MiB, {grown * MIB / IDLE:,.0f} B a connection')
    detail = f'{statistics.median(p99[True]):,.0f} against {statistics.median(p99[False]):,.0f} µs'
    bench.add('20', 'p99 of 64 busy connections, with / without the idle', ratio_of_medians(p99[True], p99[False]), bound=1.2,
              detail=detail)
