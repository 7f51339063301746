"""lictord health, the health check of containers."""

import socket
import threading
import time

import pytest

from support import BIN_DIR, free_port, run


def health(*options, env=None, limit=30):
    return run(BIN_DIR / "lictord", "health", *options, env=env, limit=limit)


@pytest.mark.quick
def test_it_asks_the_address_that_is_listened_on(server):
    ready = health("--listen", f"127.0.0.1:{server.port}")
    assert (ready.code, ready.out, ready.err) == (0, f"{server.url}/ready: well\n", "")
    assert health("--live", env={"LICTOR_LISTEN": f"0.0.0.0:{server.port}"}).out == f"{server.url}/health: well\n"
    # Port 0: the address that the server has noted.
    noted = health("--listen", "127.0.0.1:0", "--data", server.data)
    assert noted.code == 0 and f":{server.port}/ready" in noted.out


@pytest.mark.quick
def test_it_says_what_is_wrong(tmp_path):
    port = free_port()
    refused = health("--listen", f"127.0.0.1:{port}")
    assert refused.code == 1 and refused.err == f"lictord: health: http://127.0.0.1:{port}: Connection refused\n"
    nobody = health("--listen", "127.0.0.1:0", "--data", tmp_path)
    assert nobody.code == 1 and "no lictord runs on" in nobody.err
    wrong = health("--database-url", "x")
    assert wrong.code == 2 and "unknown flag --database-url" in wrong.err


@pytest.fixture
def answer_with():
    """answer_with(bytes or None) → the port of something that answers so (None: nothing), once."""
    listeners = []

    def start(answer):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(4096)
                if answer is None:
                    time.sleep(8)
                else:
                    peer.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    "answer, said",
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP 503"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers there is no lictord"),
        (b"HTTP/1.1 2", "what answers there is no lictord"),
        (b"", "no answer within 4 s"),
        (None, "no answer within 4 s"),
    ],
)
def test_answers_that_are_none(answer_with, answer, said):
    port = answer_with(answer)
    before = time.monotonic()
    finished = health("--listen", f"127.0.0.1:{port}")
    assert finished.code == 1 and said in finished.err, finished
    assert time.monotonic() - before < 5, "before the health check gives up"
