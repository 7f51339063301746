"""The examples of nginx and Apache, in front of a lictord and of something that writes down what reaches it."""

import os
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from command_line import DONE, UNREACHABLE
from fronts import Apache, Nginx, need
from metrics_text import parse_metrics
from support import BIN_DIR, ROOT, lictor, run

FRONTS = pytest.mark.parametrize("kind", [Nginx, Apache])


@pytest.fixture
def front(tmp_path_factory):
    """front(kind, port of the backend) → what is in front of it, checked and running."""
    running = []

    def start(kind, backend, **more):
        made = kind(tmp_path_factory.mktemp("front") / "front", backend, **more)
        running.append(made)
        assert made.checked.code == 0, made.checked
        assert not re.search(r"\[(warn|error|emerg)\]|AH\d+", made.checked.err), made.checked
        made.wait()
        return made

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def recorder():
    """A backend that answers 200 and keeps the headers of each request."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):  # noqa: N802
            seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    httpd.seen = seen
    yield httpd
    httpd.shutdown()
    httpd.server_close()


@FRONTS
def test_clients_use_it_on_connections_that_are_kept(front, server, kind):
    through = front(kind, server.port)
    session = through.session()
    license_key = server.create_license("floating", overrides={"max_clients": 100})["license_key"]
    key = server.create_api_key()["api_key"]

    def connections():
        return parse_metrics(server.call("GET", "/metrics").text)["lictor_connections_total", ()]

    before = connections()
    for number in range(60):
        body = {"license_key": license_key, "client_id": f"machine-{number}"}
        answer = session.post(f"{through.url}/api/v1/licenses/activate", json=body, headers={"X-API-Key": key})
        assert answer.status_code == 200 and answer.json()["data"]["active_clients"] == number + 1, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
    assert connections() - before <= 10, "one for each request would be 60"


@FRONTS
def test_who_reaches_what(front, server, kind):
    through = front(kind, server.port)
    here, other = through.session(), through.session("127.0.0.2")
    for path in ("/health", "/ready"):
        assert other.get(through.url + path).status_code == 200, path
    for path in ("/metrics", "/", "/healthy/", "/apis"):
        assert here.get(through.url + path).status_code == 404, path
    admin = {"X-API-Key": server.admin_key}
    assert here.get(f"{through.url}/api/v1/admin/products", headers=admin).status_code == 200
    assert other.get(f"{through.url}/api/v1/admin/products", headers=admin).status_code == 403
    for path in (
        "/api/v1/api/v1/admin/products",
        "//api/v1/admin/products",
        "/api//v1/admin/products",
        "/api/v1//admin/products",
        "/api/v1/%61dmin/products",
        "/api/v1/x/../admin/products",
        "/api/v1/./admin/products",
        "/api/v1/admin",
        "/health/../api/v1/admin/products",
    ):
        assert through.raw_get(path) in (400, 403, 404), f"{path}: lictord itself would have asked for a key (401)"
    large = {"license_key": "x" * 70_000, "client_id": "c"}
    assert other.post(f"{through.url}/api/v1/licenses/activate", json=large).status_code == 413
    imported = here.post(f"{through.url}/api/v1/admin/licenses/import", json={"licenses": "x" * 2_000_000}, headers=admin)
    assert imported.json()["error"]["code"] == "BAD_REQUEST", "imports are larger"


@FRONTS
@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.3"])
def test_the_address_of_the_client_is_the_one_it_has(front, recorder, kind, source):
    through = front(kind, recorder.server_address[1])
    forged = {"X-Forwarded-For": "10.1.2.3", "X-Real-IP": "10.1.2.3", "X-Forwarded-Proto": "http"}
    assert through.session(source).get(f"{through.url}/api/v1/x?y=%2F", headers=forged).status_code == 200
    path, headers = recorder.seen[-1]
    assert path == "/api/v1/x?y=%2F"
    assert (headers["x-forwarded-for"], headers["x-real-ip"], headers["x-forwarded-proto"]) == (source, source, "https")
    assert headers["host"] == "license.example.com"


def test_nginx_of_the_compose_file_is_in_order(tmp_path):
    nginx = need("nginx", "nginx-light")
    made = run(ROOT / "deploy/docker/make-secrets", "localhost", tmp_path / "secrets")
    assert made.code == 0, made
    text = (ROOT / "deploy/docker/nginx.conf").read_text(encoding="utf-8")
    plain = text.replace(" /tmp/", f" {tmp_path}/").replace("/run/secrets", str(tmp_path / "secrets"))
    plain = plain.replace("server lictord:8000", "server 127.0.0.1:8000")  # known in the network of the containers alone
    (tmp_path / "nginx.conf").write_text(plain, encoding="utf-8")
    checked = run(nginx, "-t", "-c", tmp_path / "nginx.conf", "-e", "stderr")
    assert checked.code == 0 and "[warn]" not in checked.err.replace('the "user" directive', ""), checked
    example = (ROOT / "deploy/nginx/lictor.conf").read_text(encoding="utf-8")

    def settings(config):
        lines = [re.sub(r"\s+", " ", line.split("#")[0]).strip() for line in config.split("\n")]
        return [line for line in lines if re.match(r"location|proxy_|limit_req|allow|deny|client_max|return|keepalive", line)]

    own_only = [line for line in settings(text) if line.startswith("proxy_temp_path")]
    assert [line for line in settings(text) if line not in own_only] == [
        # limit_req_zone stands after the upstream in both
        *settings(example)
    ], "one is the other"


def test_lictor_goes_through_a_front_of_ones_own_authority(front, shared_server):
    made = front(Nginx, shared_server.port)
    key = {"LICTOR_URL": made.url, "LICTOR_API_KEY": shared_server.admin_key}
    unknown = lictor("status", env=key)
    assert unknown.code == UNREACHABLE and "--ca-file FILE or LICTOR_CA_FILE" in unknown.err, unknown
    assert lictor("status", "--ca-file", made.certificate, env=key).code == DONE
    assert lictor("status", env={**key, "LICTOR_CA_FILE": str(made.certificate)}).code == DONE
    missing = lictor("status", "--ca-file", made.directory / "none.crt", env=key)
    assert missing.code == UNREACHABLE and "none.crt" in missing.err and "in PEM form" in missing.err, missing
    plain = lictor("status", "--url", shared_server.url.replace("http:", "https:"), env=key)
    assert plain.code == UNREACHABLE and "http:// or https://" in plain.err, plain


def test_with_an_authority_of_ones_own_no_other_is_trusted(front, shared_server, tmp_path):
    """The system's list, replaced in a mount namespace, has the front's certificate; the given file another one."""
    made = front(Nginx, shared_server.port)
    system = tmp_path / "system"
    system.mkdir()
    name = run("openssl", "x509", "-noout", "-hash", "-in", made.certificate).out.strip()
    for copy in (f"{name}.0", "ca-certificates.crt"):
        shutil.copy(made.certificate, system / copy)
    other = tmp_path / "other.crt"
    assert run(*"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other -days 1 -keyout".split(),
               tmp_path / "other.key", "-out", other).code == 0
    within = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c",
              'mount --bind "$0" /etc/ssl/certs && exec "$@"', system]
    if run(*within, "true").code != 0:
        pytest.skip("no mount namespace can be made here")
    key = {"LICTOR_URL": made.url, "LICTOR_API_KEY": shared_server.admin_key, "PATH": os.environ["PATH"]}
    assert run(*within, BIN_DIR / "lictor", "status", env=key).code == DONE
    refused = run(*within, BIN_DIR / "lictor", "status", "--ca-file", other, env=key)
    assert refused.code == UNREACHABLE and "--ca-file FILE" in refused.err, refused
