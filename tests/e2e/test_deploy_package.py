"""The Debian package that CPack makes of what was built. That it installs, removes and purges is checked in a root of its
own by deploy/debian/check-in-root."""

import re

import pytest

from fronts import need
from support import BIN_DIR, ROOT, run

BUILD = BIN_DIR.parent
SCRIPTS = ("postinst", "prerm", "postrm")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package, and the directory that it was unpacked into (control files in DEBIAN/)."""
    cpack = need("cpack", "cmake")
    need("file", "file")  # by which CPack finds what dpkg-shlibdeps is to look at
    folder = tmp_path_factory.mktemp("package")
    made = run(cpack, "--config", BUILD / "CPackConfig.cmake", "-G", "DEB", "-B", folder, cwd=BUILD, limit=300)
    assert made.code == 0, made
    (path,) = folder.glob("*.deb")
    assert run("dpkg-deb", "--raw-extract", path, folder / "root").code == 0
    return path, folder / "root"


def field(path, name):
    return run("dpkg-deb", "--field", path, name).out.strip()


def test_what_it_is_and_needs(package):
    path, root = package
    version = re.search(r"project\(lictor VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))[1]
    architecture = run("dpkg", "--print-architecture").out.strip()
    assert path.name == f"lictor_{version}_{architecture}.deb"
    assert (field(path, "Package"), field(path, "Version"), field(path, "Section")) == ("lictor", version, "net")
    depends = {re.split(r"[ (]", each)[0]: each for each in field(path, "Depends").split(", ")}
    assert {"adduser", "libc6", "libssl3", "libsqlite3-0", "libstdc++6"} <= depends.keys()
    assert "(>= " in depends["libc6"], "found by dpkg-shlibdeps"
    assert not [name for name in depends if name.endswith("-dev")]
    linked = set(re.findall(r"^\s*(\S+\.so\S*) => (?!not found)", run("ldd", root / "usr/bin/lictord").out, re.MULTILINE))
    for name, package_name in (("libpq.so", "libpq5"), ("libmariadb.so", "libmariadb3"), ("libcurl.so", "libcurl4")):
        if any(library.startswith(name) for library in linked):
            assert package_name in depends


def test_what_is_in_it(package):
    path, root = package
    listed = run("dpkg-deb", "--contents", path).out
    modes = {line.split()[-1].lstrip("."): line[:10] for line in listed.splitlines() if not line.startswith("d")}
    assert {name: modes[name] for name in ("/usr/bin/lictord", "/usr/bin/lictor")} == dict.fromkeys(
        ("/usr/bin/lictord", "/usr/bin/lictor"), "-rwxr-xr-x"
    )
    for name in ("lictord.service", "lictord-backup.service", "lictord-backup.timer"):
        assert (root / "lib/systemd/system" / name).read_bytes() == (ROOT / "deploy/systemd" / name).read_bytes()
    assert (root / "etc/lictor/lictord.toml").read_bytes() == (ROOT / "deploy/systemd/lictord.toml").read_bytes()
    assert (root / "DEBIAN/conffiles").read_text() == "/etc/lictor/lictord.toml\n"
    assert {name.rsplit("/", 1)[1] for name in modes if "/share/doc/lictor/" in name} >= {"copyright", "changelog.gz", "lictor.conf"}
    assert {line.split()[1] for line in listed.splitlines()} == {"root/root"}
    strange = [name for name in modes if not re.match(r"/(usr/(bin|share)|etc/lictor|lib/systemd/system)/", name)]
    assert not strange, strange
    assert "not stripped" not in run("file", root / "usr/bin/lictord").out
    assert ".debug_info" not in run("readelf", "--sections", "--wide", root / "usr/bin/lictord").out


def test_its_pages_lead_to_what_is_there(package):
    _, root = package
    doc = root / "usr/share/doc/lictor"
    pages = [*doc.glob("*.md"), *doc.glob("decisions/*.md")]
    assert {"operations.md", "options.md", "http-api.md", "cli.md"} <= {page.name for page in pages}
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert (doc / "operations.md").read_text(encoding="utf-8") == text.replace("](../deploy/", "](examples/"), "and nothing else"
    for name in ("nginx", "apache", "monitoring", "cluster", "kubernetes", "systemd", "docker"):
        shipped = [path for path in (doc / "examples" / name).rglob("*") if path.is_file()]
        assert shipped, name
        for path in shipped:
            assert path.read_bytes() == (ROOT / "deploy" / path.relative_to(doc / "examples")).read_bytes(), path
    assert not (doc / "examples/docker/secrets").exists()


def test_it_runs_from_there(package):
    _, root = package
    said = run(root / "usr/bin/lictord", "--version")
    assert said.code == 0 and "lictor" in said.out.lower(), said
    checked = run(root / "usr/bin/lictord", "check-config", "--config", root / "etc/lictor/lictord.toml", "--json")
    assert '"origin":"%s' % (root / "etc/lictor/lictord.toml") in checked.out, checked


def test_its_scripts_are_in_order(package):
    _, root = package
    for name in SCRIPTS:
        script = root / "DEBIAN" / name
        assert script.stat().st_mode & 0o777 == 0o755, name
        assert run("sh", "-n", script).code == 0, name
        assert "\nset -e\n" in script.read_text(encoding="utf-8"), name
    unit = (root / "lib/systemd/system/lictord.service").read_text(encoding="utf-8")
    user = re.search(r"^User=(\w+)$", unit, re.MULTILINE)[1]
    assert f"--no-create-home {user}\n" in (root / "DEBIAN/postinst").read_text(encoding="utf-8")


def test_lintian_has_nothing_to_say(package):
    path, _ = package
    lintian = need("lintian", "lintian")
    said = run(lintian, "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", path, limit=300)
    assert said.code == 0 and not said.out.strip(), said
