"""One run of the benchmarks: where things are, and the tools every item uses."""

import dataclasses
import json
import os
import pathlib
import random
import shutil
import socket
import struct
import subprocess
import time

from harness import processes
from harness.figures import Figure

SERVER_CPU, LOAD_CPU = '0', '1'
BOTH_CPUS = '0,1'


@dataclasses.dataclass
class Load:
    """What bench_load reports, and what the server spent meanwhile."""
    report: dict
    server_cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.report['rate']

    @property
    def p99(self) -> float:
        return self.report['p99_us']

    @property
    def cpu_microseconds(self) -> float:
        return 1e6 * self.server_cpu_seconds / self.report['answered']


class Bench:
    def __init__(self, build: pathlib.Path, work: pathlib.Path, rounds: int, seconds: float, full: bool):
        self.programs = build / 'bin'
        self.work = work
        self.rounds = rounds
        self.seconds = seconds
        self.full = full
        self.figures: list[Figure] = []
        self.used_clients = random.getrandbits(40) << 16  # numbers of clients that no earlier run has used
        work.mkdir(parents=True, exist_ok=True)

    def say(self, text: str) -> None:
        print(f'  {text}', flush=True)

    def add(self, *args, **kwargs) -> None:
        figure = Figure(*args, **kwargs)
        self.figures.append(figure)
        self.say('  '.join(cell for cell in figure.row()[1:] if cell))

    # Data.

    def dataset(self, name: str, licenses: int, *options: str, fresh: bool = False) -> pathlib.Path:
        """A data directory with so many licenses; made once and kept for later runs, unless it must be fresh."""
        directory = self.work / name
        if not fresh and self._is_usable(directory, licenses):
            return directory
        shutil.rmtree(directory, ignore_errors=True)
        self.say(f'fill {name}: {licenses:,} licenses')
        started = time.monotonic()
        self.tool('bench_seed', 'fill', '--data', directory, '--licenses', licenses, *options)
        self.say(f'{licenses / (time.monotonic() - started):,.0f} licenses a second')
        return directory

    def _is_usable(self, directory: pathlib.Path, licenses: int) -> bool:
        """Whether it is there as a whole, and of a schema that this lictord takes."""
        description = directory / 'bench.dataset'
        if not description.exists() or int(description.read_text().split()[-1]) != licenses:
            return False
        try:
            with self.lictord(directory):
                return True
        except RuntimeError:
            return False

    def requests(self, data: pathlib.Path, name: str, *options: object) -> pathlib.Path:
        path = data / f'{name}.requests'
        self.tool('bench_seed', 'requests', '--data', data, '--out', path, *options)
        return path

    def new_clients(self, count: int) -> int:
        first = self.used_clients
        self.used_clients += count
        return first

    # Processes.

    def tool(self, name: str, *arguments: object) -> str:
        command = [str(self.programs / name), *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f'{" ".join(command)} ended with {done.returncode}: {done.stderr.strip()[-2000:]}')
        return done.stdout

    def lictord(self, data: pathlib.Path, cpus: str = SERVER_CPU, io_threads: int = 1, *options: str):
        return processes.Lictord(self.programs / 'lictord', data, cpus, io_threads, *options)

    def nginx(self, body_bytes: int, cpus: str = SERVER_CPU, workers: int = 1) -> processes.Nginx:
        return processes.Nginx(self.work / f'nginx-{workers}', cpus, workers, body_bytes)

    # Load.

    def load(self, server: processes.Server, requests: pathlib.Path, *options: object, connections: int = 64) -> Load:
        """For self.seconds, from the other core. Answers other than 200 and lost connections are an error."""
        return self._measure(server, requests, connections, '--seconds', self.seconds, '--warmup', self.seconds / 10,
                             *(options or ('--cpus', LOAD_CPU, '--spin')))

    def load_once(self, server: processes.Server, requests: pathlib.Path, connections: int = 64, cpus: str = LOAD_CPU) -> Load:
        """Each request of the file, once."""
        return self._measure(server, requests, connections, '--once', '--seconds', 3600, '--cpus', cpus)

    def _measure(self, server, requests, connections, *options) -> Load:
        before = server.cpu_seconds()
        out = self.tool('bench_load', server.address, '--requests', requests, '--connections', connections, *options)
        spent = server.cpu_seconds() - before
        report = json.loads(out)
        if report['errors'] or report['unexpected']:
            raise RuntimeError(f'{server.process.args[3]}: answers other than 200, or lost connections: {report}')
        return Load(report, spent)

    def warm(self, server: processes.Lictord, licenses: int, *options: str) -> None:
        """Has every license validated once, so that it is in memory afterwards."""
        part = 1_000_000
        for first in range(0, licenses, part):
            requests = self.requests(server.data, 'warm', '--in-order', '--unsigned', '--first', first, '--range',
                                     min(part, licenses - first), *options)
            self.tool('bench_load', server.address, '--requests', requests, '--once', '--seconds', 3600)
            requests.unlink()

    def sample_body_bytes(self, server: processes.Server, requests: pathlib.Path) -> int:
        """The size of the body that the file's first request is answered with."""
        with requests.open('rb') as file:
            length, = struct.unpack('=I', file.read(4))
            request = file.read(length)
        with socket.create_connection((processes.HOST, server.port), timeout=10) as connection:
            connection.sendall(request)
            head, _, body = connection.recv(65536).partition(b'\r\n\r\n')
        if b' 200 ' not in head.split(b'\r\n')[0]:
            raise RuntimeError(f'refused: {head.decode()} {body.decode()}')
        return len(body)


def sync_rate(directory: pathlib.Path, seconds: float = 1.0) -> float:
    """Durable writes a second: 4 KiB into a file of fixed size, fdatasync, one after the other."""
    path = directory / 'sync-probe'
    block, blocks = os.urandom(4096), 256
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(fd, block * blocks)
        os.fsync(fd)
        count, started = 0, time.monotonic()
        while time.monotonic() - started < seconds:
            os.pwrite(fd, block, count % blocks * len(block))
            os.fdatasync(fd)
            count += 1
        return count / (time.monotonic() - started)
    finally:
        os.close(fd)
        path.unlink()
