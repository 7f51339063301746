"""The proxies of deploy/ in front of a server, on loopback: the example files themselves, with other ports and paths."""

import http.client
import os
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from support import CLEAN_ENVIRONMENT, ROOT, eventually, free_port, run, seconds

SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"


def need(program, package):
    """The path of a program; without it the test is skipped."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SBIN}")
    if found is None:
        pytest.skip(f"{program} is not installed (Debian package {package}; ./dev test installs it)")
    return found


def make_certificate(directory, days):
    certificate, key = directory / "front.crt", directory / "front.key"
    made = run(
        *"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=license.example.com".split(),
        *["-addext", "subjectAltName=DNS:license.example.com,IP:127.0.0.1"],
        *["-days", days, "-keyout", key, "-out", certificate],
    )
    assert made.code == 0, made
    return certificate, key


def changed(text, *changes):
    """The text with each (pattern, by); each pattern must be there."""
    for pattern, by in changes:
        text, count = re.subn(pattern, lambda _: str(by), text, flags=re.MULTILINE)  # noqa: B023
        assert count, f"nothing looks like {pattern}"
    return text


class Process:
    """A program in the foreground, ended with the test."""

    def __init__(self, log, *command, **more):
        self.log = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=CLEAN_ENVIRONMENT,
                **more,
            )

    def wait_for(self, url, session=None):
        """Until it answers there."""
        session = session or requests.Session()

        def answers():
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            try:
                return session.get(url, timeout=seconds(5)).status_code < 500
            except requests.exceptions.RequestException:
                return False

        eventually(answers, 20)
        return self

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(seconds(10))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Front:
    """nginx or Apache with its example; `backend`: the port of what it is in front of."""

    def __init__(self, directory, backend, days=30):
        self.directory = Path(directory)
        self.directory.mkdir()
        self.directory.chmod(0o755)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.certificate, self.key = make_certificate(self.directory, days)
        self.example = self.directory / "lictor.conf"
        self.config = self.directory / "main.conf"
        self.write(backend)
        self.checked = self.check()
        self.running = Process(self.directory / "front.log", *self.command())

    def wait(self):
        self.running.wait_for(f"{self.url}/ready", self.session())
        return self

    def session(self, source="127.0.0.1"):
        """One that trusts the certificate and comes from that address."""

        class Adapter(HTTPAdapter):
            def init_poolmanager(self, *args, **more):
                super().init_poolmanager(*args, source_address=(source, 0), **more)

        session = requests.Session()
        session.mount("https://", Adapter())
        session.trust_env = False  # $REQUESTS_CA_BUNDLE would go before it
        session.verify = str(self.certificate)
        session.headers["Host"] = "license.example.com"
        return session

    def stop(self):
        self.running.stop()

    def raw_get(self, path):
        """The status of a path that is sent as it stands."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=context, source_address=("127.0.0.2", 0), timeout=seconds(10)
        )
        try:
            connection.putrequest("GET", path, skip_host=True)
            connection.putheader("Host", "license.example.com")
            connection.endheaders()
            return connection.getresponse().status
        finally:
            connection.close()


class Nginx(Front):
    def write(self, backend):
        example = (ROOT / "deploy/nginx/lictor.conf").read_text(encoding="utf-8")
        self.example.write_text(
            changed(
                example,
                (r"server 127\.0\.0\.1:8000;", f"server 127.0.0.1:{backend};"),
                (r"listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
                (r"/etc/nginx/license\.example\.com\.crt", self.certificate),
                (r"/etc/nginx/license\.example\.com\.key", self.key),
            ),
            encoding="utf-8",
        )
        paths = "".join(
            f"  {name}_temp_path {self.directory}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.geteuid() == 0 else ""
        self.config.write_text(
            f"{user}daemon off;\npid {self.directory}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\n  access_log off;\n{paths}  include {self.example};\n}}\n",
            encoding="utf-8",
        )

    def command(self, *more):
        return [need("nginx", "nginx-light"), "-c", self.config, "-e", "stderr", *more]

    def check(self):
        return run(*self.command("-t"))


class Apache(Front):
    MODULES = "mpm_event authz_core authz_host ssl socache_shmcb proxy proxy_http headers"

    def write(self, backend):
        example = (ROOT / "deploy/apache/lictor.conf").read_text(encoding="utf-8")
        self.example.write_text(
            changed(
                example,
                (r"http://127\.0\.0\.1:8000/", f"http://127.0.0.1:{backend}/"),
                (r"<VirtualHost \*:443>", f"<VirtualHost 127.0.0.1:{self.port}>"),
                (r"/etc/ssl/license\.example\.com\.crt", self.certificate),
                (r"/etc/ssl/private/license\.example\.com\.key", self.key),
            ),
            encoding="utf-8",
        )
        modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in self.MODULES.split())
        user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
        self.config.write_text(
            f"{modules}{user}ServerRoot {self.directory}\nDefaultRuntimeDir {self.directory}\nServerName 127.0.0.1\n"
            f"PidFile {self.directory}/apache.pid\nErrorLog /dev/stderr\nListen 127.0.0.1:{self.port} https\n"
            f"Include {self.example}\n",
            encoding="utf-8",
        )

    def command(self, *more):
        return [need("apache2", "apache2"), "-f", self.config, *(more or ["-DFOREGROUND"])]

    def check(self):
        return run(*self.command("-t"))
