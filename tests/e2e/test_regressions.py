"""Each is named after what went wrong."""

import fcntl
import os
import stat

import pytest

from support import BIN_DIR, lictor, run


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.sqlite
def test_two_servers_opened_one_database_through_a_link(server, tmp_path, link):
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    link(server.data / "lictor.db", other / "lictor.db")
    finished = run(BIN_DIR / "lictord", "--data", other, "--listen", "127.0.0.1:0", limit=20)
    assert finished.code != 0 and "lictor.db" in finished.err, finished


def test_the_mode_of_an_existing_directory_was_changed(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    finished = run(BIN_DIR / "lictord", "--data", shared, "--listen", "127.0.0.1:0", limit=20)
    assert finished.code != 0 and "written by everybody" in finished.err, finished
    assert stat.S_IMODE(shared.stat().st_mode) == 0o777


def test_an_address_that_a_crash_left_behind_got_the_key(server):
    server.kill9()
    assert (server.data / "lictord.url").exists()
    finished = lictor("--data", server.data, "status")
    assert finished.code == 3 and "no lictord runs" in finished.err, finished
    server.start()
    assert lictor("--data", server.data, "status").code == 0


def test_whoever_locked_an_address_that_was_left_behind_got_the_key(server):
    """Anybody could open lictord.url, and so hold the lock that says that lictord lives."""
    left = server.data / "lictord.url"
    assert stat.S_IMODE(left.stat().st_mode) == 0o600
    server.kill9()
    left.chmod(0o644)  # as it was
    with open(left, encoding="utf-8") as stranger:
        fcntl.flock(stranger, fcntl.LOCK_EX)
        finished = lictor("--data", server.data, "status")
        assert finished.code == 4 and f"{left}: others may open it" in finished.err, finished
        server.start()
        assert stat.S_IMODE(left.stat().st_mode) == 0o600
        assert lictor("--data", server.data, "status").code == 0


@pytest.mark.sqlite
def test_files_in_a_directory_that_others_may_enter_could_be_opened(server):
    server.stop()
    for file in server.data.iterdir():
        if file.is_file():
            file.unlink()
    server.data.chmod(0o755)
    server.start()
    files = [file for file in server.data.iterdir() if file.is_file()]
    assert {"lictor.db", "lictor.db-wal", "admin.key", "lictord.url"} <= {file.name for file in files}
    assert [file for file in files if stat.S_IMODE(file.stat().st_mode) != 0o600] == []
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o755, "it is the administrator's"


@pytest.mark.sqlite
def test_the_admin_key_of_another_database_was_overwritten(server, tmp_path):
    first = (server.data / "admin.key").read_text()
    server.stop()
    server.options += ["--database-url", f"sqlite:{tmp_path / 'new.db'}"]
    server.start()
    assert (server.data / "admin.key").read_text() != first
    assert (server.data / "admin.key.previous").read_text() == first
