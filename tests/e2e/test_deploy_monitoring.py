"""deploy/monitoring: the files by the programs that read them; each alert by its unit test; and Prometheus, Alertmanager
and the blackbox exporter themselves, watching a lictord that is stopped."""

import json
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from fronts import Nginx, Process, changed, need
from metrics_text import parse_metrics
from support import ROOT, eventually, free_port, run, seconds

yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed (./dev test installs it)")

MONITORING = ROOT / "deploy/monitoring"


def text_of(name):
    return (MONITORING / name).read_text(encoding="utf-8")


def alerts():
    groups = yaml.safe_load(text_of("lictor.rules.yml"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


# ---- the files ----


def test_prometheus_takes_its_files():
    promtool = need("promtool", "prometheus")
    for what, name in (("config", "prometheus.yml"), ("rules", "lictor.rules.yml")):
        checked = run(promtool, "check", what, MONITORING / name)
        assert checked.code == 0 and "SUCCESS" in checked.out, checked


def test_each_alert_fires_and_does_not():
    tested = run(need("promtool", "prometheus"), "test", "rules", MONITORING / "lictor.rules.test.yml")
    assert tested.code == 0, tested
    cases = [case for part in yaml.safe_load(text_of("lictor.rules.test.yml"))["tests"] for case in part["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == set(alerts())
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == set(alerts())


def test_alertmanager_and_the_blackbox_exporter_take_their_files():
    checked = run(need("amtool", "prometheus-alertmanager"), "check-config", MONITORING / "alertmanager.yml")
    assert checked.code == 0 and "SUCCESS" in checked.out, checked
    blackbox = need("prometheus-blackbox-exporter", "prometheus-blackbox-exporter")
    checked = run(blackbox, "--config.check", "--config.file", MONITORING / "blackbox.yml")
    assert checked.code == 0, checked
    named = re.findall(r"alertname=\"(\w+)\"", text_of("alertmanager.yml"))
    assert set(named) <= set(alerts()) and len(named) >= 3
    module = yaml.safe_load(text_of("prometheus.yml"))["scrape_configs"][1]["params"]["module"]
    assert module == list(yaml.safe_load(text_of("blackbox.yml"))["modules"])


def test_the_dashboard_asks_for_what_there_is(server, tmp_path):
    dashboard = json.loads(text_of("grafana/lictor.json"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len(panels) >= 12 and len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    taken = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    asked = {name for expression in expressions for name in re.findall(r"\b(?:lictor|license)_\w+(?=\{)", expression)}
    there = {name for name, _ in parse_metrics(server.call("GET", "/metrics").text)}
    assert asked <= there, asked - there
    # promtool reads expressions in rules.
    filled = [each.replace("$__rate_interval", "5m").replace("$instance", ".*") for each in expressions]
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(filled)]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    checked = run(need("promtool", "prometheus"), "check", "rules", path)
    assert checked.code == 0, checked


def test_filebeat_is_told_the_lines_that_are_written(start_server):
    """There is no Filebeat in Debian: its file is read as YAML, and what it says of a line is compared with lines."""
    settings = yaml.safe_load(text_of("filebeat.yml"))
    steps = [(name, body) for step in settings["processors"] for name, body in step.items()]
    assert [name for name, _ in steps] == ["decode_json_fields", "timestamp", "drop_fields", "rename", "add_fields"]
    by_name = dict(steps)
    assert by_name["decode_json_fields"] == {"fields": ["message"], "target": "lictor", "max_depth": 2}
    server = start_server("--log-format", "json")
    license_key = server.create_license("node-locked")["license_key"]
    server.call("POST", "/api/v1/licenses/activate", {"license_key": license_key, "client_id": "c"}, api_key=server.admin_key)
    lines = [json.loads(line) for line in server.logs().splitlines()]
    assert any(line["event"] == "server.started" for line in lines)
    renamed = {field["from"].removeprefix("lictor.") for field in by_name["rename"]["fields"]}
    dropped = {field.removeprefix("lictor.") for field in by_name["drop_fields"]["fields"] if field.startswith("lictor.")}
    assert by_name["timestamp"]["field"] == "lictor.time"
    assert by_name["timestamp"]["layouts"] == ["2006-01-02T15:04:05.999Z"]
    for line in lines:
        assert renamed | dropped == {"time", "level", "event", "message"} <= line.keys(), line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), line
        assert all(not isinstance(value, (dict, list)) for value in line.values()), "max_depth"
    hint = by_name["timestamp"]["test"][0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", hint)
    (journal,) = [each for each in settings["filebeat.inputs"] if each["type"] == "journald"]
    assert journal["include_matches.match"] == ["_SYSTEMD_UNIT=lictord.service"]
    assert (ROOT / "deploy/systemd/lictord.service").exists()
    assert "password" not in text_of("filebeat.yml").replace('password: "${ELASTICSEARCH_PASSWORD}"', "")


# ---- live ----


class Pager:
    """Who Alertmanager tells: {(alert, instance): "firing" or "resolved"}, the latest each."""

    def __init__(self):
        self.told = {}
        pager = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in body["alerts"]:
                    labels = alert["labels"]
                    pager.told[labels["alertname"], labels.get("instance", "")] = alert["status"]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}/"
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def is_told(self, alert, instance="", status="firing"):
        eventually(lambda: self.told.get((alert, instance)) == status, 40)

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()


class Watch:
    """The files of deploy/monitoring with other addresses and shorter times, and the programs that read them."""

    def __init__(self, directory, server, front):
        self.directory = directory
        self.pager = Pager()
        self.ports = {name: free_port() for name in ("prometheus", "alertmanager", "blackbox")}
        self.processes = []
        self.write(server, front)
        self.start()

    def write(self, server, front):
        short = changed(text_of("lictor.rules.yml"), (r"\bfor: \d+[mh]$", "for: 1s"))
        (self.directory / "lictor.rules.yml").write_text(short, encoding="utf-8")
        config = changed(
            text_of("prometheus.yml"),
            (r"(?<=_interval: )\d+s", "1s"),
            (r"127\.0\.0\.1:8000", f"127.0.0.1:{server.port}"),
            (r"127\.0\.0\.1:9093", f"127.0.0.1:{self.ports['alertmanager']}"),
            (r"127\.0\.0\.1:9115", f"127.0.0.1:{self.ports['blackbox']}"),
            (r"https://license\.example\.com", front.url),
        )
        (self.directory / "prometheus.yml").write_text(config, encoding="utf-8")
        module = yaml.safe_load(text_of("blackbox.yml"))
        module["modules"]["license_front"]["http"]["tls_config"] = {"ca_file": str(front.certificate)}
        (self.directory / "blackbox.yml").write_text(yaml.safe_dump(module), encoding="utf-8")
        routes = yaml.safe_load(text_of("alertmanager.yml"))
        routes["receivers"] = [{"name": "administrators", "webhook_configs": [{"url": self.pager.url}]}]
        routes["route"].update(group_wait="0s", group_interval="1s")
        (self.directory / "alertmanager.yml").write_text(yaml.safe_dump(routes), encoding="utf-8")

    def run(self, name, package, *options):
        address = f"--web.listen-address=127.0.0.1:{self.ports[name]}"
        program = need(package, package)
        self.processes.append(Process(self.directory / f"{name}.log", program, address, *options, cwd=self.directory))

    def start(self):
        self.run("blackbox", "prometheus-blackbox-exporter", "--config.file=blackbox.yml", "--timeout-offset=0.1")
        self.run(
            *("alertmanager", "prometheus-alertmanager", "--config.file=alertmanager.yml", "--storage.path=alertmanager"),
            "--cluster.listen-address=",
        )
        self.run("prometheus", "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=prometheus")
        for process, path in zip(self.processes, ("/-/healthy", "/-/ready", "/-/ready")):
            process.wait_for(f"http://127.0.0.1:{self.ports[process.log.stem]}{path}")

    def query(self, expression):
        url = f"http://127.0.0.1:{self.ports['prometheus']}/api/v1/query"
        answer = requests.get(url, params={"query": expression}, timeout=seconds(10)).json()
        assert answer["status"] == "success", answer
        return [float(result["value"][1]) for result in answer["data"]["result"]]

    def firing(self):
        answer = requests.get(f"http://127.0.0.1:{self.ports['prometheus']}/api/v1/alerts", timeout=seconds(10)).json()
        return {alert["labels"]["alertname"] for alert in answer["data"]["alerts"] if alert["state"] == "firing"}

    def close(self):
        for process in self.processes:
            process.stop()
        self.pager.close()


@pytest.fixture
def watched(server, tmp_path):
    """(a lictord, the Watch over it), behind nginx with a certificate for a single day."""
    for program in ("prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter"):
        need(program, program)
    front = Nginx(tmp_path / "front", server.port, days=1).wait()
    (tmp_path / "watch").mkdir()
    watch = Watch(tmp_path / "watch", server, front)
    yield server, watch, front
    watch.close()
    front.stop()
    shutil.rmtree(tmp_path / "watch", ignore_errors=True)


def activate(server, license_key, client):
    body = {"license_key": license_key, "client_id": client}
    return server.call("POST", "/api/v1/licenses/activate", body, api_key=server.admin_key).status_code


def test_what_goes_wrong_reaches_the_pager(watched):
    server, watch, front = watched
    instance, probe = f"127.0.0.1:{server.port}", f"{front.url}/ready"
    eventually(lambda: watch.query('count_over_time(up{job="license-server"}[1m]) > 2'), 30)
    eventually(lambda: watch.query("probe_success") == [1])

    # Its certificate is for a day; all else is well.
    watch.pager.is_told("LicenseCertificateAlmostExpired", probe)
    unasked = {"LicenseCertificateAlmostExpired", "LicenseCertificateExpires"}
    eventually(lambda: watch.firing() == unasked)

    # Nine of ten seats, then ten and some who find none: 1 in 3.
    license_key = server.create_license("floating", overrides={"max_clients": 10})["license_key"]
    assert [activate(server, license_key, f"c{number}") for number in range(8)] == [200] * 8
    assert parse_metrics(server.call("GET", "/metrics").text)["lictor_seats_nearly_exhausted_total", ()] == 0
    assert activate(server, license_key, "c8") == 200
    watch.pager.is_told("LicenseSeatsNearlyExhausted")
    assert server.logs().count("license.nearly_full") == 2, "on stderr and in the file, when the line is crossed"
    assert not watch.firing() & {"HighLicenseActivationFailure", "LicenseSeatsExhausted"}
    assert activate(server, license_key, "c9") == 200
    assert [activate(server, license_key, f"late{number}") for number in range(5)] == [409] * 5
    watch.pager.is_told("HighLicenseActivationFailure", instance)
    watch.pager.is_told("LicenseSeatsExhausted")
    assert "LicenseServerDown" not in watch.firing()

    server.stop()
    watch.pager.is_told("LicenseServerDown", instance)
    watch.pager.is_told("LicenseFrontDown", probe)
    server.start()
    watch.pager.is_told("LicenseServerDown", instance, "resolved")
    watch.pager.is_told("LicenseFrontDown", probe, "resolved")
