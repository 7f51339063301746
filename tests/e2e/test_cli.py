"""The administrator's command line against a real server: what it prints, what it changes, and how it exits."""

import json
import os
import re
import sqlite3
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from command_line import DONE, REFUSED, UNAUTHENTICATED, UNREACHABLE, USAGE, Cli
from support import BIN_DIR, KEY_FORMAT, free_port, lictor, run

LICENSE_ID = re.compile(r"lic_[0-9a-z]{26}")
API_KEY_ID = re.compile(r"key_[0-9a-z]{26}")
NO_LICENSE = "lic_" + "0" * 26
IN_GROUPS = {
    "license": "create list show find change renew extend suspend resume revoke transfer export import",
    "client": "list show deactivate block unblock forget",
    "product": "create list show change delete",
    "policy": "create list show change delete",
    "key": "create list show change revoke",
    "report": "usage seats refusals",
    "refusals": "list",
    "audit": "list verify",
    "profile": "save show",
}
COMMANDS = [("status",), ("why",), ("completion",)]
COMMANDS += [(group, name) for group, names in IN_GROUPS.items() for name in names.split()]
GROUPS = [(), *[(group,) for group in IN_GROUPS]]


@pytest.fixture
def cli(shared_server, secrets):
    return Cli(shared_server, secrets)


# ---- licenses ----


@pytest.mark.quick
def test_create_prints_an_array_of_licenses(cli):
    """The line of the issue, to the letter."""
    command = "license create --product demo --policy floating --max-clients 10 --expires-at 1893456000 --count 3 --json"
    licenses = json.loads(cli.done(*command.split()))
    assert len(licenses) == 3
    assert len({one["license_id"] for one in licenses}) == len({one["license_key"] for one in licenses}) == 3
    for one in licenses:
        cli.secrets.add_license_key(one["license_key"])
        assert list(one)[:2] == ["license_id", "license_key"]
        assert LICENSE_ID.fullmatch(one["license_id"]) and KEY_FORMAT.fullmatch(one["license_key"])
        assert (one["product"], one["policy"], one["status"]) == ("demo", "floating", "active")
        assert (one["max_clients"], one["active_clients"], one["expires_at"]) == (10, 0, 1893456000)
        assert one["overrides"] == {"max_clients": 10}


def test_create_for_people(cli):
    (key,) = KEY_FORMAT.findall(cli.done("license", "create", "--product", "demo", "--policy", "floating"))
    keys = KEY_FORMAT.findall(cli.done("license", "create", "--product", "demo", "--policy", "floating", "--count", "2"))
    assert len({key, *keys}) == 3
    for one in (key, *keys):
        cli.secrets.add_license_key(one)
        assert cli.validate(one) is None


@pytest.mark.parametrize(
    "text, zone, expires_at",
    [
        ("1893456000", "UTC", 1893456000),
        ("2030-01-01", "UTC", 1893456000),
        ("2030-01-01", "CST-8", 1893427200),
        ("2030-01-01T00:00", "CST-8", 1893427200),
        ("2030-01-01T00:00:00Z", "CST-8", 1893456000),
        ("2030-01-01T00:00:30+08:00", "UTC", 1893427230),
        ("2030-01-01 00:00:00-0530", "UTC", 1893475800),
        ("2032-02-29", "UTC", 1961625600),
        ("2030-07-01", "EST5EDT,M3.2.0,M11.1.0", 1909108800),  # summer time
        ("9999-12-31", "UTC", 253402214400),
    ],
)
def test_times_are_read_in_many_forms(cli, text, zone, expires_at):
    (one,) = cli.create("--expires-at", text, env={"TZ": zone})
    assert one["expires_at"] == expires_at


def test_times_are_printed_so_that_they_can_be_given_back(cli):
    (one,) = cli.create("--expires-at", "2030-01-01T12:30:00+08:00")
    shown = cli.done("license", "show", one["license_id"], env={"TZ": "CST-8"})
    assert re.search(r"^expires +2030-01-01T12:30:00\+08:00$", shown, re.MULTILINE)
    shown = cli.done("license", "show", one["license_id"], env={"TZ": "UTC"})
    assert re.search(r"^expires +2030-01-01T04:30:00Z$", shown, re.MULTILINE)


def test_never_goes_before_the_duration_of_the_policy(cli):
    cli.done("policy", "create", "--product", "demo", f"yearly-{os.getpid()}", "--duration", "365d")
    (ends,) = cli.create(policy=f"yearly-{os.getpid()}")
    assert ends["expires_at"] == ends["issued_at"] + 365 * 86400
    (one,) = cli.create("--expires-at", "never", policy=f"yearly-{os.getpid()}")
    assert (one["expires_at"], one["overrides"]) == (None, {"duration": None})


def test_relative_times_count_from_now(cli):
    (one,) = cli.create("--expires-at", "+30d")
    assert abs(one["expires_at"] - one["issued_at"] - 30 * 86400) <= 5


def test_filters_look_back(cli):
    (one,) = cli.create()
    for args in (["--issued-after", "-1h"], ["--issued-before=+1h"]):
        assert one["license_id"] in cli.done("license", "list", "--limit", "1", *args)
    assert cli.json("license", "list", "--issued-before", "-3650d") == []
    assert cli.json("audit", "list", "--subject", one["license_id"], "--from", "-1h")
    assert cli.json("audit", "list", "--subject", one["license_id"], "--from", "-2h", "--to", "-1h") == []


def test_overrides(cli):
    (one,) = cli.create("--max-clients", "unlimited", "--set", "lease=120", "--set", 'features={"export":{"limit":3}}')
    assert one["max_clients"] is None
    assert one["lease"] == 120
    assert one["features"] == ["export"]
    shown = cli.done("license", "show", one["license_id"])
    assert re.search(r"^clients +0 of unlimited$", shown, re.MULTILINE)
    assert re.search(r"^type +\w+, floating, lease of 2m$", shown, re.MULTILINE)
    assert "export=3" in shown


def test_an_imported_key_is_kept(cli):
    key = f"IMPORTED-{os.getpid()}"
    (one,) = cli.create("--key", key, "--holder", "Ada & Söhne 公司")
    assert one["license_key"] == key
    assert cli.json("license", "list", "--holder", "Ada & Söhne 公司")[0]["license_id"] == one["license_id"]
    assert cli.fails(REFUSED, "license", "create", "--product", "demo", "--policy", "floating", "--key", key).startswith(
        "ALREADY_EXISTS: "
    )


def test_list_is_filtered_limited_and_paged(server, secrets):
    cli = Cli(server, secrets)
    count = 1003  # more than two pages of 500
    created = cli.create("--count", "1000") + cli.create("--count", "3", "--holder", "Acme")
    before = len(cli.json("license", "list", "--all")) - count  # what the demo brought along
    assert before in range(0, 50)
    listed = cli.json("license", "list", "--product", "demo", "--policy", "floating", "--limit", str(count))
    assert {one["license_id"] for one in listed} == {one["license_id"] for one in created}
    assert len(cli.json("license", "list")) == 50
    assert {one["holder"] for one in cli.json("license", "list", "--holder", "Acme")} == {"Acme"}
    assert cli.json("license", "list", "--status", "revoked") == []
    finished = cli.run("license", "list", "--limit", "2")
    assert len(LICENSE_ID.findall(finished.out)) == 2
    assert "there are more" in finished.err
    assert not KEY_FORMAT.search(finished.out)  # a list is no place for keys


def test_show_has_the_clients(cli):
    (one,) = cli.create()
    activated = cli.server.call(
        "POST",
        "/api/v1/licenses/activate",
        {"license_key": one["license_key"], "client_id": "machine-1", "client_version": "1.2.3"},
        api_key=cli.server.admin_key,
    )
    assert activated.status_code == 200, activated.text
    for name in (one["license_id"], one["license_key"], one["license_key"].lower()):
        shown = cli.json("license", "show", name)
        assert shown["license_id"] == one["license_id"]
        assert [client["client_id"] for client in shown["clients"]] == ["machine-1"]
        assert shown["active_clients"] == 1
    text = cli.done("license", "show", one["license_id"])
    assert re.search(r"^machine-1 +active +1\.2\.3 ", text, re.MULTILINE)


@pytest.mark.quick
def test_suspend_resume_and_revoke_take_effect_at_once(cli):
    (one,) = cli.create()
    key, name = one["license_key"], one["license_id"]
    assert cli.validate(key) is None
    assert cli.done("license", "suspend", name, "--reason", "invoice is open") == f"{name} is suspended\n"
    assert cli.validate(key) == "LICENSE_SUSPENDED"
    assert cli.done("license", "resume", key) == f"{name} is active\n"
    assert cli.validate(key) is None
    assert cli.json("license", "revoke", name, "--yes", "--reason", "refunded")["status"] == "revoked"
    assert cli.validate(key) == "LICENSE_REVOKED"
    reasons = [event["detail"] for event in cli.json("audit", "list", "--subject", name, "--action", "license.")]
    assert sum("invoice is open" in detail for detail in reasons) == 1
    assert sum("refunded" in detail for detail in reasons) == 1


@pytest.mark.parametrize("answer, code", [("n", REFUSED), ("", REFUSED), ("y", DONE)])
def test_revoke_asks_on_a_terminal(cli, answer, code):
    (one,) = cli.create()
    finished, _, err = cli.on_terminal(answer, "license", "revoke", one["license_id"])
    assert finished == code, err
    assert f"Revoke {one['license_id']}" in err
    assert cli.json("license", "show", one["license_id"])["status"] == ("revoked" if code == DONE else "active")


# ---- products, policies, API keys ----


def test_products_and_policies(cli):
    product = f"product-{os.getpid()}"
    created = cli.json("product", "create", product, "--client-auth", "license", "--release", "1.2.0=2026-01-01T00:00:00Z")
    assert (created["name"], created["client_auth"], created["releases"]) == (product, "license", {"1.2.0": 1767225600})
    assert product in [one["name"] for one in cli.json("product", "list")]
    assert product in cli.done("product", "list")
    flags = "--type subscription --duration 365d --max-clients 10 --lease 10m --binding normal --feature export --feature "
    flags += "seats=3 --quota calls=100/month --quota pages=unlimited/day"
    policy = cli.json("policy", "create", "--product", product, "team", *flags.split())
    terms = policy["terms"]
    assert (terms["type"], terms["duration"], terms["max_clients"]) == ("subscription", 31536000, 10)
    assert (terms["lease"], terms["binding"]) == (600, "normal")
    assert set(terms["features"]) == {"export", "seats"} and terms["features"]["seats"]["limit"] == 3
    assert terms["quotas"] == {"calls": {"amount": 100, "period": "month"}, "pages": {"amount": None, "period": "day"}}
    assert [one["name"] for one in cli.json("policy", "list", "--product", product)] == ["team"]
    assert re.search(rf"^{product} +team +subscription +365d +10 +floating, 10m +normal ", cli.done("policy", "list"), re.M)
    line = cli.fails(REFUSED, "policy", "create", "--product", product, "team")
    assert line.startswith("ALREADY_EXISTS: ")


def test_terms_come_from_a_file_or_the_command_line_and_flags_go_before_them(cli, tmp_path):
    product = f"terms-{os.getpid()}"
    cli.done("product", "create", product)
    file = tmp_path / "terms.json"
    file.write_text('{"type": "trial", "grace": 60, "max_clients": 2}', encoding="utf-8")
    terms = cli.json("policy", "create", "--product", product, "file", "--terms", file, "--grace", "2h")["terms"]
    assert (terms["type"], terms["grace"], terms["max_clients"]) == ("trial", 7200, 2)
    terms = cli.json("policy", "create", "--product", product, "inline", "--terms", '{"duration": null}')["terms"]
    assert terms["duration"] is None
    line = cli.fails(REFUSED, "policy", "create", "--product", product, "wrong", "--terms", '{"leese": 1}')
    assert "leese" in line


@pytest.mark.quick
def test_an_api_key_works_until_it_is_revoked(cli, secrets):
    finished = cli.run("key", "create", "ci", "--scope", "admin:read,license:validate")
    assert finished.code == DONE, finished
    secret = finished.out.strip()  # alone on stdout, so that it can be captured
    secrets.add_api_key(secret)
    assert secret.startswith("lk_live_") and "shown this once" in finished.err and secret not in finished.err
    name = API_KEY_ID.search(finished.err)[0]
    as_other = {"env": {"LICTOR_API_KEY": secret, "LICTOR_URL": cli.server.url}}

    assert lictor("license", "list", **as_other).code == DONE
    refused = lictor("license", "create", "--product", "demo", "--policy", "floating", **as_other)
    assert refused.code == UNAUTHENTICATED and refused.err.startswith("lictor: FORBIDDEN: "), refused
    (listed,) = [one for one in cli.json("key", "list") if one["id"] == name]
    assert sorted(listed["scopes"]) == ["admin:read", "license:validate"] and "api_key" not in listed
    assert secret not in cli.done("key", "list")

    assert cli.done("key", "revoke", name, "--yes") == f"{name} (ci) is revoked\n"
    refused = lictor("license", "list", **as_other)
    assert refused.code == UNAUTHENTICATED and refused.err.startswith("lictor: UNAUTHENTICATED: "), refused
    assert "LICTOR_API_KEY" in refused.err and secret not in refused.err
    assert re.search(rf"^{name} +ci +revoked ", cli.done("key", "list"), re.MULTILINE)


def test_a_secret_given_for_an_id_is_not_repeated(cli):
    line = cli.fails(USAGE, "key", "revoke", "lk_live_verysecret")
    assert "verysecret" not in line


# ---- status and audit ----


@pytest.mark.quick
def test_status(cli):
    status = cli.json("status")
    assert status["version"] and status["events"] >= 1 and status["uptime_seconds"] >= 0
    text = cli.done("status")
    assert re.match(rf"lictord [0-9.]+ at {re.escape(cli.server.url)}, "
                    r"up for [^;]+; (1 license|\d+ licenses), (1 seat|\d+ seats) held, \d+ audit events\n", text), text
    text = cli.done("status", "--server")
    assert re.search(rf"^server +{re.escape(cli.server.url)}$", text, re.MULTILINE)
    assert re.search(r"^audit events +\d+$", text, re.MULTILINE)
    assert cli.json("status", "--server")["licenses"] == status["license_count"]


def test_audit_list_shows_the_newest_or_what_follows(cli):
    (first,), (second,) = cli.create(), cli.create()
    newest = cli.json("audit", "list", "--limit", "5")
    assert [event["sequence"] for event in newest] == list(range(newest[0]["sequence"], newest[0]["sequence"] + 5))
    (last,) = cli.json("audit", "list", "--action", "license.", "--limit", "1")
    assert last["subject"] == second["license_id"]
    after = cli.json("audit", "list", "--after", "0", "--limit", "2")
    assert [event["sequence"] for event in after] == [1, 2]
    assert {event["subject"] for event in cli.json("audit", "list", "--subject", first["license_id"])} == {first["license_id"]}
    assert re.search(rf" {second['license_id']} ", cli.done("audit", "list"))


@pytest.mark.quick
def test_audit_verify_reads_every_event(server, secrets):
    cli = Cli(server, secrets)
    cli.create("--count", "1000")
    cli.create("--count", "200")
    events = cli.json("status")["events"]
    assert events > 1000  # more than one page
    verdict = cli.json("audit", "verify")
    assert (verdict["whole"], verdict["events"]) == (True, events)
    (last,) = cli.json("audit", "list", "--limit", "1")
    assert (last["sequence"], last["hash"]) == (events, verdict["head"])
    assert cli.done("audit", "verify") == f"{events} events, the chain is whole; head {verdict['head']}\n"


TAMPERINGS = [  # what is done to event 5 (of at least 10), the event that is named, the reason
    ("UPDATE events SET detail = detail || ' ' WHERE sequence = 5", 5, "it was edited"),
    ("UPDATE events SET actor = 'key_somebody' WHERE sequence = 5", 5, "it was edited"),
    ("UPDATE events SET at = at - 1 WHERE sequence = 5", 5, "it was edited"),
    ("UPDATE events SET hash = zeroblob(32) WHERE sequence = 5", 5, "it was edited"),
    ("DELETE FROM events WHERE sequence = 5", 6, "events before it are missing"),
    ("DELETE FROM events WHERE sequence >= 5", 5, "it and what follows are missing"),
    ("UPDATE audit_head SET hash = zeroblob(32)", None, "the head record does not match it"),
]


@pytest.mark.sqlite
def test_audit_verify_names_what_was_tampered_with(server, secrets):
    cli = Cli(server, secrets)
    cli.create("--count", "10")
    whole = cli.json("audit", "verify")
    server.stop()
    database = server.data / "lictor.db"
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    original = database.read_bytes()
    for statement, sequence, reason in TAMPERINGS:
        connection = sqlite3.connect(database)
        with connection:
            assert connection.execute(statement).rowcount >= 1
        connection.close()
        server.start()
        sequence = sequence or whole["events"]
        line = cli.fails(REFUSED, "audit", "verify")
        assert line.startswith(f"the audit log is broken at event {sequence}: {reason}"), (statement, line)
        finished = cli.run("audit", "verify", "--json")
        verdict = json.loads(finished.out)
        assert (finished.code, verdict["whole"], verdict["bad_sequence"]) == (REFUSED, False, sequence), finished
        server.stop()
        database.write_bytes(original)
        for rest in ("lictor.db-wal", "lictor.db-shm"):
            (server.data / rest).unlink(missing_ok=True)
    server.start()
    assert cli.json("audit", "verify")["whole"] is True


# ---- what goes wrong ----


WRONG_USAGE = [  # arguments, what the line says
    ([], "lictor needs a command: status, why, license, client, product, policy, key, report, "),
    (["licens"], "licens: unknown command; did you mean license?"),
    (["license", "craete"], "craete: unknown command; did you mean create?"),
    (["license"], "lictor license needs a command: create, list, show, find, change, renew, extend, suspend, "),
    (["license", "create", "--product", "demo"], "lictor license create needs --policy (name of the policy)"),
    (["license", "create", "--product", "p", "--policy", "q", "--cuont", "3"], "--cuont: unknown option; did you mean --count?"),
    (["license", "create", "--product", "p", "--policy", "q", "--count", "0"], "--count 0: not allowed; give a whole number from 1 to 10000"),
    (["license", "create", "--product", "p", "--policy", "q", "--count", "10001"], "--count 10001: not allowed; give "),
    (["license", "create", "--product", "p", "--policy", "q", "--count", "2", "--key", "ABCD"], "--key: "),
    (["license", "create", "--product", "p", "--policy", "q", "--max-clients", "many"], "--max-clients many: not allowed; give "),
    (["license", "create", "--product", "p", "--policy", "q", "--max-clients=-1"], "--max-clients -1: not allowed; give "),
    (["license", "create", "--product", "p", "--policy", "q", "--set", "lease"], "--set lease: not allowed; give "),
    (["license", "create", "--product", "p", "--policy", "q", "--set", "lease={"], "--set lease={: not allowed; give "),
    (["license", "create", "--product", "p", "--policy", "q", "--set", "a=1", "--set", "a=2"], "--set: a is given twice"),
    (["license", "show"], "lictor license show needs LICENSE (its id (lic_…) or its key)"),
    (["license", "show", NO_LICENSE, "more"], "more: one argument too many"),
    (["license", "show", "lic_short"], "lic_short: not the id of a license"),
    (["license", "list", "--status", "gone"], "--status gone: not allowed; give active, grace, "),
    (["license", "list", "--policy", "floating"], "--policy needs --product beside it"),
    (["license", "create", "--product", "p", "--policy", "q", "--starts-at", "never"], "--starts-at never: not allowed; give a time"),
    (["license", "list", "--all", "--limit", "3"], "--limit and --all can't be given together"),
    (["policy", "create", "--product", "p", "n", "--duration", "1y"], "--duration 1y: not allowed; give "),
    (["policy", "create", "--product", "p", "n", "--lease", "10m5"], "--lease 10m5: not allowed; give "),
    (["policy", "create", "--product", "p", "n", "--quota", "calls=5"], "--quota calls=5: not allowed; give "),
    (["policy", "create", "--product", "p", "n", "--feature", "a=b"], "--feature a=b: not allowed; give "),
    (["policy", "create", "--product", "p", "n", "--terms", "{"], "--terms: no JSON"),
    (["policy", "create", "--product", "p", "n", "--terms", "no-such-file"], "--terms no-such-file: there is no such file"),
    (["product", "create", "p", "--release", "1.0"], "--release 1.0: not allowed; give "),
    (["key", "create", "n"], "lictor key create needs --scope (what it may do"),
    (["key", "revoke", "key_short"], "that is not the id of an API key"),
    (["audit", "list", "--after", "x"], ""),
    (["audit", "list", "--subject", "nonsense"], "--subject nonsense: no id; give that of a license (lic_…), product (prd_…), "),
    (["audit", "list", "--subject", "lic_short"], "--subject lic_short: no id; "),
    (["audit", "list", "--from", "never"], "--from never: not allowed; give a date such as 2030-01-31 "),
    (["audit", "list", "--from", "-1d", "--to", "-2d"], "--to -2d: must be later than --from -1d"),
    (["license", "list", "--issued-after", "-7x"], "--issued-after -7x: not allowed; give a date such as 2030-01-31 "),
    (["report", "usage", "--from", "yesterdy"], "--from yesterdy: not allowed; give a DAY such as 2026-11-01, or -7d"),
    (["report", "seats", "--to", "never"], "--to never: not allowed; give a DAY such as 2026-11-01, or -7d"),
    (["report", "seats", "--from", "-99999999d"], "--from -99999999d: not allowed; give a DAY "),
    (["report", "refusals", "--from", "2026-11-02", "--to", "2026-11-01"], "--to 2026-11-01: must be later than --from 2026-11-02"),
    (["why"], "lictor why needs WHAT (a request id, license id or key"),
    (["status", "--timeout", "0"], "--timeout 0: not allowed; give "),
    (["status", "--url", "ftp://127.0.0.1"], "--url: not the address of a server"),
    (["status", "--url", "http://user:secret@127.0.0.1"], "--url: not the address of a server"),
    (["status", "--api-key", "lk_live_x"], "--api-key: unknown option"),
]
WRONG_TIMES = "tomorrow 2030-13-01 2030-02-29 2030-1-1 2030-01-01T 2030-01-01T24:00 2030-01-01T00:00+99:00 -5 +5y 1e9"


def key_file(directory):
    file = directory / "admin.key"
    file.write_text("lk_live_nobody\n", encoding="utf-8")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("args, says", WRONG_USAGE, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_wrong_usage(args, says, tmp_path):
    """Found before anything is sent: there is no server."""
    key_file(tmp_path)
    address = [] if "--url" in args else ["--url", f"http://127.0.0.1:{free_port()}"]
    finished = lictor(*args, "--data", tmp_path, *address)
    assert finished.code == USAGE, finished
    assert finished.err.startswith(f"lictor: {says}"), finished
    assert finished.out == "" and "secret" not in finished.err


@pytest.mark.parametrize("text", WRONG_TIMES.split())
def test_a_wrong_time_is_refused(cli, text):
    line = cli.fails(USAGE, "license", "create", "--product", "demo", "--policy", "floating", f"--expires-at={text}")
    assert line.startswith(f"--expires-at {text}: not allowed; give Unix seconds, never, +30d, or a date")


def test_no_server(tmp_path):
    key_file(tmp_path)
    url = f"http://127.0.0.1:{free_port()}"
    for env in ({}, {"http_proxy": "http://127.0.0.1:1", "no_proxy": ""}):
        finished = lictor("status", "--data", tmp_path, "--url", url, env=env)
        assert finished.code == UNREACHABLE, finished
        assert finished.err.startswith(f"lictor: no answer from {url}: ")
        assert f"hint: start the server with: lictord --data {tmp_path}" in finished.err


class Foreign(BaseHTTPRequestHandler):
    """Another program on the port. It keeps what it was sent."""

    requests = []

    def do_GET(self):
        self.requests.append((self.path, self.headers.get("X-API-Key")))
        self.send_response(302 if "redirect" in self.path else 200)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/stolen")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass


def test_another_program_on_the_port_is_not_taken_for_a_server(tmp_path):
    key_file(tmp_path)
    with HTTPServer(("127.0.0.1", 0), Foreign) as foreign:
        threading.Thread(target=foreign.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{foreign.server_port}"
        for path, status in (("", 200), ("/redirect", 302)):
            finished = lictor("status", "--data", tmp_path, "--url", url + path)
            assert finished.code == UNREACHABLE, finished
            assert f"not as a lictord does (HTTP {status}, text/html)" in finished.err
        foreign.shutdown()
    assert [path for path, _ in Foreign.requests] == ["/api/v1/admin/status", "/redirect/api/v1/admin/status"]
    Foreign.requests.clear()


def test_a_key_in_a_directory_went_wherever_the_environment_said(tmp_path):
    Foreign.requests.clear()
    key = key_file(tmp_path)
    with HTTPServer(("127.0.0.1", 0), Foreign) as foreign:
        threading.Thread(target=foreign.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{foreign.server_port}"
        by_data = {"LICTOR_DATA": str(tmp_path)}
        for args, env in (
            (["--data", tmp_path], {"LICTOR_URL": url}),
            ([], {**by_data, "LICTOR_URL": url}),
            (["--url", url], by_data),
        ):
            finished = lictor("status", *args, env=env)
            assert finished.code == UNAUTHENTICATED, finished
            assert f"the API key of {tmp_path} does not go to {url}" in finished.err
            assert f"hint: give both on the command line (--data {tmp_path} --url {url})" in finished.err
        assert not Foreign.requests
        assert lictor("status", "--data", tmp_path, "--url", url).code == UNREACHABLE
        # One rule for every file with a key, with or without a profile beside it.
        key.chmod(0o644)
        finished = lictor("status", "--data", tmp_path, "--url", url)
        assert finished.code == UNAUTHENTICATED and f"hint: chmod 600 {key}" in finished.err, finished
        foreign.shutdown()
    assert [sent for _, sent in Foreign.requests] == ["lk_live_nobody"]
    Foreign.requests.clear()


class Circle(BaseHTTPRequestHandler):
    """Lists that turn in a circle: page a, page b, page a, …"""

    def do_GET(self):
        cursor = "b" if "cursor=a" in self.path else "a"
        data = {"licenses": [], "rows": [{"day": "2026-11-01"}], "next_cursor": cursor}
        body = json.dumps({"status": "success", "data": data, "message": "", "request_id": "req_1"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("args", ["license list --all", "license export", "report usage --csv", "report usage --all"])
def test_a_list_without_an_end_is_given_up(tmp_path, args):
    key = tmp_path / "admin.key"
    key.write_text("lk_live_nobody\n", encoding="utf-8")
    key.chmod(0o600)
    with HTTPServer(("127.0.0.1", 0), Circle) as circle:
        threading.Thread(target=circle.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{circle.server_port}"
        finished = lictor(*args.split(), "--data", tmp_path, "--url", url, limit=20)
        circle.shutdown()
    assert finished.code == REFUSED, finished
    assert finished.err.startswith("lictor: the server's list does not come to an end: next_cursor a is there again\nhint: ")


def test_where_the_api_key_comes_from(shared_server, tmp_path):
    def status(*args, env=None):
        return run(BIN_DIR / "lictor", "status", *args, cwd=tmp_path, env=env)

    by_url = {"LICTOR_URL": shared_server.url}
    good = {"LICTOR_API_KEY": shared_server.admin_key}
    bad = {"LICTOR_API_KEY": "lk_live_bad"}
    assert status(env=by_url).code == UNAUTHENTICATED  # none at all
    assert status("--data", tmp_path / "nowhere", env=by_url).code == UNAUTHENTICATED
    assert status(env=by_url | {"LICTOR_API_KEY": "two words"}).code == UNAUTHENTICATED
    assert status(env=by_url | bad).code == UNAUTHENTICATED
    assert status(env=by_url | good).code == DONE
    assert status("--data", shared_server.data, env=by_url | bad).code == DONE
    assert status(env=by_url | {"LICTOR_DATA": str(shared_server.data)}).code == DONE
    assert status("--data", shared_server.data).code == DONE  # the address, too: lictord.url

    demo = tmp_path / "var/demo"
    demo.mkdir(parents=True)
    for name in ("admin.key", "lictord.url"):
        os.link(shared_server.data / name, demo / name)
    assert status().code == DONE  # the trial run in this directory
    # Only when nobody else can have put it there: whoever did would be sent the key.
    (demo / "admin.key").rename(tmp_path / "key")
    (demo / "admin.key").symlink_to(tmp_path / "key")
    assert status().code == UNAUTHENTICATED
    (demo / "admin.key").unlink()
    (tmp_path / "key").rename(demo / "admin.key")
    demo.chmod(0o777)
    assert status().code == UNAUTHENTICATED
    demo.chmod(0o700)
    assert status().code == DONE
    assert status(env=by_url).code == UNAUTHENTICATED  # never for an address that was given


@pytest.mark.quick
def test_refusals_of_the_server(cli):
    line = cli.fails(REFUSED, "license", "show", NO_LICENSE)
    assert re.fullmatch(r"NOT_FOUND: .+ \[req_[0-9a-z]{26}\]", line)
    line = cli.fails(REFUSED, "license", "show", "ABCDEFGH-JKMN-PQRS-TVWX-0123456789AB")
    assert line.startswith("LICENSE_KEY_INVALID: ")
    line = cli.fails(REFUSED, "license", "create", "--product", "demo", "--policy", "no-such-policy")
    assert "policy" in line
    line = cli.fails(REFUSED, "license", "create", "--product", "demo", "--policy", "floating", "--set", "leese=1")
    assert "leese" in line
    assert cli.fails(REFUSED, "key", "create", "n", "--scope", "everything")
    assert cli.fails(REFUSED, "key", "revoke", "key_" + "0" * 26, "--yes").startswith("NOT_FOUND: ")


def test_a_full_disk_is_no_success(cli):
    with open("/dev/full", "w", encoding="utf-8") as full:
        process = subprocess.run(
            [BIN_DIR / "lictor", "status", "--data", cli.server.data, "--url", cli.server.url],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert process.returncode == REFUSED and "could not be written" in process.stderr


# ---- help ----


@pytest.mark.quick
@pytest.mark.parametrize("command", GROUPS + COMMANDS, ids=" ".join)
def test_help(command):
    finished = lictor(*command, "--help")
    assert finished.code == DONE and finished.err == "", finished
    examples = re.search(r"^Example:\n  (lictor .+)$", finished.out, re.MULTILINE)
    assert examples, finished.out
    assert examples[1].startswith(" ".join(("lictor", *command))), finished.out
    assert "Usage: lictor" in finished.out


def test_help_names_every_command_and_exit_code():
    listed = set()
    for group in GROUPS:
        text = lictor(*group, "--help").out
        names = re.findall(r"^  ([a-z]+) ", text[text.index("Commands:") :].split("\n\n")[0], re.MULTILINE)
        listed |= {(*group, name) for name in names}
    assert listed - set(GROUPS) == set(COMMANDS)
    text = lictor("--help").out
    assert re.findall(r"^  (\d)  ", text[text.index("Exit codes:") :], re.MULTILINE) == list("012345")


def test_version():
    assert re.fullmatch(r"lictor \d+\.\d+\.\d+\n", lictor("--version").out)


def test_colours_only_on_a_terminal(cli):
    assert "\x1b" not in cli.done("license", "list")
    command = f"{BIN_DIR}/lictor license list --limit 3 --data {cli.server.data} --url {cli.server.url}"
    cli.create()
    seen = {}
    for no_color in ("", "1"):
        controller, terminal = os.openpty()
        env = {**os.environ, "TERM": "xterm", "NO_COLOR": no_color}
        subprocess.run(command.split(), env=env, stdin=subprocess.DEVNULL, stdout=terminal, check=True)
        os.close(terminal)
        seen[no_color] = os.read(controller, 100_000)
        os.close(controller)
    assert b"\x1b[32mactive\x1b[0m" in seen[""]
    assert b"\x1b" not in seen["1"] and b"active" in seen["1"]
