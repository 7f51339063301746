"""Servers under test and their peers as processes: pinned, measured through /proc, and ended by their ids."""

import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

TICKS = os.sysconf('SC_CLK_TCK')
HOST = '127.0.0.1'
ROOT = pathlib.Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Server:
    """A child process that listens on `port`. A context manager: it is ended when the block is left."""

    def __init__(self, command: list[str], port: int, cpus: str, output: pathlib.Path):
        self.port = port
        self.output = output
        started = time.monotonic()
        with output.open('wb') as log:
            self.process = subprocess.Popen(['taskset', '-c', cpus, *command], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        self.seconds_to_ready = time.monotonic() - started

    ready_path = '/ready'

    @property
    def address(self) -> str:
        return f'{HOST}:{self.port}'

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f'{self.process.args} ended: {self.output.read_text(errors="replace")[-2000:]}')
            try:
                with urllib.request.urlopen(f'http://{self.address}{self.ready_path}', timeout=5) as answer:
                    if answer.status == 200:
                        return
            except urllib.error.HTTPError as error:
                error.close()
            except OSError:
                pass
            time.sleep(0.005)
        raise RuntimeError(f'{self.process.args} is not ready')

    def pids(self) -> list[int]:
        """The processes that do the work."""
        return [self.process.pid]

    def cpu_seconds(self) -> float:
        total = 0
        for pid in self.pids():
            fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory(self) -> dict[str, int]:
        """Bytes: `anonymous` is what the process allocated, `resident` has mapped files in it too."""
        names = {'RssAnon': 'anonymous', 'VmRSS': 'resident'}
        found = {}
        for line in pathlib.Path(f'/proc/{self.process.pid}/status').read_text().splitlines():
            name, _, value = line.partition(':')
            if name in names:
                found[names[name]] = int(value.split()[0]) * 1024
        return found

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Lictord(Server):
    def __init__(self, program: pathlib.Path, data: pathlib.Path, cpus: str, io_threads: int, *options: str):
        self.data = data
        port = free_port()
        command = [str(program), '--data', str(data), '--listen', f'{HOST}:{port}', '--io-threads', str(io_threads),
                   '--log-stderr', 'off', *options]
        super().__init__(command, port, cpus, data / 'bench-output.log')


class Nginx(Server):
    """Answers every request with 200 and a fixed body from memory: the least that an HTTP server can do."""

    ready_path = '/'

    def __init__(self, directory: pathlib.Path, cpus: str, workers: int, body_bytes: int):
        directory.mkdir(parents=True, exist_ok=True)
        port = free_port()
        config = directory / 'nginx.conf'
        config.write_text(f'''
daemon off;
worker_processes {workers};
pid {directory}/nginx.pid;
error_log {directory}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 2000000000;
  keepalive_timeout 600s;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  default_type application/json;
  server {{
    listen {HOST}:{port} {'reuseport' if workers > 1 else ''};
    location / {{ return 200 "{'x' * body_bytes}"; }}
  }}
}}
''')
        command = ['nginx', '-p', str(directory), '-e', str(directory / 'error.log'), '-c', str(config)]
        super().__init__(command, port, cpus, directory / 'output.log')

    def pids(self) -> list[int]:
        children = pathlib.Path(f'/proc/{self.process.pid}/task/{self.process.pid}/children').read_text().split()
        return [int(pid) for pid in children]
