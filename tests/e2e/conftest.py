"""Fixtures of the end-to-end tests. `server`: a lictord of the test's own; `shared_server`: one for the whole run, for
tests that leave others alone; `start_server`: several, or with options. All of them have the demo products."""

import os
import sys

# The servers are on loopback; a proxy in the environment is not asked. Set before support takes the environment over.
for name in ("NO_PROXY", "no_proxy"):
    os.environ[name] = "127.0.0.1,localhost"

import pytest  # noqa: E402

import databases  # noqa: E402
from support import ROOT, Secrets, Server  # noqa: E402

sys.path.insert(0, str(ROOT / "tests" / "support"))
from database_server import PostgreSql  # noqa: E402

collect_ignore = ["guide"]  # the guide's own test is run by test_guide.py, in a process of its own


def pytest_collection_modifyitems(config, items):
    if not databases.SERVER:
        return
    left_out = [item for item in items if item.get_closest_marker("sqlite")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(scope="session", autouse=True)
def secrets():
    """Fails the run when a license key or an API key that was issued during it is found in any server's logs."""
    watched = Secrets()
    watched.add_license_key("TEST-KEY-001")
    yield watched
    leaks = watched.leaks()
    assert not leaks, f"secrets in logs or at rest: {leaks}"


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server on which tests make databases of their own."""
    if not PostgreSql.available():
        pytest.skip("PostgreSQL is not installed (package postgresql-15): what needs it is not tested")
    cluster = PostgreSql().start()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def shared_server(secrets, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("shared"), secrets)
    try:
        yield server.start()
    finally:
        server.close()
        server.remove_database()


@pytest.fixture
def start_server(secrets, tmp_path_factory):
    """start_server('--option', …, demo=True, port=None, env=None, wait=True) → Server, stopped when the test ends."""
    servers = []

    def start(*options, wait=True, **more):
        server = Server(tmp_path_factory.mktemp("server"), secrets, options, **more)
        servers.append(server)
        return server.start(wait)

    yield start
    failures = []
    for server in servers:
        try:
            server.close()
        except AssertionError as failure:
            failures.append(str(failure))
        server.remove_database()
    assert not failures, "\n".join(failures)


@pytest.fixture
def server(start_server):
    return start_server()
