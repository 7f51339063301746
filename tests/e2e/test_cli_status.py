"""What the command line tells: who holds the seats, why something was refused, where the server is; and what it
completes."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest

from command_line import DONE, REFUSED, UNAUTHENTICATED, UNREACHABLE, USAGE, Cli
from support import BIN_DIR, TIME_SCALE, lictor, run


@pytest.fixture
def cli(shared_server, secrets):
    return Cli(shared_server, secrets)


@pytest.fixture
def one_seat(cli, request):
    """A license with one seat, which `machine-1` holds; `machine-2` was refused. And the id of that request."""
    policy = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-") + f"-{os.getpid()}"
    cli.done("policy", "create", "--product", "demo", policy, "--max-clients", "1", "--lease", "10m")
    (one,) = cli.create("--holder", "ACME", policy=policy)
    assert cli.activate(one["license_key"], "machine-1").status_code == 200
    refused = cli.activate(one["license_key"], "machine-2")
    assert refused.json()["error"]["code"] == "MAX_CLIENTS_REACHED"
    return one, refused.json()["request_id"]


# ---- status ----


@pytest.mark.quick
def test_status_tells_who_holds_the_seats_since_and_until_when(cli, one_seat):
    one, _ = one_seat
    text = cli.done("status", "--license", one["license_key"], env={"TZ": "UTC"})
    totals, seats = text.split("\n\n")[1:]
    assert re.search(r"^demo +1 +1 +1 +1 +0$", totals, re.MULTILINE)
    row, holder = seats.splitlines()[1:]
    assert re.match(rf"{one['license_id']} +demo/\S+ +active +1 +1 +0 +\S+ +ACME$", row)
    client = cli.json("client", "show", one["license_id"], "machine-1")
    times = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(client[name])) for name in ("activated_at", "lease_expires_at")]
    assert re.match(rf"  machine-1 +1 +{times[0]} +{times[1]}$", holder)

    status = cli.json("status", "--license", one["license_id"])
    (license,) = status["licenses"]
    assert (license["max_clients"], license["active_clients"], license["free"]) == (1, 1, 0)
    (holder,) = license["clients"]
    assert (holder["client_id"], holder["activated_at"]) == ("machine-1", client["activated_at"])
    assert holder["lease_expires_at"] == client["lease_expires_at"]
    assert status["products"] == [
        {"product": "demo", "licenses": 1, "in_use": 1, "seats": 1, "used": 1, "free": 0, "unlimited_licenses": 0}
    ]


def test_status_of_a_seat_that_is_held_until_it_is_given_back(cli):
    policy = f"locked-{os.getpid()}"
    cli.done("policy", "create", "--product", "demo", policy, "--max-clients", "unlimited")
    (one,) = cli.create(policy=policy)
    assert cli.activate(one["license_key"], "m1").status_code == 200
    text = cli.done("status", "--product", "demo", "--policy", policy)
    assert re.search(r"^demo +1 +1 +unlimited +1 +unlimited$", text, re.MULTILINE)
    assert re.search(r"^  m1 +1 +\S+ +it is given back$", text, re.MULTILINE)


def test_status_shows_those_in_use_first_when_there_are_many(start_server, secrets):
    cli = Cli(start_server(), secrets)
    cli.create("--count", "200")
    used, *_ = cli.create("--count", "200", "--max-clients", "150")
    cli.create("--count", "200")
    for index in range(120):
        assert cli.activate(used["license_key"], f"machine-{index:03}").status_code == 200
    finished = cli.run("status", "--product", "demo", "--policy", "floating")
    assert finished.code == DONE and used["license_id"] in finished.out
    assert re.search(rf"and 110 more: lictor client list {used['license_id']} --held$", finished.out, re.MULTILINE)
    assert "1 of 600 licenses are shown, those in use first" in finished.err
    assert len(re.findall("^lic_", cli.run("status", "--limit", "3", "--in-use").out, re.MULTILINE)) == 1
    assert len(re.findall("^lic_", cli.run("status", "--all").out, re.MULTILINE)) >= 600
    status = cli.json("status", "--policy", "floating", "--product", "demo")
    (whole,) = [license for license in status["licenses"] if license["license_id"] == used["license_id"]]
    assert len(whole["clients"]) == 120 and whole["more_clients"] is False  # a program gets all of them
    assert len(status["licenses"]) == 600


# ---- why, refusals ----


@pytest.mark.quick
def test_why_explains_a_request_a_license_and_a_client(cli, one_seat):
    one, request_id = one_seat
    name = one["license_id"]
    for words in ((request_id,), (name,), (one["license_key"],), (name, "machine-2")):
        text = cli.done("why", *words)
        assert re.search(r"^refused +MAX_CLIENTS_REACHED$", text, re.MULTILINE), text
        assert re.search(r"^why +1 of 1 seats were taken$", text, re.MULTILINE)
        assert re.search(r"^ +held by machine-1 since ", text, re.MULTILINE)
        assert f"lictor client deactivate {name} machine-1" in text
        assert re.search(rf"^license +{name} of ACME \(demo/", text, re.MULTILINE)
    (explained,) = cli.json("why", request_id)
    assert (explained["request_id"], explained["client_id"]) == (request_id, "machine-2")
    assert explained["explanation"]["todo"] and explained["details"]["max_clients"] == 1
    cli.done("client", "deactivate", name, "machine-1")  # what it said to do
    assert cli.activate(one["license_key"], "machine-2").status_code == 200


def test_why_has_nothing_to_explain(cli):
    (one,) = cli.create()
    finished = cli.run("why", one["license_id"])
    assert finished.code == DONE and "no refusal of license" in finished.err
    assert re.search(r"^status +active$", finished.out, re.MULTILINE)  # how it is instead
    assert cli.fails(REFUSED, "why", "req_" + "0" * 26).startswith("no refusal of request req_")
    assert cli.fails(REFUSED, "why", "no-such-machine").startswith("no refusal of client no-such-machine")
    assert cli.json("why", one["license_id"]) == []


REFUSED_BY = [  # what an administrator does, the code, what to do about it
    (["license", "suspend"], "LICENSE_SUSPENDED", "lictor license resume"),
    (["license", "revoke", "--yes"], "LICENSE_REVOKED", "lictor license create"),
    (["license", "change", "--expires-at", "2020-01-01"], "LICENSE_EXPIRED", "lictor license renew"),
    (["license", "change", "--starts-at", "2040-01-01", "--expires-at", "never"], "LICENSE_NOT_YET_VALID", "--starts-at TIME"),
]


@pytest.mark.parametrize("args, code, todo", REFUSED_BY, ids=[row[1] for row in REFUSED_BY])
def test_why_says_what_to_do(cli, args, code, todo):
    (one,) = cli.create("--starts-at", "2019-01-01")
    cli.done(*args[:2], one["license_id"], *args[2:])
    assert cli.validate(one["license_key"]) == code
    text = cli.done("why", one["license_id"])
    assert f"refused  {code}" in text and todo in text, text
    assert re.search(r"^to do +\S", text, re.MULTILINE)


def test_refusals(cli, one_seat):
    one, request_id = one_seat
    (row,) = cli.json("refusals", "list", "--license", one["license_id"])
    assert (row["request_id"], row["code"], row["client_id"]) == (request_id, "MAX_CLIENTS_REACHED", "machine-2")
    for args in (("--request-id", request_id), ("--client", "machine-2", "--code", "MAX_CLIENTS_REACHED", "--limit", "1")):
        assert " MAX_CLIENTS_REACHED " in cli.done("refusals", "list", *args)
    finished = cli.run("refusals", "list", "--client", "nobody")
    assert (finished.code, finished.out, finished.err) == (DONE, "", "lictor: no refusals\n")


def test_audit_filters(cli):
    (one,) = cli.create()
    name = one["license_id"]
    cli.done("license", "suspend", name)
    cli.done("license", "resume", name)
    events = cli.json("audit", "list", "--subject", name)
    assert [event["action"] for event in events][-2:] == ["license.suspended", "license.resumed"]
    newest = cli.json("audit", "list", "--subject", name, "--order", "desc", "--limit", "1")
    assert [event["action"] for event in newest] == ["license.resumed"]
    (by_request,) = cli.json("audit", "list", "--request-id", events[-1]["request_id"])
    assert by_request == events[-1]
    assert cli.json("audit", "list", "--subject", name, "--before", str(events[-1]["sequence"]))[-1] == events[-2]
    assert cli.json("audit", "list", "--subject", name, "--to", "2020-01-01") == []
    assert cli.json("audit", "list", "--subject", name, "--from", "2020-01-01", "--code", "NONE") == []


# ---- profiles ----


@pytest.mark.quick
def test_the_profile_of_the_first_start(shared_server, tmp_path):
    profile = shared_server.data / "profile.toml"

    def listed(*args, **env):
        return run(BIN_DIR / "lictor", "product", "list", *args, cwd=tmp_path, env={"HOME": str(tmp_path), **env})

    assert listed("--profile", profile).code == DONE
    assert listed("--profile", shared_server.data).code == DONE
    assert listed(LICTOR_PROFILE=str(profile)).code == DONE
    assert listed("--profile", profile, "--data", shared_server.data).code == USAGE
    copy = tmp_path / "copy.toml"
    copy.write_text(f'url = "{shared_server.url}"\napi_key_file = "{shared_server.data}/admin.key"\n', encoding="utf-8")
    copy.chmod(0o644)
    finished = listed("--profile", copy)
    assert finished.code == UNAUTHENTICATED and f"hint: chmod 600 {copy}" in finished.err
    copy.chmod(0o600)
    assert listed("--profile", copy).code == DONE
    copy.write_text('urll = "http://127.0.0.1:1"\n', encoding="utf-8")
    assert "urll: not a member of a profile; did you mean url?" in listed("--profile", copy).err
    assert listed("--profile", tmp_path / "none.toml").code == USAGE


def test_a_profile_of_ones_own(shared_server, tmp_path):
    env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": ""}

    def command(*args, **more):
        return run(BIN_DIR / "lictor", *args, cwd=tmp_path, env={**env, **more})

    assert command("product", "list").code in (UNAUTHENTICATED, UNREACHABLE)
    finished = command("profile", "save", "--data", shared_server.data)
    assert finished.code == DONE and "(mode 0600)" in finished.out, finished
    saved = tmp_path / ".config/lictor/profile.toml"
    assert saved.stat().st_mode & 0o777 == 0o600
    assert shared_server.admin_key not in saved.read_text(encoding="utf-8")  # it stays in its own file
    assert command("product", "list").code == DONE
    shown = json.loads(command("profile", "show", "--json").out)
    assert shown["url"] == shared_server.url and shown["api_key_source"].endswith("admin.key")
    assert shared_server.admin_key not in command("profile", "show").out
    finished = command("profile", "save", "--data", shared_server.data)
    assert finished.code == REFUSED and "hint: --force replaces it" in finished.err
    assert command("profile", "save", "--force", "--data", shared_server.data).code == DONE
    # Its key goes to its own address only.
    assert command("product", "list", LICTOR_URL="http://127.0.0.1:1").code == UNAUTHENTICATED


# ---- completion ----


COMPLETED = [
    ([""], {"status", "why", "license", "client", "completion"}),
    (["lic"], {"license"}),
    (["license", "re"], {"renew", "resume", "revoke"}),
    (["license", "list", "--status", "re"], {"revoked"}),
    (["license", "list", "--status=re"], {"--status=revoked"}),
    (["license", "create", "--max"], {"--max-clients"}),
    (["completion", ""], {"bash", "zsh", "fish"}),
    (["license", "import", ""], {":files"}),
    (["status", "--data", ""], {":directories"}),
    (["license", "revoke", "lic_1", "--y"], {"--yes"}),
]


@pytest.mark.parametrize("words, expected", COMPLETED, ids=[" ".join(row[0]) for row in COMPLETED])
def test_completion(words, expected):
    found = set(lictor("__complete", *words).out.split())
    assert expected <= found if words == [""] else expected == found
    assert "docs" not in found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_takes_the_script(shell, tmp_path):
    script = tmp_path / shell
    script.write_text(lictor("completion", shell).out, encoding="utf-8")
    assert "lictor" in script.read_text(encoding="utf-8")
    if shutil.which(shell):
        finished = run(shell, "-n", script)
        assert finished.code == 0 and finished.err == "", finished


def test_bash_completes(tmp_path):
    (tmp_path / "a-file.csv").touch()
    asked = f"""
        PATH={BIN_DIR}:$PATH; source <(lictor completion bash)
        ask() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lictor; printf '%s ' "${{COMPREPLY[@]}}"; echo; }}
        ask lictor license re
        ask lictor license list --status = sus
        ask lictor license import a-f
    """
    finished = subprocess.run(["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = [line.split() for line in finished.stdout.splitlines()]
    assert lines == [["renew", "resume", "revoke"], ["suspended"], ["a-file.csv"]], finished


# ---- speed ----


def test_status_of_many_licenses_is_quick(start_server, secrets):
    """A tenth of the size that is promised for 1 s, in the time that is: a build of the tests' machine is slower."""
    cli = Cli(start_server(), secrets)
    cli.create("--count", "10000")
    began = time.monotonic()
    finished = cli.run("status", "--product", "demo")
    took = time.monotonic() - began
    assert finished.code == DONE and took < 1.0 * TIME_SCALE, took
