"""A TCP proxy on loopback that can be cut: for servers that lose what they are connected to.

    proxy = TcpProxy(port)      # to 127.0.0.1:port; listens on proxy.port
    proxy.cut()                 # every connection is reset, and new ones are refused
    proxy.freeze()              # nothing goes through any more, and nothing is closed: as a network that is gone
    proxy.heal()
"""

import random
import selectors
import socket
import struct
import threading

CHUNK = 65536


class TcpProxy:
    def __init__(self, port):
        self._to = ("127.0.0.1", port)
        self._lock = threading.Lock()
        self._pairs = []
        self._frozen = False
        self._closed = False
        self._listener = None
        self._wake_read, self._wake_write = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.heal()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self):
        with self._lock:
            if self._listener is not None:
                self._selector.unregister(self._listener)
                self._listener.close()
                self._listener = None
            for pair in list(self._pairs):
                self._drop(pair)
        self._wake()

    def cut_one(self):
        """One connection, whichever, at whatever moment it is in."""
        with self._lock:
            if self._pairs:
                self._drop(random.choice(self._pairs))
        self._wake()

    def freeze(self):
        with self._lock:
            self._frozen = True

    def heal(self):
        with self._lock:
            self._frozen = False
            if self._listener is None and not self._closed:
                self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
                self._listener.setblocking(False)
                self._selector.register(self._listener, selectors.EVENT_READ, "accept")
        self._wake()

    def close(self):
        self._closed = True
        self.cut()
        self._thread.join()

    def connections(self):
        with self._lock:
            return len(self._pairs)

    def _wake(self):
        self._wake_write.send(b"x")

    def _drop(self, pair):
        self._pairs.remove(pair)
        for end in pair:
            try:
                self._selector.unregister(end)
            except KeyError:
                pass
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            end.close()

    def _accept(self):
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        try:
            server = socket.create_connection(self._to, timeout=5)
        except OSError:
            client.close()
            return
        pair = (client, server)
        self._pairs.append(pair)
        for one, other in (pair, pair[::-1]):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(one, selectors.EVENT_READ, (pair, other))

    def _forward(self, source, pair, target):
        try:
            data = source.recv(CHUNK)
            if data:
                target.sendall(data)
        except OSError:
            data = b""
        if not data and pair in self._pairs:
            self._drop(pair)

    def _run(self):
        while not self._closed:
            ready = self._selector.select(0.2)
            with self._lock:
                for key, _ in ready:
                    if key.fileobj is self._wake_read:
                        self._wake_read.recv(4096)
                    elif key.data == "accept":
                        if self._listener is not None:
                            self._accept()
                    elif not self._frozen and key.data[0] in self._pairs:
                        self._forward(key.fileobj, *key.data)
            if self._frozen:
                threading.Event().wait(0.01)
