"""Databases of the servers under test. By default each has its own file of SQLite in its data directory. With
LICTOR_TEST_ON=postgresql the same tests run with databases on the server that LICTOR_TEST_POSTGRESQL names; those that
are marked `sqlite` concern the file and are left out."""

import itertools
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from copy import copy as copyobject
from pathlib import Path

SERVER = os.environ["LICTOR_TEST_POSTGRESQL"] if os.environ.get("LICTOR_TEST_ON") == "postgresql" else ""
_numbers = itertools.count(1)


class File:
    """The embedded database, in the server's data directory."""

    def __init__(self, server):
        self.path = server.data / "lictor.db"

    options = ()

    def rows(self, query):
        """[{column: value}] of a query, also while the server runs; blobs as bytes."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query)]

    def change(self, statement):
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute(statement)

    @contextmanager
    def as_left(self):
        """As a server that was killed left it. A copy: opening the original would already recover it, which is the
        server's to do."""
        with tempfile.TemporaryDirectory(prefix="lictor-copy-") as directory:
            for path in self.path.parent.glob(f"{self.path.name}*"):
                if not path.name.endswith(("-shm", ".lock")):
                    shutil.copyfile(path, Path(directory) / path.name)
            copy = copyobject(self)
            copy.path = Path(directory) / self.path.name
            with closing(sqlite3.connect(copy.path)) as recovered:
                recovered.execute("SELECT count(*) FROM events")
                yield copy

    def told(self):
        return b""  # watch.py reads the file

    def remove(self):
        pass  # with the directory


class OnServer:
    """One on the PostgreSQL server of the tests, made when its lictord first starts."""

    def __init__(self, _server):
        self.name = f"e2e_{os.getpid()}_{next(_numbers)}"
        self._made = False

    @property
    def url(self):
        return SERVER.rsplit("/", 1)[0] + "/" + self.name

    @property
    def options(self):
        if not self._made:
            _psql(SERVER, f"CREATE DATABASE {self.name} TEMPLATE template0 ENCODING 'UTF8'")
            self._made = True
        return ("--database-url", self.url)

    def rows(self, query):
        # Texts hold no separators of records and units: administrators can't write control characters.
        table = _psql(self.url, query, "--field-separator=\x1f", "--record-separator=\x1e", "--no-align").rstrip("\n")
        header, *lines = table.split("\x1e")  # the first record: names of columns
        names = header.split("\x1f")
        return [dict(zip(names, map(_value, line.split("\x1f")))) for line in lines]

    def change(self, statement):
        _psql(self.url, statement)

    @contextmanager
    def as_left(self):
        yield self

    def told(self):
        if not self._made:
            return b""
        return b"\n".join(
            _psql(self.url, f"COPY {table} TO STDOUT").encode() for table in ("events", "refusals") if self._has(table)
        )

    def _has(self, table):
        return "t" in _psql(self.url, f"SELECT to_regclass('{table}') IS NOT NULL", "--tuples-only", "--no-align")

    def remove(self):
        if not self._made:
            return
        for _ in range(50):  # connections of a server that was killed end in a moment
            try:
                _psql(SERVER, f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
                return
            except RuntimeError:
                time.sleep(0.1)


def _value(text):
    if text.startswith("\\x"):
        return bytes.fromhex(text[2:])
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else text


def _psql(url, statement, *options):
    finished = subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--pset=footer=off", *options, "--dbname", url,
         "--command", statement],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )
    if finished.returncode != 0:
        raise RuntimeError(finished.stderr)
    return finished.stdout


def of(server):
    """The database of a server; its own when its options name another."""
    named = any(str(option).startswith(("--database-url", "--config")) for option in server.options)
    named = named or any(name.endswith("DATABASE_URL") for name in server.env)
    return OnServer(server) if SERVER and not named else File(server)
