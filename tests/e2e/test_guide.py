"""The client-server guide's snippets, unmodified, against a started server. guide/ holds them byte for byte as printed;
only the address, the API key and the license key are filled in, at run time."""

import ast
import hashlib
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import requests

from support import KEY_FORMAT, ROOT, run

pytestmark = pytest.mark.quick

GUIDE = Path(__file__).parent / "guide"
PRINTED_GUIDE = ROOT.parent / "shared/guides/client-server-guide.txt"
ADDRESS = "https://license.example.com"
API_KEYS = ("your-api-key-here", "your-api-key")  # the longer one first
LICENSE_KEYS = ("XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX", "TEST-KEY-001")

SNIPPETS = {  # file → SHA-256; the section it is printed in
    "license_client.py": "a2b1e9db182431302dc55593e7ded42cd177d25d384e8bb19dee838b5a1565b1",  # 4.3
    "api_key_example.py": "b914d1a4887c6205a230ec1d340bd847b1b58aaf6914a332a6bf873bf46677ef",  # 4.1
    "curl.sh": "67eca51c4e40a8a8dff0403eab2ccebf4ee1b6f51183391363e0f3a960847b24",  # 6.1
    "test_license_api.py": "f8a2848a2ea26949ed8252c6c8551b1d9d8b0b674d03b595cd7594a7ca8360b7",  # 6.1
}


def filled_in(name, url, api_key=None, license_key=None):
    """The snippet's text with what its reader has to fill in."""
    text = (GUIDE / name).read_text(encoding="utf-8")
    assert name == "license_client.py" or ADDRESS in text
    text = text.replace(ADDRESS, url)
    for placeholder in API_KEYS if api_key else ():
        text = text.replace(placeholder, api_key)
    for placeholder in LICENSE_KEYS if license_key else ():
        text = text.replace(placeholder, license_key)
    return text


@pytest.fixture(scope="module")
def guide_client():
    """The guide's LicenseClient class."""
    spec = importlib.util.spec_from_file_location("license_client", GUIDE / "license_client.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.LicenseClient


@pytest.fixture(scope="module")
def api_key(shared_server):
    return shared_server.create_api_key()["api_key"]


@pytest.fixture
def license_key(shared_server):
    return shared_server.create_license("perpetual")["license_key"]


# ---- the snippets themselves ----


@pytest.mark.parametrize("name", SNIPPETS)
def test_snippet_was_not_edited(name):
    assert hashlib.sha256((GUIDE / name).read_bytes()).hexdigest() == SNIPPETS[name]


@pytest.mark.parametrize("name", SNIPPETS)
def test_snippet_is_printed_in_the_guide(name):
    if not PRINTED_GUIDE.exists():
        pytest.skip("the guide is not beside this checkout")
    assert (GUIDE / name).read_bytes() in PRINTED_GUIDE.read_bytes()


# ---- 4.3 LicenseClient ----


@pytest.mark.parametrize("suffix", ["", "/", "/api/v1"], ids=["plain", "slash", "doubled prefix"])
def test_client_activates_then_validates(shared_server, guide_client, api_key, license_key, suffix):
    client = guide_client(shared_server.url + suffix, api_key)

    activated = client.activate_license(license_key, "client-001", "a1b2c3d4e5f6...")
    assert activated["status"] == "success"
    assert activated["message"]
    data = activated["data"]
    assert re.fullmatch(r"lic_[0-9a-z]{26}", data["license_id"])
    assert data["status"] == "active"
    assert isinstance(data["features"], list)
    assert isinstance(data["expires_at"], int) or data["expires_at"] is None
    assert isinstance(data["max_clients"], int) or data["max_clients"] is None
    assert isinstance(data["issued_at"], int)

    validated = client.validate_license(data["license_id"])
    assert validated["status"] == "success"
    assert validated["data"]["license_id"] == data["license_id"]
    assert validated["data"]["status"] == "active"


def test_client_may_repeat_itself(shared_server, guide_client, api_key, license_key):
    client = guide_client(shared_server.url, api_key)
    answers = [client.activate_license(license_key, "client-001", "a1b2c3d4e5f6...")["data"] for _ in range(3)]
    assert [answer["active_clients"] for answer in answers] == [1, 1, 1]
    assert len({answer["client"]["id"] for answer in answers}) == 1


@pytest.mark.parametrize("kind", ["words", "altered", "revoked"])
def test_client_takes_401_for_a_failed_login(shared_server, guide_client, license_key, kind):
    key = "your-api-key"
    if kind != "words":
        created = shared_server.create_api_key()
        key = created["api_key"]
    if kind == "altered":
        key = key[:-1] + ("A" if key[-1] != "A" else "B")
    if kind == "revoked":
        shared_server.admin("POST", f"/api-keys/{created['id']}/revoke")
    client = guide_client(shared_server.url, key)
    with pytest.raises(Exception, match="^Authentication failed$"):
        client.activate_license(license_key, "client-001", "a1b2c3d4e5f6...")


def test_client_never_takes_a_refused_license_for_a_failed_login(shared_server, guide_client, api_key):
    client = guide_client(shared_server.url, api_key)
    created = shared_server.create_license("perpetual")
    shared_server.admin("POST", f"/licenses/{created['license_id']}/suspend")
    for key, status, code in [
        (created["license_key"], 403, "LICENSE_SUSPENDED"),
        ("TEST-KEY-404", 404, "LICENSE_KEY_INVALID"),
        ("no key at all!", 404, "LICENSE_KEY_INVALID"),
    ]:
        with pytest.raises(requests.exceptions.HTTPError) as refused:
            client.activate_license(key, "client-001", "a1b2c3d4e5f6...")
        assert refused.value.response.status_code == status
        error = refused.value.response.json()
        assert (error["status"], error["error"]["code"]) == ("error", code)


def test_client_with_a_changed_signature_is_refused(shared_server, guide_client, api_key, license_key):
    class Tampering(guide_client):
        def _sign_request(self, data):
            return super()._sign_request({**data, "client_version": "9.9.9"})

    with pytest.raises(Exception, match="^Authentication failed$"):
        Tampering(shared_server.url, api_key).activate_license(license_key, "client-001", "a1b2c3d4e5f6...")


def test_generated_keys_have_the_format_of_the_guide(shared_server):
    for created in shared_server.create_licenses("perpetual", count=20):
        assert KEY_FORMAT.fullmatch(created["license_key"])


# ---- 4.1 API key ----


def test_api_key_example(shared_server, api_key, license_key, tmp_path):
    script = tmp_path / "api_key_example.py"
    script.write_text(filled_in("api_key_example.py", shared_server.url, api_key, license_key), encoding="utf-8")
    finished = run(sys.executable, script)
    assert finished.code == 0, finished
    answer = ast.literal_eval(finished.out)
    assert answer["status"] == "success", answer
    assert answer["data"]["status"] == "active"


# ---- 6.1 curl and pytest ----


def curl(text, tmp_path):
    script = tmp_path / "curl.sh"
    script.write_text(text, encoding="utf-8")
    finished = run("bash", script)
    assert finished.code == 0, finished
    return json.loads(finished.out)


def without_api_key(text):
    lines = [line for line in text.splitlines(keepends=True) if "X-API-Key" not in line]
    assert len(lines) == len(text.splitlines()) - 1
    return "".join(lines)


def test_curl_with_the_key_of_the_guide(shared_server, api_key, tmp_path):
    answer = curl(filled_in("curl.sh", shared_server.url, api_key), tmp_path)
    assert answer["status"] == "success", answer


def test_curl_without_an_api_key_works_on_the_sandbox(shared_server, tmp_path):
    answer = curl(without_api_key(filled_in("curl.sh", shared_server.url)), tmp_path)
    assert answer["status"] == "success", answer


def test_curl_on_the_demo_product_needs_the_api_key(shared_server, api_key, license_key, tmp_path):
    text = filled_in("curl.sh", shared_server.url, api_key, license_key)
    assert curl(text, tmp_path)["status"] == "success"
    refused = curl(without_api_key(text), tmp_path)
    assert (refused["status"], refused["error"]["code"]) == ("error", "UNAUTHENTICATED")


def run_guide_pytest(directory, text):
    (directory / "test_license_api.py").write_text(text, encoding="utf-8")
    return run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_license_api.py", cwd=directory)


def test_pytest_example_on_the_sandbox(shared_server, tmp_path):
    finished = run_guide_pytest(tmp_path, filled_in("test_license_api.py", shared_server.url))
    assert finished.code == 0, finished
    assert "2 passed" in finished.out


def test_pytest_example_fails_on_the_demo_product(shared_server, license_key, tmp_path):
    finished = run_guide_pytest(tmp_path, filled_in("test_license_api.py", shared_server.url, None, license_key))
    assert finished.code == 1, finished
    assert "assert 401 == 200" in finished.out
    assert "1 failed, 1 passed" in finished.out
