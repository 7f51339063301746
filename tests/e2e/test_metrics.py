"""GET /metrics: counts go up, labels stay few."""

import pytest

from metrics_text import parse_metrics


def activate(server, created, client_id, api_key, **more):
    body = {"license_key": created["license_key"], "client_id": client_id, **more}
    return server.call("POST", "/api/v1/licenses/activate", body, api_key=api_key)


@pytest.mark.quick
def test_metrics_count_and_their_labels_stay_few(server):
    def read():
        answer = server.call("GET", "/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return parse_metrics(answer.text)

    def of(samples, endpoint, method="POST"):
        return samples["license_requests_total", (("endpoint", endpoint), ("method", method))]

    created = server.create_license("trial")
    api_key = server.create_api_key()["api_key"]
    before = read()
    assert activate(server, created, "one", api_key).status_code == 200
    assert activate(server, created, "two", api_key).status_code == 409
    for number in range(200):  # of these nothing may become a label
        server.call(f"METHOD{number}", f"/random/{number}")
        server.call("GET", f"/api/v1/licenses/lic_{number}", api_key=api_key)
    after = read()
    assert set(after) == set(before), "new series"
    assert of(after, "/activate") - of(before, "/activate") == 2
    assert of(after, "other", "other") - of(before, "other", "other") == 200
    assert of(after, "/licenses/{id}", "GET") - of(before, "/licenses/{id}", "GET") == 200
    failures = ("license_activation_failures_total", (("reason", "MAX_CLIENTS_REACHED"),))
    assert after[failures] - before[failures] == 1
    counted = ("license_request_latency_seconds_count", (("endpoint", "/activate"),))
    assert after[counted] - before[counted] == 2
    for name in ("lictor_commit_seconds_count", "lictor_batch_jobs_count", "lictor_connections_total"):
        assert after[name, ()] > before[name, ()], name
    falling = [series for series, value in after.items() if series[0].endswith("_total") and value < before[series]]
    assert not falling
    text = server.call("GET", "/metrics").text
    assert created["license_key"] not in text and api_key not in text and len(text) < 200_000
