"""lictord check-config, the suggestions, and the reference pages that come from the tables."""

import json
import os
import shutil
import stat

import pytest

from support import BIN_DIR, ROOT, run

UNPRIVILEGED = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]


def check(*args, env=None):
    return run(BIN_DIR / "lictord", "check-config", *args, env=env)


def unprivileged():
    if shutil.which("setpriv") is None or run(*UNPRIVILEGED, "true").code != 0:
        pytest.skip("no way to run without the power to write everywhere")
    return UNPRIVILEGED


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "lictord.toml"
    path.write_text('[database]\nbatch_max = 3\nqueue_max = 3\nread_threads = 3\n\n[log]\nlevel = "debug"\n')
    return path


@pytest.mark.quick
def test_each_value_names_where_it_comes_from(tmp_path, file):
    env = {"LICTOR_QUEUE_MAX": "2", "LICTOR_READ_THREADS": "2"}
    finished = check("--data", tmp_path / "data", "--config", file, "--read-threads", "1", env=env)
    assert finished.code == 0 and not finished.err, finished
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in finished.out.splitlines()[1:]}
    assert rows["read_threads"] == ["1", "flag --read-threads"]
    assert rows["queue_max"] == ["2", "environment variable LICTOR_QUEUE_MAX"]
    assert rows["batch_max"] == ["3", f"{file}, line 2, database.batch_max"]
    assert rows["log_level"] == ["debug", f"{file}, line 7, log.level"]
    assert rows["listen"] == ["127.0.0.1:8000", "default"]
    assert rows["log_file"] == [f"{tmp_path}/data/logs/lictord.log", "default"]
    assert not (tmp_path / "data").exists(), "nothing is made"


@pytest.mark.quick
@pytest.mark.parametrize("url, said", [
    ("postgresql://lictor@db.example.com/lictor?sslmod=require", "sslmod"),
    ("postgresql://lictor:p%4@db.example.com/lictor", ""),
    ("mysql://lictor@db.example.com:3306", "names no database"),
    ("mysql://lictor@db.example.com/lictor?sslmode=require", "unknown parameter"),
])
def test_an_address_that_can_not_work_is_refused(tmp_path, url, said):
    finished = check("--data", tmp_path / "data", "--database-url", url)
    assert finished.code == 2 and "database_url" in finished.err and said in finished.err, finished


@pytest.mark.quick
@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_a_database_server_is_shown_without_its_password(tmp_path, engine):
    for how in ((), ("--json",)):
        finished = check("--data", tmp_path / "data", "--database-url", f"{engine}://lictor:secret-word@db.example.com:4711/lictor", *how)
        assert finished.code == 0 and f"{engine}://lictor@db.example.com:4711/lictor" in finished.out, finished
        assert "secret-word" not in finished.out + finished.err


@pytest.mark.quick
def test_for_scripts(tmp_path, file):
    finished = check("--data", tmp_path / "data", "--config", file, "--json", env={"LICTOR_BATCH_MX": "1"})
    assert finished.code == 0, finished
    told = json.loads(finished.out)
    assert told["valid"] is True and told["problems"] == []
    assert told["warnings"] == ["unknown environment variable LICTOR_BATCH_MX; did you mean LICTOR_BATCH_MAX?"]
    values = {option["name"]: option for option in told["options"]}
    assert values["batch_max"] == {
        "name": "batch_max",
        "value": "3",
        "source": "file",
        "origin": f"{file}, line 2, database.batch_max",
        "changeable": False,
    }
    assert values["log_level"]["changeable"] is True
    assert values["data"]["source"] == "flag"
    wrong = check("--batch-max", "0", "--dta", "x", "--json")
    assert wrong.code == 2 and not wrong.err, wrong
    told = json.loads(wrong.out)
    assert told["valid"] is False and len(told["problems"]) == 2
    assert "did you mean --data?" in told["problems"][0] and "option batch_max" in told["problems"][1]


def test_what_is_wrong_is_said_as_at_the_start(tmp_path, file):
    file.write_text("[databse]\nurl = 1\n[log]\nlevle = 3\n")
    wrong = ["--data", tmp_path / "data", "--config", file, "--batch-max", "0"]
    checked = check(*wrong)
    started = run(BIN_DIR / "lictord", *wrong)
    assert checked.code == started.code == 2
    assert checked.err.splitlines()[:-1] == started.err.splitlines()[:-1]
    assert len(checked.err.splitlines()) == 4, checked


def test_unknown_variables_warn(tmp_path):
    finished = check("--data", tmp_path, env={"LICTOR_LISTN": "x"})
    assert finished.code == 0 and "warning: unknown environment variable LICTOR_LISTN; did you mean LICTOR_LISTEN?" in (
        finished.err
    )


@pytest.mark.parametrize(
    "args, env, text, said",
    [
        (["--dta", "x"], {}, "", "unknown flag --dta; did you mean --data?"),
        ([], {}, "[serer]\n", "unknown section serer; did you mean server?"),
        ([], {}, "[server]\nlistne = 1\n", "unknown key server.listne; did you mean server.listen?"),
    ],
)
def test_suggestions(file, args, env, text, said):
    file.write_text(text)
    finished = check("--config", file, *args, env=env)
    assert finished.code == 2 and said in finished.err, finished


def test_a_command_that_is_mistyped():
    finished = run(BIN_DIR / "lictord", "bakcup", "x")
    assert finished.code == 2, finished
    assert "unknown command bakcup; did you mean backup?" in finished.err


# ---- what can be checked without starting ----


def start_too(*args, prefix=()):
    """The server's own words, which must be the same."""
    return run(*prefix, BIN_DIR / "lictord", "--listen", "127.0.0.1:0", *args)


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_data_directory_that_may_not_be_written(tmp_path, below):
    prefix = unprivileged()
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    args = ["--data", closed / below]
    checked = run(*prefix, BIN_DIR / "lictord", "check-config", *args)
    started = start_too(*args, prefix=prefix)
    closed.chmod(0o755)
    assert checked.code == 2 and started.code == 1
    assert checked.err == started.err, (checked, started)
    for said in (f"can't start: the data directory {closed}", "Permission denied", f"(id {os.geteuid()})"):
        assert said in checked.err, checked


def test_a_data_directory_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    for data, said in ((tmp_path / "file", "is no directory"), (tmp_path / "file/data", "can't be ")):
        checked, started = check("--data", data), start_too("--data", data)
        assert checked.code == 2 and checked.err == started.err, (checked, started)
        assert said in checked.err and str(data) in checked.err


def test_a_data_directory_that_everybody_can_write(tmp_path):
    tmp_path.chmod(stat.S_IRWXU | stat.S_IRWXO)
    checked, started = check("--data", tmp_path), start_too("--data", tmp_path)
    assert checked.code == 2 and checked.err == started.err and "chmod 700" in checked.err


def test_other_directories_too(tmp_path):
    (tmp_path / "file").write_text("")
    finished = check("--data", tmp_path / "data", "--log-file", tmp_path / "file/x.log")
    assert finished.code == 2 and "the log's directory" in finished.err, finished
    finished = check("--data", tmp_path / "data", "--database-url", f"sqlite:{tmp_path}/file/x.db")
    assert finished.code == 2 and "the database's directory" in finished.err, finished


def test_an_address_of_another_machine_warns(tmp_path):
    finished = check("--data", tmp_path / "data", "--listen", "192.0.2.1:8000")
    assert finished.code == 0 and "warning: option listen: 192.0.2.1 can't be listened on now" in finished.err, finished


def test_a_running_server_does_not_disturb_the_check(shared_server):
    finished = check("--data", shared_server.data, "--listen", f"127.0.0.1:{shared_server.port}")
    assert finished.code == 0 and not finished.err, finished


# ---- reference pages ----


def test_the_reference_pages_are_those_of_the_program():
    finished = run(ROOT / "tools/docs", "--check", env={"LICTOR_BIN_DIR": str(BIN_DIR)})
    assert finished.code == 0, finished


def test_a_page_that_is_stale_is_found_and_made_anew(tmp_path):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    page = tmp_path / "docs/options.md"
    good = page.read_text(encoding="utf-8")
    env = {"LICTOR_BIN_DIR": str(BIN_DIR)}
    page.write_text(good.replace("--batch-max", "--batch-most"), encoding="utf-8")
    stale = run(ROOT / "tools/docs", "--check", "--root", tmp_path, env=env)
    assert stale.code == 1 and "docs/options.md" in stale.out and "--batch-max" in stale.out, stale
    made = run(ROOT / "tools/docs", "--root", tmp_path, env=env)
    assert made.code == 0 and page.read_text(encoding="utf-8") == good, made
    page.write_text(good.replace("<!-- end: options -->", ""), encoding="utf-8")
    lost = run(ROOT / "tools/docs", "--root", tmp_path, env=env)
    assert lost.code == 1 and "<!-- end: options -->" in lost.err, lost
