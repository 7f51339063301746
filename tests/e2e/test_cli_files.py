"""Licenses and reports in files: what is imported, what is exported, and that the two fit."""

import csv
import io
import json
import os
import re
import stat
import subprocess

import pytest

from command_line import DONE, REFUSED, USAGE, Cli
from support import BIN_DIR, eventually, lictor, seconds

COLUMNS = "license_key license_id product policy holder status issued_at starts_at expires_at first_activated_at overrides"


@pytest.fixture
def cli(shared_server, secrets):
    return Cli(shared_server, secrets)


@pytest.fixture
def prefix(request, secrets):
    """The beginning of license keys that no other test has."""
    return f"F{os.getpid()}-{abs(hash(request.node.name)) % 10**8:08}"


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def actions(report):
    return [row["action"] for row in report["rows"]]


def watch(cli, report):
    for row in report["rows"]:
        if row.get("license_key"):
            cli.secrets.add_license_key(row["license_key"])
    return report


# ---- what an export goes to ----


def test_an_export_took_the_place_of_a_device_or_a_pipe(cli, tmp_path):
    cli.create()
    whole = cli.done("license", "export")
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen(["cat", tmp_path / "fifo"], stdout=subprocess.PIPE, text=True) as reader:
        try:
            cli.done("license", "export", "-o", tmp_path / "fifo")
            assert reader.communicate(timeout=seconds(10))[0] == whole
        finally:
            reader.kill()
    assert (tmp_path / "fifo").is_fifo()
    if os.geteuid() == 0:
        null = tmp_path / "null"
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        cli.done("license", "export", "-o", null)
        assert null.is_char_device()
    assert cli.done("license", "export", "-o", "/proc/self/fd/1") == whole
    assert cli.run("license", "export", "-o", tmp_path).code == REFUSED
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == []


def test_an_export_wrote_over_the_file_of_the_name_of_its_draft(cli, tmp_path):
    (tmp_path / "n.csv.part").write_text("mine", encoding="utf-8")
    (tmp_path / "link.csv").symlink_to(tmp_path / "n.csv")
    for name in ("n.csv", "link.csv"):
        cli.done("license", "export", "-o", tmp_path / name)
    assert (tmp_path / "n.csv.part").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "link.csv").is_symlink() and stat.S_IMODE((tmp_path / "n.csv").stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["link.csv", "n.csv", "n.csv.part"]


# ---- import ----


@pytest.mark.quick
def test_a_dry_run_says_per_row_what_would_happen_and_does_nothing(cli, tmp_path, prefix):
    file = write(
        tmp_path / "licenses.csv",
        "product,policy,license_key,holder,expires_at,overrides",
        f'demo,floating,{prefix}-A,"ACME, ""the"" Co",2030-01-01T00:00Z,"{{""max_clients"":7}}"',
        f"demo,floating,{prefix}-B,,never,",
        "demo,floating,,,,",
        "demo,no-such-policy,,,,",
        "demo,floating,,,soon,",
    )
    finished = cli.run("license", "import", file, "--dry-run")
    assert finished.code == REFUSED, finished
    lines = finished.out.splitlines()
    assert [line.split(" ")[:5] for line in lines[:3]] == [["line", f"{n}:", "would", "be", "created"] for n in (2, 3, 4)]
    assert lines[3].startswith("line 5: failed: ") and "policy" in lines[3]
    assert lines[4].startswith("line 6: failed: expires_at: soon: not a time; give ")
    assert lines[5] == "would be 3 created, 0 updated, 0 unchanged, 0 skipped, 2 failed"
    assert cli.run("license", "find", f"{prefix}-A").code == REFUSED  # nothing was done
    report = json.loads(cli.run("license", "import", file, "--dry-run", "--json").out)
    assert report["dry_run"] is True and actions(report) == ["created"] * 3 + ["failed"] * 2
    assert [row["line"] for row in report["rows"]] == [2, 3, 4, 5, 6]
    assert (report["rows"][4]["field"], report["failed"]) == ("expires_at", 2)


@pytest.mark.quick
def test_an_import_is_all_or_nothing_unless_it_is_partial(cli, tmp_path, prefix):
    file = write(
        tmp_path / "licenses.csv", "license_key,product,policy", f"{prefix}-A,demo,floating", f"{prefix}-B,demo,no-such"
    )
    finished = cli.run("license", "import", file)
    assert finished.code == REFUSED and "1 of 2 rows can't be imported, so none was" in finished.err, finished
    assert re.match(r"line 3: failed: ", finished.out)
    assert finished.out.endswith("0 created, 0 updated, 0 unchanged, 0 skipped, 1 failed, 1 not imported\n")
    assert cli.run("license", "find", f"{prefix}-A").code == REFUSED
    finished = cli.run("license", "import", file, "--partial")
    assert finished.code == REFUSED and "1 created, 0 updated, 0 unchanged, 0 skipped, 1 failed\n" in finished.out
    assert cli.json("license", "find", f"{prefix}-A")["status"] == "active"


@pytest.mark.quick
def test_what_becomes_of_licenses_that_are_there(cli, tmp_path, prefix):
    head = "license_key,product,policy,holder"
    file = write(tmp_path / "a.csv", head, f"{prefix}-A,demo,floating,ACME", f"{prefix}-B,demo,floating,ACME")
    assert actions(watch(cli, cli.json("license", "import", file))) == ["created", "created"]
    assert actions(cli.json("license", "import", file)) == ["unchanged", "unchanged"]
    file = write(tmp_path / "b.csv", head, f"{prefix}-A,demo,floating,Umbrella", f"{prefix}-B,demo,floating,ACME")
    finished = cli.run("license", "import", file, "--json")
    assert finished.code == REFUSED and json.loads(finished.out)["rows"][0]["code"] == "ALREADY_EXISTS", finished
    assert actions(cli.json("license", "import", file, "--on-conflict", "skip")) == ["skipped", "unchanged"]
    assert cli.json("license", "find", f"{prefix}-A")["holder"] == "ACME"
    report = cli.json("license", "import", file, "--on-conflict", "update", "--dry-run")
    assert actions(report) == ["updated", "unchanged"]
    report = cli.json("license", "import", file, "--on-conflict", "update", "--quiet")
    assert (report["rows"], report["updated"], report["unchanged"]) == ([], 1, 1)
    assert cli.json("license", "find", f"{prefix}-A")["holder"] == "Umbrella"


JSON_FORMS = {
    "an array": lambda rows: rows,
    "an object": lambda rows: {"licenses": rows},
    "an export": lambda rows: {"format": "lictor-export-1", "products": [], "policies": [], "licenses": rows},
}


@pytest.mark.parametrize("form", JSON_FORMS)
def test_json_has_licenses_alone_or_as_a_member(cli, tmp_path, prefix, form):
    rows = [{"license_key": f"{prefix}-J", "product": "demo", "policy": "floating", "overrides": {"max_clients": 2}}]
    file = write(tmp_path / "licenses.json", json.dumps(JSON_FORMS[form](rows)))
    assert actions(watch(cli, cli.json("license", "import", file))) == ["created"]
    assert cli.json("license", "find", f"{prefix}-J")["max_clients"] == 2


NO_FILES = [
    ("", "the file is empty; it begins with a line of column names"),
    ("product,polisy\n", "line 1: polisy: not a column; did you mean policy?; columns are "),
    ("product,policy,product\n", "line 1: product is there twice"),
    ("product,policy,\n", "line 1: column 3 has no name"),
    ("product;policy;max_clients\n", "line 1: max_clients: not a column, but a term of the policy; what a license has of its own"),
    ('product,policy,grace\n', 'line 1: grace: not a column, but a term of the policy; what a license has of its own goes into '
     'the column overrides, as JSON: {"grace":…}'),
    ('product,policy\n"demo,x\n', "line 2: a quote is not closed"),
    ('product,policy\nde"mo,x\n', "line 2: a quote inside a field that is not quoted"),
    ("{}", "no file of licenses: it has no array of them"),
    ('{"format":"other-2","licenses":[]}', 'line 1: format "other-2": this version reads "lictor-export-1"'),
    ('{"licenses":[{]}', "line 1: no JSON"),
    ('[{"product":"demo"}', "line 2: the file ends where , is expected"),
    ('[] {}', "line 1: more text after the end of the array"),
]


@pytest.mark.parametrize("text, says", NO_FILES, ids=[str(i) for i in range(len(NO_FILES))])
def test_what_is_no_file_of_licenses(cli, tmp_path, text, says):
    file = tmp_path / "file"
    file.write_text(text if not text.startswith("[{") else text + "\n", encoding="utf-8")
    finished = cli.run("license", "import", file)
    assert finished.code == USAGE and finished.err.startswith(f"lictor: {says}"), finished
    assert finished.out == "", "the error is all there is to say"
    dry = cli.run("license", "import", file, "--dry-run")
    assert (dry.code, dry.out, dry.err) == (USAGE, "", finished.err)


def test_a_file_in_utf16(cli, tmp_path):
    file = tmp_path / "licenses.csv"
    file.write_text("product,policy\n", encoding="utf-16")
    assert cli.fails(USAGE, "license", "import", file) == "the file is UTF-16; save it as CSV in UTF-8"


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_what_spreadsheets_write(cli, tmp_path, prefix, mark, separator):
    rows = [
        ["license_key", '"product"', "policy", "holder", "overrides"],
        [f"{prefix}-{ord(separator)}{len(mark)}", "demo", "floating", '"a,b; c"', '"{""max_clients"":2}"'],
    ]
    file = tmp_path / "licenses.csv"
    file.write_text(mark + "\r\n".join(separator.join(row) for row in rows) + "\r\n", encoding="utf-8", newline="")
    assert actions(watch(cli, cli.json("license", "import", file))) == ["created"]
    one = cli.json("license", "find", rows[1][0])
    assert (one["holder"], one["max_clients"]) == ("a,b; c", 2)


def test_rows_that_the_header_does_not_fit(cli, tmp_path):
    file = write(tmp_path / "a.csv", "product,policy,holder", "demo,floating,x", "demo,floating", "demo", "demo,floating,x,y")
    finished = cli.run("license", "import", file)
    assert finished.code == REFUSED, finished
    assert finished.out.splitlines()[:3] == [
        "line 3: failed: 2 cells, but the header has 3",
        "line 4: failed: 1 cell, but the header has 3",
        "line 5: failed: 4 cells, but the header has 3",
    ]


def test_json_rows_are_counted_lines_of_csv_are_named(cli, tmp_path, prefix):
    good = {"license_key": f"{prefix}-A", "product": "demo", "policy": "floating"}
    rows = [good, {**good, "license_key": f"{prefix}-B"}, {**good, "license_key": f"{prefix}-C", "policy": "floatng"}]
    rows += [{**good, "license_key": f"{prefix}-D", "max_clients": 3}, good, "none"]
    file = write(tmp_path / "rows.json", json.dumps(rows))
    finished = cli.run("license", "import", file)
    assert finished.code == REFUSED, finished
    assert finished.out.splitlines()[:4] == [
        "row 3: failed: BAD_REQUEST policy: 'policy' 'floatng' is no policy of product 'demo'; did you mean floating?",
        "row 4: failed: UNKNOWN_FIELD max_clients: 'max_clients' is a member of the terms: give it in overrides, "
        '{"max_clients":…}',
        "row 5: failed: license_key: the license is in row 1, too",
        "row 6: failed: not an object",
    ]
    report = json.loads(cli.run("license", "import", file, "--json", "--dry-run").out)
    assert [row["row"] for row in report["rows"]] == [1, 2, 3, 4, 5, 6] and "line" not in report["rows"][0]
    file = write(tmp_path / "rows.csv", "license_key,product,policy", f"{prefix}-A,demo,floating", f"{prefix.lower()}-a,demo,floating")
    assert "line 3: failed: license_key: the license is in line 2, too\n" in cli.run("license", "import", file).out


def test_a_file_that_is_not_there(cli, tmp_path):
    assert cli.fails(USAGE, "license", "import", tmp_path / "none.csv").endswith("none.csv: No such file or directory")
    assert cli.fails(USAGE, "license", "export", "-o", tmp_path / "no" / "where.csv", "--policy", "x") == (
        "--policy needs --product beside it"
    )
    line = cli.fails(REFUSED, "license", "export", "-o", tmp_path / "no" / "where.csv")
    assert line.endswith("where.csv: it can't be written: No such file or directory")


# ---- export ----


def state(cli, *args):
    return json.loads(cli.done("license", "export", "--format", "json", *args))


@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_export_imports_to_the_same_state(start_server, secrets, tmp_path, form):
    """Into another server, which has none of the products; in CSV the products are made first."""
    source = Cli(start_server(), secrets)
    source.done("product", "create", "editor", "--client-auth", "license", "--release", "1.0=2026-01-01T00:00Z")
    source.done("policy", "create", "--product", "editor", "team", "--duration", "30d", "--starts", "on_first_activation")
    created = source.create("--count", "3", "--feature", "a=5", policy="team", product="editor")
    created += source.create("--holder", '=ACME, "Öl" & Co', policy="team", product="editor")
    created += source.create("--expires-at", "never", "--holder", "'quoted", policy="team", product="editor")
    assert source.activate(created[0]["license_key"], "m1").status_code == 200
    source.done("license", "suspend", created[1]["license_id"])
    source.done("license", "revoke", created[2]["license_id"], "--yes")
    file = tmp_path / f"licenses.{form}"
    finished = source.run("license", "export", "-o", file, "--product", "editor")
    assert finished.code == DONE and "5 licenses are in" in finished.err and finished.out == "", finished
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    target = Cli(start_server(demo=False), secrets)
    if form == "csv":
        finished = target.run("license", "import", file)
        assert finished.code == REFUSED and "5 of 5 rows can't be imported" in finished.err
        definitions = tmp_path / "definitions.json"
        definitions.write_text(json.dumps(state(source, "--product", "editor") | {"licenses": []}), encoding="utf-8")
        target.done("license", "import", definitions)
    else:
        preview = target.json("license", "import", file, "--dry-run")
        assert (preview["created"], preview["products"]) == (5, ["editor"])
        assert target.json("product", "list") == []
    assert target.json("license", "import", file)["created"] == 5
    assert state(target) == state(source, "--product", "editor")
    assert target.json("license", "import", file)["unchanged"] == 5
    assert target.json("license", "show", created[1]["license_id"])["status"] == "suspended"


def test_a_csv_export_is_one_that_a_spreadsheet_reads(cli):
    (one,) = cli.create("--holder", "=1+1")
    rows = list(csv.DictReader(io.StringIO(cli.done("license", "export", "--product", "demo", "--policy", "floating"))))
    assert list(rows[0]) == COLUMNS.split()
    (row,) = [row for row in rows if row["license_id"] == one["license_id"]]
    assert (row["holder"], row["license_key"], row["expires_at"]) == ("'=1+1", one["license_key"], str(one["expires_at"] or "never"))


def test_more_rows_than_one_call_takes(start_server, secrets, tmp_path):
    cli = Cli(start_server(), secrets)
    rows = [f"BULK-{i:06},demo,floating" for i in range(10_500)]
    file = write(tmp_path / "bulk.csv", "license_key,product,policy", *rows)
    assert cli.json("license", "import", file, "--quiet")["created"] == 10_500
    twice = write(tmp_path / "twice.csv", "license_key,product,policy", *[row.replace("BULK", "MORE") for row in rows], "MORE-000000,demo,floating")
    finished = cli.run("license", "import", twice)
    assert finished.code == REFUSED and "line 10502: failed: license_key: the license is in line 2, too" in finished.out
    assert "BULK-010499" in cli.done("license", "export")


def test_stdin_is_a_file_too(cli, prefix):
    process = subprocess.run(
        [BIN_DIR / "lictor", "license", "import", "-", "--data", cli.server.data, "--url", cli.server.url],
        input=f"license_key,product,policy\n{prefix}-S,demo,floating\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == DONE and "1 created" in process.stdout, process


# ---- reports ----


@pytest.mark.quick
def test_reports_for_people_for_spreadsheets_and_for_programs(cli, tmp_path):
    policy = f"reported-{os.getpid()}"
    cli.done("policy", "create", "--product", "demo", policy, "--max-clients", "1")
    (one,) = cli.create(policy=policy)
    assert cli.activate(one["license_key"], "m1").status_code == 200
    assert cli.activate(one["license_key"], "m2").status_code == 409
    rows = eventually(lambda: cli.json("report", "refusals", "--license", one["license_id"]))
    assert [(row["code"], row["count"]) for row in rows] == [("MAX_CLIENTS_REACHED", 1)]
    text = cli.done("report", "refusals", "--license", one["license_key"], "--csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["license_id"], row["code"], row["count"]) == (one["license_id"], "MAX_CLIENTS_REACHED", "1")
    assert re.match(r"DAY +PRODUCT +LICENSE ID +CODE +COUNT\n", cli.done("report", "refusals", "--license", one["license_id"]))
    assert "LICENSE ID" not in cli.done("report", "refusals", "--product", "demo")
    # The seat is held still: how long and how much of the day goes on growing from one report to the next.
    seats = cli.json("report", "seats", "--license", one["license_id"])
    assert [row["peak"] for row in seats] == [1]
    (week,) = cli.json("report", "seats", "--license", one["license_id"], "--from", "-7d")
    assert {name: week[name] for name in ("day", "peak")} == {name: seats[0][name] for name in ("day", "peak")}
    assert week["seat_seconds"] >= seats[0]["seat_seconds"]
    assert cli.json("report", "seats", "--license", one["license_id"], "--from", "-7d", "--to", "-1d") == []
    for name in ("seats.csv", "seats.json"):
        finished = cli.run("report", "seats", "--by", "license", "-o", tmp_path / name)
        assert finished.code == DONE and "rows are in" in finished.err, finished
    written = json.loads((tmp_path / "seats.json").read_text(encoding="utf-8"))
    table = list(csv.DictReader(io.StringIO((tmp_path / "seats.csv").read_text(encoding="utf-8"))))
    assert [row["license_id"] for row in table] == [row["license_id"] for row in written]
    assert cli.fails(USAGE, "report", "seats", "--csv", "--json") == "--csv and --json can't be given together"
    finished = cli.run("report", "usage", "--from", "2001-01-01", "--to", "2001-01-02")
    assert (finished.code, finished.out, finished.err) == (DONE, "", "lictor: nothing in these days\n")


def test_usage_report(cli):
    policy = f"metered-{os.getpid()}"
    cli.done("policy", "create", "--product", "demo", policy, "--type", "metered", "--quota", "calls=100/month")
    (one,) = cli.create(policy=policy)
    body = {"license_key": one["license_key"], "metric": "calls", "quantity": 7, "idempotency_key": f"u-{os.getpid()}"}
    answer = cli.server.call("POST", "/api/v1/licenses/usage", body, api_key=cli.server.admin_key)
    assert answer.status_code == 200, answer.text
    (row,) = cli.json("report", "usage", "--license", one["license_id"], "--metric", "calls")
    assert (row["metric"], row["quantity"], row["license_id"]) == ("calls", 7, one["license_id"])
    assert lictor("report", "usage", "--metric", "calls", "--license", "lic_x").code == USAGE
