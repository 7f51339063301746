"""The checks that watch over all other tests must themselves be able to fail."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from support import ROOT, Secrets, Server, run

LICENSE_KEY = "ABCDEFGH-JKMN-PQRS-TVWX-0123456789AB"
API_KEY = "lk_live_0123456789abcdefghjkmnpqrs_SECRETsecretSECRETsecret123"


@pytest.mark.parametrize(
    "where, text, found",
    [
        ("stderr.1", f"license_key={LICENSE_KEY} refused", 1),
        ("stderr.1", f"license_key={LICENSE_KEY.lower()}", 1),
        ("data/logs/lictord.log", f'{{"key":"{API_KEY}"}}', 2),  # the whole and its secret part
        ("data/logs/lictord.log.1", "SECRETsecretSECRETsecret123", 1),
        ("data/lictor.db", f"\0\1{API_KEY}\2", 2),  # not only in logs: hashed at rest
        ("data/lictor.db-wal", f"{API_KEY}", 2),
        ("told.errors", f'{{"message":"the license key {LICENSE_KEY} is unknown"}}', 1),
        ("told.metrics", f'license_requests_total{{key="{API_KEY}"}} 1', 2),
        ("data/lictor.db", LICENSE_KEY, 0),
        ("data/admin.key", API_KEY, 0),
        ("stdout.1", LICENSE_KEY, 0),  # the banner shows it on purpose
        ("stderr.1", "license_key=lic_0123 key=lk_live_0123456789abcdefghjkmnpqrs", 0),
    ],
)
def test_a_secret_is_found_where_it_must_not_be(tmp_path, where, text, found):
    secrets = Secrets()
    Server(tmp_path, secrets)
    secrets.add_license_key(LICENSE_KEY)
    secrets.add_api_key(API_KEY)
    (tmp_path / "data/logs").mkdir(parents=True)
    (tmp_path / where).write_text(text, encoding="utf-8")
    assert len(secrets.leaks()) == found


@pytest.mark.parametrize("table, found", [("events", 1), ("refusals", 1), ("licenses", 0)])
def test_a_license_key_is_found_in_what_is_kept_of_it(tmp_path, table, found):
    secrets = Secrets()
    Server(tmp_path, secrets)
    secrets.add_license_key(LICENSE_KEY)
    (tmp_path / "data").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "data/lictor.db")) as database:
        database.execute(f"CREATE TABLE {table} (at INTEGER, detail TEXT)")
        database.execute(f"INSERT INTO {table} VALUES (1, ?)", (f'{{"key":"{LICENSE_KEY.lower()}"}}',))
        database.commit()
    assert len(secrets.leaks()) == found


OFFENCES = [  # rule, file, text, line of the offence
    ("layers", "src/base/a.cpp", '#include "store/b.h"\n', 1),
    ("layers", "src/unheard_of/a.cpp", "int x;\n", 1),
    ("include_prefix", "src/base/a.cpp", '\n#include "b.h"\n', 2),
    ("include_prefix", "src/base/a.cpp", '#include "base/not_there.h"\n', 1),
    ("file_length", "src/base/a.cpp", "int x;\n" * 501, 501),
    ("file_length", "tests/unit/a.cpp", "int x;\n" * 901, 901),
    ("function_length", "src/base/a.cpp", "int f() {\n" + "  g();\n" * 69 + "}\n", 1),
    ("function_length", "src/base/a.cpp", "A::A(int x)\n    : b_{x}, c_{1} {\n" + "  g();\n" * 69 + "}\n", 2),
    ("function_length", "tools/a.py", "def f():\n" + "    g()\n" * 70, 1),
    ("function_length", "tools/a.sh", "f() {\n" + "  g\n" * 69 + "}\n", 1),
    ("sql_in_store_only", "src/api/a.cpp", 'auto x = "SELECT 1";\n', 1),
    ("sql_in_store_only", "apps/lictor/a.cpp", 'auto x = R"(\n  DELETE FROM x)";\n', 1),
    ("no_secrets_in_logs", "src/api/a.cpp", 'logger.info("a", "b",\n            {{"key", api_key}});\n', 2),
    ("no_secrets_in_logs", "src/api/a.cpp", 'log_->warning("a", "b", {{"license_key", text}});\n', 1),
    ("nothing_unfinished", "src/base/a.cpp", "// TO" + "DO: later\n", 1),
    ("white_space", "src/base/a.cpp", "int x;\n\tint y;\n", 2),
    ("white_space", "README.md", "words \n", 1),
    ("no_machine_paths", "docs/a.md", "see /ho" + "me/me/notes\n", 1),
]
FINE = [
    ("src/store/a.cpp", '#include "base/b.h"\nauto x = "SELECT 1";\n'),
    ("src/base/a.cpp", "int f() {\n" + "  g();\n" * 68 + "}\n"),
    ("src/base/a.cpp", "constexpr int kTable[] = {\n" + "  1,\n" * 200 + "};\n"),
    ("src/base/a.cpp", "class A {\n  int f() { return 1; }\n" + "  int x_{1};\n" * 100 + "};\n"),
    ("src/base/a.cpp", '// "SELECT 1" in a comment\n'),
    ("src/api/a.cpp", 'logger.info("key.created", "API key created", {{"api_key_id", key.id}});\n'),
]


@pytest.fixture
def house(tmp_path):
    """A tree with the real table of layers and one harmless header."""
    (tmp_path / "cmake").mkdir()
    shutil.copy(ROOT / "cmake/layers.cmake", tmp_path / "cmake")
    (tmp_path / "src/base").mkdir(parents=True)
    (tmp_path / "src/base/b.h").write_text("int b();\n", encoding="utf-8")
    return tmp_path


def tidy(house: Path, path, text):
    (house / path).parent.mkdir(parents=True, exist_ok=True)
    (house / path).write_text(text, encoding="utf-8")
    return run(ROOT / "tools/tidy", house)


@pytest.mark.parametrize("rule, path, text, line", OFFENCES, ids=[f"{case[0]} {n}" for n, case in enumerate(OFFENCES)])
def test_tidy_finds(house, rule, path, text, line):
    finished = tidy(house, path, text)
    assert finished.code == 1, finished
    assert f"{path}:{line}: " in finished.out
    assert f"failed {rule} (1)\n" in finished.out


@pytest.mark.parametrize("path, text", FINE, ids=range(len(FINE)))
def test_tidy_lets_pass(house, path, text):
    finished = tidy(house, path, text)
    assert finished.code == 0, finished
