"""Every command that changes something that is there: what it prints, what the server then has, how it ends."""

import os
import re

import pytest

from command_line import CHANGED, DONE, REFUSED, UNAUTHENTICATED, USAGE, Cli
from support import KEY_FORMAT, lictor

DAY = 86400


@pytest.fixture
def cli(shared_server, secrets):
    return Cli(shared_server, secrets)


@pytest.fixture
def product(cli, request):
    """A product of the test's own, with a policy `team`."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-") + f"-{os.getpid()}"
    cli.done("product", "create", name)
    cli.done("policy", "create", "--product", name, "team", "--duration", "30d", "--max-clients", "3", "--feature", "view")
    return name


# ---- licenses ----


@pytest.mark.quick
def test_change_touches_what_is_given(cli, product):
    (one,) = cli.create("--holder", "ACME", policy="team", product=product)
    name = one["license_id"]
    changed = cli.json("license", "change", name, "--max-clients", "7", "--set", "grace=60", "--holder", "Öl & Co")
    assert (changed["max_clients"], changed["holder"]) == (7, "Öl & Co")
    assert changed["overrides"] == {"max_clients": 7, "grace": 60}
    assert changed["expires_at"] == one["expires_at"]
    changed = cli.json("license", "change", one["license_key"], "--unset", "max_clients", "--holder", "", "--reason", "why not")
    assert (changed["max_clients"], changed["holder"], changed["overrides"]) == (3, None, {"grace": 60})
    changed = cli.json("license", "change", name, "--max-clients", "unlimited", "--expires-at", "never")
    assert (changed["max_clients"], changed["expires_at"]) == (None, None)
    assert cli.json("license", "change", name, "--expires-at", "2030-01-01T00:00Z")["expires_at"] == 1893456000
    cli.done("policy", "create", "--product", product, "other", "--max-clients", "1")
    assert cli.json("license", "change", name, "--policy", "other")["policy"] == "other"
    assert "why not" in cli.done("audit", "list", "--subject", name, "--action", "license.")
    assert re.search(r"^policy +other$", cli.done("license", "change", name, "--set", "grace=1"), re.MULTILINE)


def test_features_and_quotas_go_beside_those_of_the_policy(cli, product):
    (one,) = cli.create("--feature", "export=3", "--quota", "calls=10/day", policy="team", product=product)
    name = one["license_id"]
    assert sorted(one["features"]) == ["export", "view"]
    changed = cli.json("license", "change", name, "--feature", "print", "--remove-feature", "export")
    assert sorted(changed["features"]) == ["print", "view"]
    changed = cli.json("license", "change", name, "--quota", "pages=unlimited/month", "--max-clients", "9")
    assert set(changed["overrides"]["quotas"]) == {"calls", "pages"} and changed["max_clients"] == 9
    changed = cli.json("license", "change", name, "--unset", "features", "--remove-quota", "calls")
    assert (changed["features"], set(changed["overrides"]["quotas"])) == (["view"], {"pages"})
    line = cli.fails(REFUSED, "license", "change", name, "--remove-feature", "no-such")
    assert line == "--remove-feature no-such: there is none of that name"
    line = cli.fails(USAGE, "license", "change", name, "--set", "grace=1", "--unset", "grace")
    assert line == "--unset grace: it is set, too"
    assert cli.fails(USAGE, "license", "change", name).startswith("nothing to change: give ")
    line = cli.fails(REFUSED, "license", "change", name, "--unset", "no-such")
    assert "unset" in line and "max_clients" in line  # what is allowed


@pytest.mark.quick
def test_renew_and_extend(cli, product):
    (one,) = cli.create(policy="team", product=product)
    name, end = one["license_id"], one["expires_at"]
    assert cli.json("license", "renew", name)["expires_at"] == end + 30 * DAY
    assert cli.json("license", "extend", name, "+1d12h", "--reason", "a holiday")["expires_at"] == end + 31 * DAY + DAY // 2
    assert cli.json("license", "extend", name, "90s")["expires_at"] == end + 31 * DAY + DAY // 2 + 90
    assert cli.done("license", "extend", name, "--expires-at", "2040-01-01T00:00Z", env={"TZ": "UTC"}) == (
        f"{name} expires 2040-01-01T00:00:00Z\n"
    )
    assert cli.json("license", "renew", name, "--expires-at", "2041-01-01T00:00Z")["expires_at"] == 2240611200
    assert cli.fails(USAGE, "license", "extend", name).startswith("lictor license extend needs how long")
    assert cli.fails(USAGE, "license", "extend", name, "0").startswith("by 0: not allowed; give ")
    assert cli.fails(USAGE, "license", "extend", name, "soon").startswith("by soon: not allowed; give ")


def test_transfer(cli, product):
    (one,) = cli.create("--holder", "ACME", policy="team", product=product)
    name, key = one["license_id"], one["license_key"]
    assert cli.activate(key, "m1").status_code == 200
    moved = cli.json("license", "transfer", name, "--holder", "Umbrella", "--keep-clients")
    assert (moved["holder"], moved["active_clients"], moved["license_key"]) == ("Umbrella", 1, key)
    line = cli.fails(USAGE, "license", "transfer", name, "--holder", "Cyberdyne", "--new-key")
    assert line == "that can't be undone, and there is no terminal to ask on: give --yes to do it"
    moved = cli.json("license", "transfer", name, "--holder", "Cyberdyne", "--new-key", "--yes")
    cli.secrets.add_license_key(moved["license_key"])
    assert (moved["holder"], moved["active_clients"]) == ("Cyberdyne", 0) and moved["license_key"] != key
    assert cli.validate(key) == "LICENSE_KEY_INVALID" and cli.validate(moved["license_key"]) is None
    assert cli.json("license", "find", moved["license_key"])["license_id"] == name


@pytest.mark.quick
def test_a_change_on_top_of_another_is_refused_with_a_code_of_its_own(cli, product):
    (one,) = cli.create(policy="team", product=product)
    name = one["license_id"]
    etag = cli.json("license", "show", name)["etag"]
    changed = cli.json("license", "change", name, "--max-clients", "5", "--if-match", etag)
    assert changed["etag"] != etag
    finished = cli.run("license", "change", name, "--max-clients", "6", "--if-match", etag)
    assert finished.code == CHANGED and "PRECONDITION_FAILED" in finished.err and "hint: " in finished.err, finished
    assert cli.json("license", "show", name)["max_clients"] == 5
    assert cli.json("license", "suspend", name, "--if-match", changed["etag"])["status"] == "suspended"
    assert cli.fails(USAGE, "license", "resume", name, "--if-match", "two words").startswith("--if-match: not an ETag")


IRREVERSIBLE = [
    ["license", "revoke", "lic_" + "0" * 26],
    ["client", "forget", "cli_" + "0" * 26],
    ["product", "delete", "demo"],
    ["policy", "delete", "floating", "--product", "demo"],
    ["key", "revoke", "key_" + "0" * 26],
]


@pytest.mark.parametrize("args", IRREVERSIBLE, ids=" ".join)
def test_what_cannot_be_undone_needs_yes_or_a_terminal(cli, args):
    assert cli.fails(USAGE, *args).startswith("that can't be undone, and there is no terminal to ask on: give --yes")


@pytest.mark.parametrize("answer, code", [("n", REFUSED), ("y", DONE)])
def test_the_question_says_what_would_be_done(cli, answer, code):
    name = f"asked-{os.getpid()}-{answer}"
    cli.done("product", "create", name)
    finished, _, err = cli.on_terminal(answer, "product", "delete", name)
    assert finished == code and f"Delete product {name} for good? [y/N] " in err
    assert (name in cli.done("product", "list")) == (code == REFUSED)


# ---- clients ----


@pytest.mark.quick
def test_clients(cli, product):
    (one,) = cli.create(policy="team", product=product)
    name, key = one["license_id"], one["license_key"]
    for machine in ("m1", "my machine"):
        assert cli.activate(key, machine, client_version="2.5").status_code == 200
    listed = cli.json("client", "list", key)
    assert [client["client_id"] for client in listed] == ["m1", "my machine"]
    shown = cli.json("client", "show", name, "my machine")
    assert shown["id"] == listed[1]["id"] and shown["client_version"] == "2.5" and shown["etag"]
    assert re.search(r"^version +2\.5$", cli.done("client", "show", shown["id"]), re.MULTILINE)

    assert cli.done("client", "deactivate", name, "m1", "--reason", "moved") == f"{listed[0]['id']} (m1) is released\n"
    assert [client["client_id"] for client in cli.json("client", "list", name, "--held")] == ["my machine"]
    assert cli.json("client", "block", shown["id"], "--reason", "stolen")["status"] == "blocked"
    assert cli.activate(key, "my machine").json()["error"]["code"] == "CLIENT_BLOCKED"
    assert re.search(r"^my machine +blocked ", cli.done("client", "list", name), re.MULTILINE)
    cli.done("client", "unblock", name, "my machine")
    assert cli.activate(key, "my machine").status_code == 200
    assert cli.done("client", "forget", shown["id"], "--yes") == f"{shown['id']} is forgotten\n"
    assert [client["client_id"] for client in cli.json("client", "list", name)] == ["m1"]
    assert cli.json("license", "show", name)["active_clients"] == 0


def test_a_client_that_is_not_there(cli, product):
    (one,) = cli.create(policy="team", product=product)
    assert cli.fails(REFUSED, "client", "show", one["license_id"], "m9") == f"{one['license_id']} has no client m9"
    assert cli.fails(REFUSED, "client", "show", "cli_" + "0" * 26).startswith("NOT_FOUND: ")
    assert cli.fails(USAGE, "client", "show", "m9") == "m9: not the id of a client; one is cli_ and 26 characters"
    finished = cli.run("client", "list", one["license_id"])
    assert (finished.code, finished.out, finished.err) == (DONE, "", "lictor: no clients\n")


# ---- products, policies, API keys ----


def test_a_product_is_changed_and_deleted(cli):
    name = f"changed-{os.getpid()}"
    cli.done("product", "create", name, "--release", "1.0=2026-01-01T00:00Z")
    changed = cli.json("product", "change", name, "--release", "1.1=2026-06-01T00:00Z", "--client-auth", "license")
    assert (changed["client_auth"], set(changed["releases"])) == ("license", {"1.0", "1.1"})
    changed = cli.json("product", "change", name, "--remove-release", "1.0", "--require-signature", "yes")
    assert (set(changed["releases"]), changed["require_signature"]) == ({"1.1"}, True)
    assert cli.json("product", "show", name)["etag"] == changed["etag"]
    assert re.search(r"^release +1\.1 of 2026-06-01", cli.done("product", "show", name), re.MULTILINE)
    line = cli.fails(REFUSED, "product", "change", name, "--remove-release", "9")
    assert line == f"--remove-release 9: {name} has no such release"
    assert cli.fails(USAGE, "product", "change", name).startswith("nothing to change: give ")
    cli.done("policy", "create", "--product", name, "only")
    assert cli.fails(REFUSED, "product", "delete", name, "--yes").startswith("IN_USE: ")
    assert cli.done("policy", "delete", "only", "--product", name, "--yes") == "policy only is deleted\n"
    assert cli.done("product", "delete", name, "--yes") == f"product {name} is deleted\n"
    assert cli.fails(REFUSED, "product", "show", name).startswith("NOT_FOUND: ")


def test_a_policy_is_changed_and_deleted(cli, product):
    (one,) = cli.create(policy="team", product=product)
    changed = cli.json(
        *["policy", "change", "team", "--product", product, "--max-clients", "8", "--feature", "print", "--unset", "duration"],
    )
    assert changed["terms"]["max_clients"] == 8 and "duration" not in changed["terms"]
    assert set(changed["terms"]["features"]) == {"view", "print"}
    assert cli.json("license", "show", one["license_id"])["max_clients"] == 8
    changed = cli.json("policy", "change", changed["id"], "--remove-feature", "view", "--quota", "calls=5/day")
    assert (set(changed["terms"]["features"]), set(changed["terms"]["quotas"])) == ({"print"}, {"calls"})
    assert cli.json("policy", "show", changed["id"])["etag"] == changed["etag"]
    assert re.search(r"^clients +8, node-locked$", cli.done("policy", "show", "team", "--product", product), re.MULTILINE)
    assert cli.fails(USAGE, "policy", "show", "team") == "team: a policy's name needs its --product beside it"
    assert cli.fails(REFUSED, "policy", "show", "none", "--product", product) == f"product {product} has no policy none"
    assert cli.fails(USAGE, "policy", "change", changed["id"]).startswith("nothing to change: give ")
    assert cli.fails(REFUSED, "policy", "delete", changed["id"], "--yes").startswith("IN_USE: ")


def test_terms_that_have_no_effect_are_remarked(cli, product):
    finished = cli.run("policy", "create", "--product", product, "odd", "--terms", '{"borrow_max": 60}', "--json")
    assert finished.code == DONE and finished.err.startswith("lictor: warning: "), finished


def test_an_api_key_is_changed(cli, secrets):
    created = cli.json("key", "create", "ci", "--scope", "admin:read", "--address", "127.0.0.0/8", "--expires-at", "+1d")
    secrets.add_api_key(created["api_key"])
    name = created["id"]
    assert created["addresses"] == ["127.0.0.0/8"]
    as_other = {"LICTOR_API_KEY": created["api_key"]}

    def code(*args):
        return lictor(*args, "--url", cli.server.url, env=as_other).code

    assert code("license", "list") == DONE
    changed = cli.json("key", "change", name, "--address", "10.0.0.0/8", "--address", "::1", "--name", "build")
    assert (changed["addresses"], changed["name"]) == (["10.0.0.0/8", "::1"], "build")
    assert code("license", "list") == UNAUTHENTICATED
    changed = cli.json("key", "change", name, "--any-address", "--expires-at", "never", "--if-match", changed["etag"])
    assert (changed["addresses"], changed["expires_at"]) == ([], None)
    assert code("license", "list") == DONE
    shown = cli.done("key", "show", name)
    assert re.search(r"^addresses +any$", shown, re.MULTILINE) and re.search(r"^name +build$", shown, re.MULTILINE)
    line = cli.fails(REFUSED, "key", "change", name, "--require-signature", "yes")
    assert "require_signature" in line  # an administrator's requests have no signature
    assert cli.fails(USAGE, "key", "change", name).startswith("nothing to change: give ")
    assert cli.fails(REFUSED, "key", "change", name, "--address", "10.0.0.0/99").startswith("BAD_REQUEST: ")
    assert cli.json("key", "revoke", name, "--yes")["revoked_at"] > 0


def test_a_license_for_people(cli, product):
    (one,) = cli.create(policy="team", product=product)
    finished = cli.done("license", "suspend", one["license_id"], "--reason", "invoice")
    assert finished == f"{one['license_id']} is suspended\n"
    shown = cli.done("license", "find", one["license_key"])
    assert KEY_FORMAT.search(shown) and re.search(r"^status +suspended$", shown, re.MULTILINE)
