"""A service manager for one lictord: the socket that $NOTIFY_SOCKET names (sd_notify(3))."""

import os
import socket
import threading
import time

from support import seconds


class ServiceManager:
    """Gathers what it is told as a list of {variable: value}; `abstract`: in Linux's abstract namespace."""

    def __init__(self, directory, abstract=False, watchdog_seconds=None):
        self.name = f"@lictor-test-{os.getpid()}-{id(self)}" if abstract else str(directory / "notify")
        self.watchdog_seconds = watchdog_seconds
        self.told = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.name[1:] if abstract else self.name)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def environment(self):
        environment = {"NOTIFY_SOCKET": self.name}
        if self.watchdog_seconds is not None:
            environment["WATCHDOG_USEC"] = str(int(self.watchdog_seconds * 1e6))
        return environment

    def _listen(self):
        while message := self._socket.recv(65536):
            lines = [line.partition("=") for line in message.decode().splitlines()]
            self.told.append({"at": time.monotonic(), **{name: value for name, _, value in lines}})

    def with_variable(self, name):
        return [message for message in list(self.told) if name in message]

    def wait_for(self, name, count=1, limit=10):
        end = time.monotonic() + seconds(limit)
        while len(self.with_variable(name)) < count:
            assert time.monotonic() < end, f"{name} was not told {count} times: {self.told}"
            time.sleep(0.01)
        return self.with_variable(name)[count - 1]

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", "\0" + self.name[1:] if self.name.startswith("@") else self.name)
        self._thread.join()
        self._socket.close()
