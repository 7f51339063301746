"""The watch over secrets: none that was issued during the run may be found where somebody reads who need not know it."""

import contextlib
import re
import sqlite3


class Secrets:
    """Every license key and API key that was issued during the run, and every place where none of them may appear: logs,
    refusals as callers get them, metrics, audit events and the refusals that are kept."""

    def __init__(self):
        self._license_keys = set()
        self._api_keys = set()
        self._servers = []

    def add_license_key(self, key):
        self._license_keys.add(key.upper().encode())

    def add_api_key(self, key):
        """Its last part alone is secret, too; what comes before it is a name."""
        self._api_keys.update({key.upper().encode(), key.rsplit("_", 1)[-1].upper().encode()})

    def watch(self, server):
        self._servers.append(server)

    def leaks(self):
        """[(file, secret)]: any secret in what was told, and API keys anywhere in a data directory (they are stored as
        hashes only), except in the file that is there to hold one."""
        found = []
        for server in self._servers:
            for path in [*server.log_files(), *server.directory.glob("told.*")]:
                found += [(path, secret) for secret in self._among(path.read_bytes(), self._license_keys | self._api_keys)]
            for path in server.data.rglob("*"):
                if path.is_file() and path.name not in ("admin.key", "admin.key.previous"):
                    found += [(path, secret) for secret in self._among(path.read_bytes(), self._api_keys)]
                if path.name.endswith(".db") and path.is_file():
                    text = told_by_database(path)
                    found += [(path, secret) for secret in self._among(text, self._license_keys)]
        return sorted({(str(path), secret.decode()) for path, secret in found})

    @staticmethod
    def _among(data, secrets):
        words = set(re.findall(rb"[A-Z0-9_-]{4,}", data.upper()))
        words |= {word.rsplit(b"_", 1)[-1] for word in words}
        return words & secrets


def told_by_database(path):
    """What administrators read of it that is no license: audit events and kept refusals."""
    rows = []
    with contextlib.suppress(sqlite3.Error):  # a test has damaged it, or it is none of ours
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            database.text_factory = bytes
            for table in ("events", "refusals"):
                with contextlib.suppress(sqlite3.Error):
                    rows += database.execute(f"SELECT * FROM {table}").fetchall()
    return b"\n".join(value for row in rows for value in row if isinstance(value, bytes))
