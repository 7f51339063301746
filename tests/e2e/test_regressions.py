"""Each is named after what went wrong."""

import os
import stat

import pytest

from support import BIN_DIR, lictor, run


@pytest.mark.parametrize("link", [os.symlink, os.link])
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


def test_the_admin_key_of_another_database_was_overwritten(server, tmp_path):
    first = (server.data / "admin.key").read_text()
    server.stop()
    server.options += ["--database-url", f"sqlite:{tmp_path / 'new.db'}"]
    server.start()
    assert (server.data / "admin.key").read_text() != first
    assert (server.data / "admin.key.previous").read_text() == first
