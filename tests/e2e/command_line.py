"""The lictor command against one server, and how it ends."""

import json
import os
import subprocess

from support import BIN_DIR, lictor

DONE, REFUSED, USAGE, UNREACHABLE, UNAUTHENTICATED, CHANGED = range(6)


class Cli:
    """The command against one server, as its administrator."""

    def __init__(self, server, secrets):
        self.server = server
        self.secrets = secrets

    def run(self, *args, env=None):
        return lictor(*args, "--data", self.server.data, env={"LICTOR_URL": self.server.url, **(env or {})})

    def done(self, *args, env=None):
        """What it prints when it succeeds."""
        finished = self.run(*args, env=env)
        assert finished.code == DONE, finished
        return finished.out

    def json(self, *args, env=None):
        return json.loads(self.done(*args, "--json", env=env))

    def fails(self, code, *args, env=None):
        """The one line that says why, and the hint, if any."""
        finished = self.run(*args, env=env)
        assert finished.code == code, finished
        assert finished.out == "", finished
        line, *hint = finished.err.splitlines()
        assert line.startswith("lictor: ") and len(hint) <= 1, finished
        assert not hint or hint[0].startswith("hint: "), finished
        return line.removeprefix("lictor: ")

    def on_terminal(self, answer, *args):
        """Its exit code, stdout and stderr with a terminal as stdin, on which `answer` is typed."""
        controller, terminal = os.openpty()
        process = subprocess.Popen(
            [BIN_DIR / "lictor", *args, "--data", self.server.data],
            env={**os.environ, "LICTOR_URL": self.server.url},
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.close(terminal)
        os.write(controller, f"{answer}\n".encode())
        out, err = process.communicate(timeout=60)
        os.close(controller)
        return process.returncode, out.decode(), err.decode()

    def create(self, *args, policy="floating", product="demo", env=None):
        licenses = self.json("license", "create", "--product", product, "--policy", policy, *args, env=env)
        for created in licenses:
            self.secrets.add_license_key(created["license_key"])
        return licenses

    def activate(self, license_key, client_id, **more):
        """The answer of an activation, whichever it is."""
        body = {"license_key": license_key, "client_id": client_id, **more}
        return self.server.call("POST", "/api/v1/licenses/activate", body, api_key=self.server.admin_key)

    def validate(self, license_key):
        """The code of the refusal, or None."""
        answer = self.server.call(
            "POST", "/api/v1/licenses/validate", {"license_key": license_key}, api_key=self.server.admin_key
        )
        return None if answer.status_code == 200 else answer.json()["error"]["code"]
