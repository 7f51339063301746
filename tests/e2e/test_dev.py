"""What ./dev says before it does anything: in a folder where there is nothing to build."""

import os
import shutil

import pytest

from support import ROOT, run


@pytest.fixture
def dev(tmp_path):
    shutil.copy(ROOT / "dev", tmp_path / "dev")

    def call(*args):
        finished = run(tmp_path / "dev", *args, limit=10)
        assert os.listdir(tmp_path) == ["dev"], "nothing was installed or built"
        return finished

    return call


@pytest.mark.parametrize("args", [["run", "--help"], ["run", "-h"], ["help", "run"], ["run", "--data", "x", "--help"]], ids=" ".join)
def test_help_of_run(dev, args):
    finished = dev(*args)
    assert finished.code == 0 and finished.err == "", finished
    for part in ("--listen ADDR:PORT", "--data DIR", "Options go to lictord", "The first build takes some minutes"):
        assert part in finished.out


def test_help(dev):
    everything = dev("help").out
    assert dev().out == dev("--help").out == everything
    for part in ("  run [option…] ", "--listen ADDR:PORT, --data DIR", "The first build takes some minutes"):
        assert part in everything
    assert dev("help", "test").out.splitlines()[1].startswith("./dev test PART [arg…]")


@pytest.mark.parametrize(
    "args, says",
    [
        (["rnu"], "no verb 'rnu'; did you mean run?"),
        (["chek"], "no verb 'chek'; did you mean check?"),
        (["help", "bild"], "no verb 'bild'; did you mean build?"),
        (["--run"], "no verb '--run'; did you mean run?"),
        (["deploy"], "no verb 'deploy'\n./dev help lists the verbs."),
        (["."], "no verb '.'\n./dev help lists the verbs."),
        (["x" * 10_000], f"no verb '{'x' * 10_000}'\n./dev help lists the verbs."),
    ],
    ids=lambda value: " ".join(value)[:20] if isinstance(value, list) else "",
)
def test_a_verb_that_is_none(dev, args, says):
    finished = dev(*args)
    assert (finished.code, finished.out, finished.err) == (2, "", f"dev: {says}\n")
