"""docs/operations.md and deploy/ against the program: what they name exists, and what exists is named."""

import re
import shutil
import subprocess

import pytest

from metrics_text import parse_metrics
from support import BIN_DIR, CLEAN_ENVIRONMENT, ROOT, run

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
RULES = (ROOT / "deploy/monitoring/lictor.rules.yml").read_text(encoding="utf-8")
METRIC = re.compile(r"\b(?:lictor|license)_[a-z_]+\b(?=[`{\[(\s])")


def section(title):
    """From a heading to the next one of its level."""
    level = re.search(rf"^(#+) {re.escape(title)}$", PAGE, re.MULTILINE)
    assert level, title
    rest = PAGE[level.end() :]
    end = re.search(rf"^#{{1,{len(level[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def families(server):
    """The names as Prometheus has them, without what it adds to a histogram."""
    names = {name for name, _ in parse_metrics(server.call("GET", "/metrics").text)}
    histograms = {name.removesuffix("_bucket") for name in names if name.endswith("_bucket")}
    parts = {histogram + suffix for histogram in histograms for suffix in ("_bucket", "_sum", "_count")}
    return (names - parts) | histograms


@pytest.mark.quick
def test_every_metric_is_on_the_page_and_the_other_way_round(shared_server):
    assert set(METRIC.findall(section("Monitor"))) - {"license_server"} == families(shared_server)


@pytest.mark.quick
def test_the_alerts_ask_for_what_there_is(shared_server):
    expressions = " ".join(re.findall(r"expr: >?\s*(.*(?:\n {10}.*)*)", RULES))
    asked = {name.removesuffix("_bucket") for name in METRIC.findall(expressions)}
    assert len(asked) >= 7 and asked <= families(shared_server), asked - families(shared_server)
    samples = parse_metrics(shared_server.call("GET", "/metrics").text)
    labels = {label for _, of_sample in samples for label in of_sample}
    for name, value in re.findall(r'(reason|endpoint)="([^"]+)"', expressions):
        assert (name, value) in labels, (name, value)
    alerts = re.findall(r"- alert: (\w+)", RULES)
    assert sorted(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`License.*?|`High.*?) \|", section("Monitor"), re.M)))) == (
        sorted(alerts)
    ), "each alert has its advice on the page"


def test_what_changes_while_it_runs_is_named():
    told = re.search(r"Changes while it runs: (.*?)\. ", section("Change options"), re.DOTALL)[1]
    options = (ROOT / "docs/options.md").read_text(encoding="utf-8")
    changeable = [re.sub("-", "_", flag) for flag in re.findall(r"^\| `--([a-z-]+)` \|.*\| yes \|$", options, re.MULTILINE)]
    assert sorted(re.findall(r"`(\w+)`", told)) == sorted(changeable)


def test_every_code_and_file_on_the_page_exists():
    codes = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/http-api.md").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", section("A client is refused")))
    assert len(named) >= 12 and named <= codes, named - codes
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
    headings = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", PAGE, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings


def test_the_commands_on_the_page_exist():
    for name in set(re.findall(r"\blictord ([a-z]+(?:-[a-z]+)?)\b(?= [-/.A-Z`])", PAGE)):
        finished = run(BIN_DIR / "lictord", name, "--help")
        assert finished.code == 0 and f"lictord {name}" in finished.out, (name, finished)


# ---- the nightly backup ----


def test_the_nightly_backup_is_in_order(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    for name in ("lictord-backup.service", "lictord-backup.timer"):
        text = (ROOT / "deploy/systemd" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("/usr/bin/lictord", str(BIN_DIR / "lictord")), encoding="utf-8")
    units = [tmp_path / "lictord-backup.service", tmp_path / "lictord-backup.timer"]
    finished = run("systemd-analyze", "verify", "--man=no", "--generators=no", *units)
    assert finished.code == 0 and not finished.err.strip(), finished


@pytest.mark.sqlite
def test_what_the_nightly_backup_runs(server, tmp_path):
    unit = (ROOT / "deploy/systemd/lictord-backup.service").read_text(encoding="utf-8")
    config, folder = tmp_path / "lictord.toml", tmp_path / "backups"
    config.write_text(f'[server]\ndata = "{server.data}"\n', encoding="utf-8")
    folder.mkdir()
    old = folder / "lictor-2026-01-01.db"
    old.write_bytes(b"old")
    other = folder / "before-upgrade.db"
    other.write_bytes(b"kept")
    run("touch", "-d", "40 days ago", old, other)
    for line in re.findall(r"^ExecStart(?:Post)?=(.*)$", unit, re.MULTILINE) * 2:  # twice on one day
        line = line.replace("/usr/bin/lictord", str(BIN_DIR / "lictord")).replace("/etc/lictor/lictord.toml", str(config))
        line = line.replace("/var/backups/lictor", str(folder)).replace("$$", "$").replace("%%", "%")
        if " -name " in line:
            line = line.replace("lictor-*.db", "'lictor-*.db'")  # systemd expands nothing
        subprocess.run(["sh", "-c", line], env=CLEAN_ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    left = sorted(path.name for path in folder.iterdir())
    assert len(left) == 2 and left[0] == "before-upgrade.db" and re.fullmatch(r"lictor-\d{4}-\d\d-\d\d\.db", left[1]), left
    assert run(BIN_DIR / "lictord", "restore", folder / left[1], "--data", tmp_path / "fresh").code == 0
