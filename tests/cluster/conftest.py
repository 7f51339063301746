"""Fixtures of the cluster's tests. What they start is on loopback, and ends with the test."""

import contextlib
import os

for name in ("NO_PROXY", "no_proxy"):
    os.environ[name] = "127.0.0.1,localhost"

import shutil  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

import cluster  # noqa: E402
import patroni_nodes  # noqa: E402
from watch import Secrets  # noqa: E402


@pytest.fixture(scope="session")
def base():
    """A directory that unprivileged accounts may enter."""
    path = Path(tempfile.mkdtemp(prefix="lictor-cluster-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session", autouse=True)
def secrets(base):  # before base is removed
    """Fails the run when a key that was issued during it is found in a log, an error or a metric."""
    absent = cluster.missing() + patroni_nodes.missing()
    assert not absent, f"not installed: {' '.join(absent)} (./dev test cluster installs what is missing)"
    watched = Secrets()
    yield watched
    leaks = watched.leaks()
    assert not leaks, f"secrets in logs or at rest: {leaks}"


@contextlib.contextmanager
def clusters(base, secrets):
    """start(database, '--option', …) → Cluster, which ends with the context."""
    with contextlib.ExitStack() as stack:
        def start(database, *options):
            directory = Path(tempfile.mkdtemp(dir=base))
            directory.chmod(0o755)
            started = cluster.Cluster(directory, secrets, database, options)
            stack.callback(started.close)
            return started
        yield start


@pytest.fixture
def start_cluster(base, secrets):
    with clusters(base, secrets) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_cluster(base, secrets):
    with clusters(base, secrets) as start:
        yield start
