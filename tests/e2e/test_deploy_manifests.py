"""deploy/docker and deploy/kubernetes without an engine: that what one file names is what another one has."""

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support import BIN_DIR, ROOT, run

yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed (./dev test installs it)")

DOCKER, KUBERNETES = ROOT / "deploy/docker", ROOT / "deploy/kubernetes"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
GRACE_SECONDS = 4  # the default of shutdown_grace


def option_variables():
    page = (ROOT / "docs/options.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `--[^|]*\| `(LICTOR_\w+)`", page, re.MULTILINE))


def instructions(text):
    """[(instruction, its text)] of a Dockerfile, continued lines joined."""
    lines = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    return [tuple(line.split(None, 1)) for line in joined.split("\n") if line.strip()]


# ---- the image ----


def test_the_image_is_small_and_not_root():
    steps = instructions(DOCKERFILE)
    stages = [text for name, text in steps if name == "FROM"]
    assert len(stages) == 2 and stages[0].endswith(" AS build"), "one stage builds, the other has the programs alone"
    last = steps[max(i for i, (name, _) in enumerate(steps) if name == "FROM") :]
    assert not [text for name, text in last if name in ("COPY", "ADD")], "only the package comes from the first stage"
    named = dict(last)
    assert named["USER"] == "10001:10001" and "--uid 10001" in DOCKERFILE
    assert json.loads(named["ENTRYPOINT"]) == ["/usr/bin/lictord"]
    assert json.loads(named["VOLUME"]) == ["/var/lib/lictor"]
    assert json.loads(named["HEALTHCHECK"].split(" CMD ")[1]) == ["/usr/bin/lictord", "health"]
    settings = dict(part.split("=", 1) for part in named["ENV"].split())
    assert set(settings) <= option_variables()
    assert settings["LICTOR_LISTEN"].rpartition(":")[2] == named["EXPOSE"]
    assert not re.search(r"password|secret|_key|DATABASE_URL", " ".join(text for name, text in last), re.IGNORECASE)


def test_the_image_starts_with_its_own_settings(tmp_path):
    settings = dict(part.split("=", 1) for part in dict(instructions(DOCKERFILE))["ENV"].split())
    settings["LICTOR_DATA"] = str(tmp_path / "data")
    checked = run(BIN_DIR / "lictord", "check-config", "--json", env=settings)
    assert checked.code == 0, checked
    values = {option["name"]: option["value"] for option in json.loads(checked.out)["options"]}
    assert values["listen"] == "0.0.0.0:8000" and values["log_format"] == "json"


def test_what_is_secret_or_large_does_not_go_to_the_engine():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".git", "build*", "var", "deploy/docker/secrets"} <= set(ignored)
    finished = run("git", "-C", ROOT, "check-ignore", "deploy/docker/secrets/tls.key")
    assert finished.code == 0 or "not a git repository" in finished.err, finished


# ---- compose ----


def test_only_nginx_is_published():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    assert set(SERVICES["nginx"]["networks"]).isdisjoint(SERVICES["postgres"]["networks"])
    for name in ("postgres", "redis"):
        assert all(COMPOSE["networks"][network] == {"internal": True} for network in SERVICES[name]["networks"]), name
    listens = re.search(r"^\s*listen (\d+) ssl", (DOCKER / "nginx.conf").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert SERVICES["nginx"]["ports"] == [f"443:{listens}"]


def test_what_compose_names_is_there():
    for name, service in SERVICES.items():
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert set(service.get("depends_on", ())) <= set(SERVICES), name
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other], (name, other)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume
    build = SERVICES["lictord"]["build"]
    context = (DOCKER / build["context"]).resolve()
    assert context == ROOT and (context / build["dockerfile"]) == DOCKER / "Dockerfile"


def test_each_container_has_bounds_and_no_privileges():
    for name, service in SERVICES.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["restart"] == "unless-stopped", name
        if name != "postgres":  # its entry point changes the owner of its directory, then its user
            assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        if name not in ("postgres", "lictord"):  # the image of lictord has its user
            assert int(service["user"].split(":")[0]) > 0, name
    assert "privileged" not in json.dumps(COMPOSE).replace("no-new-privileges", "")
    assert int(SERVICES["lictord"]["stop_grace_period"].rstrip("s")) > GRACE_SECONDS


@pytest.fixture
def compose_secrets(tmp_path):
    made = run(DOCKER / "make-secrets", "license.example.com", tmp_path / "secrets")
    assert made.code == 0, made
    return tmp_path / "secrets"


def test_users_and_databases_match(compose_secrets):
    assert {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()} == {
        path.name for path in compose_secrets.iterdir()
    }
    url = urlsplit(re.search(r'^url = "(.*)"$', (compose_secrets / "lictord.toml").read_text(), re.MULTILINE)[1])
    database = SERVICES["postgres"]["environment"]
    assert url.scheme == "postgresql" and url.hostname == "postgres" and url.hostname in SERVICES and url.port == 5432
    assert url.username == database["POSTGRES_USER"] and url.path == "/" + database["POSTGRES_DB"]
    assert url.password == (compose_secrets / "postgres-password").read_text() and len(url.password) >= 32
    assert database["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres-password"
    assert SERVICES["lictord"]["command"] == ["--config", "/run/secrets/lictord.toml"]
    checked = SERVICES["postgres"]["healthcheck"]["test"]
    assert f"--username={url.username}" in checked and f"--dbname={url.path[1:]}" in checked
    redis = urlsplit(SERVICES["lictord"]["environment"]["REDIS_URL"])
    assert redis.scheme == "redis" and redis.hostname in SERVICES and redis.port == 6379


def test_secrets_are_made_once_and_kept_from_others(compose_secrets):
    before = {path.name: path.read_bytes() for path in compose_secrets.iterdir()}
    assert compose_secrets.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in compose_secrets.iterdir()), "containers have other users"
    assert run(DOCKER / "make-secrets", "other.example.com", compose_secrets).code == 0
    assert before == {path.name: path.read_bytes() for path in compose_secrets.iterdir()}
    subject = run("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", compose_secrets / "tls.crt")
    assert "DNS:license.example.com" in subject.out


# ---- Kubernetes ----


def documents(name):
    return [part for part in yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8")) if part]


KUSTOMIZATION = documents("kustomization.yaml")[0]
OBJECTS = [part for name in KUSTOMIZATION["resources"] for part in documents(name)]


def of_kind(kind, among=None):
    return {part["metadata"]["name"]: part for part in (OBJECTS if among is None else among) if part["kind"] == kind}


DEPLOYMENT = of_kind("Deployment")["lictord"]
POD = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
LABELS = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]


def test_every_manifest_is_applied_or_an_example():
    files = {path.name for path in KUBERNETES.glob("*.yaml")}
    assert files == set(KUSTOMIZATION["resources"]) | {"kustomization.yaml", "secret.example.yaml"}
    for part in OBJECTS:
        assert part["kind"] == "Namespace" or part["metadata"]["namespace"] == KUSTOMIZATION["namespace"], part["metadata"]
    assert len({(part["kind"], part["metadata"]["name"]) for part in OBJECTS}) == len(OBJECTS)


def test_selectors_and_ports_match():
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"].items() <= LABELS.items()
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    for name, service in of_kind("Service").items():
        assert service["spec"]["selector"].items() <= LABELS.items(), name
        assert all(port["targetPort"] in ports for port in service["spec"]["ports"]), name
    for policy in (of_kind("PodDisruptionBudget")["lictord"]["spec"]["selector"], POD["topologySpreadConstraints"][0]["labelSelector"]):
        assert policy["matchLabels"].items() <= LABELS.items()
    target = of_kind("HorizontalPodAutoscaler")["lictord"]["spec"]["scaleTargetRef"]
    assert (target["apiVersion"], target["kind"], target["name"]) == (DEPLOYMENT["apiVersion"], "Deployment", "lictord")
    for ingress in of_kind("Ingress").values():
        for path in [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]:
            backend = path["backend"]["service"]
            service = of_kind("Service")[backend["name"]]
            assert backend["port"]["name"] in [port["name"] for port in service["spec"]["ports"]], path
    listens = of_kind("ConfigMap")["lictord"]["data"]["LICTOR_LISTEN"]
    assert listens == f"0.0.0.0:{ports['http']}"
    assert CONTAINER["image"] in [image["name"] for image in KUSTOMIZATION["images"]]


def test_secrets_and_settings_that_are_referred_to_exist():
    secrets = of_kind("Secret", documents("secret.example.yaml"))
    assert not of_kind("Secret"), "none is applied from here"
    variables = {}
    for variable in CONTAINER["env"]:
        reference = variable["valueFrom"]["secretKeyRef"]
        assert reference["key"] in secrets[reference["name"]]["stringData"], variable
        variables[variable["name"]] = secrets[reference["name"]]["stringData"][reference["key"]]
    assert variables.keys() == {"DATABASE_URL", "REDIS_URL"}
    assert urlsplit(variables["DATABASE_URL"]).path == "/lictor" and urlsplit(variables["REDIS_URL"]).scheme == "redis"
    for ingress in of_kind("Ingress").values():
        for tls in ingress["spec"]["tls"]:
            assert secrets[tls["secretName"]]["type"] == "kubernetes.io/tls"
            assert tls["hosts"] == [rule["host"] for rule in ingress["spec"]["rules"]]
    maps = of_kind("ConfigMap")
    for source in CONTAINER["envFrom"]:
        assert maps[source["configMapRef"]["name"]]["data"].keys() <= option_variables()
    assert POD["serviceAccountName"] in of_kind("ServiceAccount")


def test_it_is_available():
    autoscaler, budget = of_kind("HorizontalPodAutoscaler")["lictord"]["spec"], of_kind("PodDisruptionBudget")["lictord"]
    assert DEPLOYMENT["spec"]["replicas"] == autoscaler["minReplicas"] == 3 < autoscaler["maxReplicas"]
    assert 0 < budget["spec"]["minAvailable"] < 3
    assert "cpu" in CONTAINER["resources"]["requests"], "the autoscaler needs it"
    assert {name: CONTAINER[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")} == {
        "livenessProbe": {"path": "/health", "port": "http"},
        "readinessProbe": {"path": "/ready", "port": "http"},
    }
    grace = int(of_kind("ConfigMap")["lictord"]["data"]["LICTOR_SHUTDOWN_GRACE"].rstrip("s"))
    before = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    assert POD["terminationGracePeriodSeconds"] > before + grace
    startup = CONTAINER["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 300, "as long as the unit allows"


def test_pods_are_restricted():
    """What the namespace enforces (Pod Security Standard "restricted"), and a root file system that is read-only."""
    (namespace,) = of_kind("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pod, own = POD["securityContext"], CONTAINER["securityContext"]
    assert pod["runAsNonRoot"] and pod["runAsUser"] == 10001 and pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert POD["automountServiceAccountToken"] is False
    assert "memory" in CONTAINER["resources"]["limits"]
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in POD["volumes"]}
    assert of_kind("ConfigMap")["lictord"]["data"]["LICTOR_DATA"].startswith(mounts["data"] + "/")


def test_only_what_is_needed_is_reached():
    policies = of_kind("NetworkPolicy")
    assert policies["default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    own = policies["lictord"]["spec"]
    assert own["podSelector"]["matchLabels"].items() <= LABELS.items() and own["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule["from"] and rule["ports"] == [{"protocol": "TCP", "port": "http"}] for rule in own["ingress"])
    reached = {(port["protocol"], port["port"]) for rule in own["egress"] for port in rule["ports"]}
    assert all(rule["to"] for rule in own["egress"])
    secret = of_kind("Secret", documents("secret.example.yaml"))["lictor-secrets"]["stringData"]
    assert reached == {("UDP", 53), ("TCP", 53)} | {("TCP", urlsplit(url).port) for url in secret.values()}
    namespaces = {to["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for rule in own["egress"] for to in rule["to"]}
    assert {urlsplit(url).hostname.split(".")[1] for url in secret.values()} <= namespaces


@pytest.mark.parametrize(
    "path, who",
    [
        ("/api/v1/licenses/activate", "lictord"),
        ("/api/v1/api/v1/activate", "lictord"),
        ("/ready", "lictord"),
        ("/metrics", None),
        ("/readyx", None),
        ("/api/v1/admin/licenses", "lictord-admin"),
        ("/api/v1/api/v1/admin/licenses", "lictord-admin"),
        ("/API/v1/Admin", "lictord-admin"),
    ],
)
def test_who_of_the_ingresses_answers(path, who):
    """As ingress-nginx chooses with use-regex: patterns without case, at the beginning, the longest pattern first."""
    patterns = [
        (entry["path"], name)
        for name, ingress in of_kind("Ingress").items()
        for rule in ingress["spec"]["rules"]
        for entry in rule["http"]["paths"]
    ]
    found = [name for pattern, name in sorted(patterns, key=lambda each: -len(each[0])) if re.match(pattern, path, re.IGNORECASE)]
    assert (found or [None])[0] == who
    assert "whitelist-source-range" in " ".join(of_kind("Ingress")["lictord-admin"]["metadata"]["annotations"])


def test_the_volume_of_kubernetes_will_do(start_server, tmp_path):
    """An emptyDir may be written by everybody, which lictord refuses for its data; a directory in it is its own."""
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o2777)
    server = start_server(demo=False)
    server.stop()
    server.data = volume / "data"
    server.start()
    assert server.data.stat().st_mode & 0o777 == 0o700
    refused = subprocess.run([BIN_DIR / "lictord", "--data", volume], capture_output=True, text=True, timeout=20, check=False)
    assert refused.returncode == 1 and "can be written by everybody" in refused.stderr
