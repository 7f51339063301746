"""lictord under a service manager: what it tells, the watchdog, the unit file; and the watch over the clock."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
import pytest

from metrics_text import parse_metrics
from service_manager import ServiceManager
from support import BIN_DIR, ROOT, eventually, run, seconds

UNIT = ROOT / "deploy/systemd/lictord.service"


@pytest.fixture
def manage(tmp_path):
    """manage(abstract=…, watchdog_seconds=…) → ServiceManager, closed when the test ends."""
    managers = []

    def start(**more):
        managers.append(ServiceManager(tmp_path, **more))
        return managers[-1]

    yield start
    for manager in managers:
        manager.close()


@pytest.mark.quick
@pytest.mark.parametrize("abstract", [False, True])
def test_a_life_is_told(start_server, manage, abstract):
    manager = manage(abstract=abstract)
    server = start_server(env=manager.environment)
    ready = manager.wait_for("READY")
    assert ready["READY"] == "1" and ready["STATUS"] == f"Listening on {server.url}"
    before = time.monotonic() * 1e6
    server.process.send_signal(signal.SIGHUP)
    reloading = manager.wait_for("RELOADING")
    assert reloading["RELOADING"] == "1"
    # The clock of MONOTONIC_USEC is Python's, too.
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic() * 1e6
    assert manager.wait_for("READY", 2)["at"] >= reloading["at"]
    server.stop()
    assert manager.wait_for("STOPPING")["STOPPING"] == "1"
    assert not manager.with_variable("WATCHDOG"), "nobody asked for it"
    order = [name for message in manager.told for name in ("READY", "RELOADING", "STOPPING") if name in message]
    assert order == ["READY", "RELOADING", "READY", "STOPPING"]


def test_ready_is_told_when_it_answers(start_server, manage):
    manager = manage()
    server = start_server(env=manager.environment, wait=False)
    manager.wait_for("READY", limit=20)
    server.wait_ready()
    assert server.call("GET", "/ready").status_code == 200


def test_the_watchdog_is_fed_at_half_its_time(start_server, manage):
    manager = manage(watchdog_seconds=1.0)
    start_server(env=manager.environment)
    manager.wait_for("WATCHDOG", 6)
    times = [message["at"] for message in manager.with_variable("WATCHDOG")]
    gaps = [after - before for before, after in zip(times, times[1:])]
    assert max(gaps) < seconds(1.0), gaps
    assert sum(gaps) / len(gaps) > 0.4, gaps


def test_the_watchdog_of_another_process_is_left_alone(start_server, manage):
    manager = manage(watchdog_seconds=0.2)
    server = start_server(env={**manager.environment, "WATCHDOG_PID": "1"})
    manager.wait_for("READY")
    time.sleep(0.6)
    assert not manager.with_variable("WATCHDOG")
    assert server.call("GET", "/ready").status_code == 200


def test_the_watchdog_goes_hungry_while_the_database_does_not_answer(start_server, manage):
    """Another program holds the database: transactions wait (for 5 s at most), and so does the watchdog."""
    manager = manage(watchdog_seconds=1.0)
    server = start_server(env=manager.environment)
    manager.wait_for("WATCHDOG")
    other = sqlite3.connect(server.data / "lictor.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    time.sleep(0.6)  # what was on its way
    fed = len(manager.with_variable("WATCHDOG"))
    time.sleep(2)
    assert len(manager.with_variable("WATCHDOG")) <= fed + 1
    eventually(lambda: "watchdog.silent" in server.logs())
    assert "no transaction ended" in server.logs()
    other.execute("ROLLBACK")
    other.close()
    fed = len(manager.with_variable("WATCHDOG"))
    manager.wait_for("WATCHDOG", fed + 2)
    eventually(lambda: "watchdog.answers" in server.logs())


def test_a_socket_that_is_not_there_hinders_nothing(start_server, tmp_path):
    server = start_server(env={"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert server.call("GET", "/ready").status_code == 200
    odd = start_server(env={"NOTIFY_SOCKET": "vsock:2:1234"})
    assert "service.notify_failed" in odd.logs()


# ---- the unit ----


def test_the_unit_is_in_order(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    unit = UNIT.read_text(encoding="utf-8")
    assert "ExecStart=/usr/bin/lictord " in unit
    copy = tmp_path / UNIT.name
    copy.write_text(unit.replace("/usr/bin/lictord", str(BIN_DIR / "lictord")), encoding="utf-8")
    finished = run("systemd-analyze", "verify", "--man=no", "--generators=no", copy)
    assert finished.code == 0 and not finished.err.strip(), finished


@pytest.mark.parametrize("name", ["lictord.service", "lictord-backup.service"])
def test_the_units_are_hardened(name):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    rated = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", UNIT.parent / name)
    assert rated.code == 0, f"more exposed than 2.0 of 10\n{rated}"


def test_the_unit_agrees_with_the_program():
    unit = UNIT.read_text(encoding="utf-8")
    assert re.search(r"^Type=notify$", unit, re.MULTILINE)  # notify-reload needs systemd 253
    assert re.search(r"^ExecReload=/bin/kill -HUP \$MAINPID$", unit, re.MULTILINE)
    stop = int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[1])
    assert stop > 4, "shutdown_grace comes first"
    (command,) = re.findall(r"^ExecStart=/usr/bin/lictord (.*)$", unit, re.MULTILINE)
    sample = ROOT / "deploy/systemd/lictord.toml"
    checked = run(
        BIN_DIR / "lictord", "check-config", *command.replace("/etc/lictor/lictord.toml", str(sample)).split(), "--json"
    )
    assert '"source":"file"' in checked.out, checked


# ---- the clock ----

FALSE_CLOCK = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>
/* The wall clock, moved by as many seconds as the file $FALSE_CLOCK is long, less 1000. */
int clock_gettime(clockid_t clock, struct timespec *time) {
  long code = syscall(SYS_clock_gettime, clock, time);
  struct stat status;
  const char *name = getenv("FALSE_CLOCK");
  if (code == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && name && stat(name, &status) == 0)
    time->tv_sec += status.st_size - 1000;
  return (int)code;
}
"""


def test_a_step_of_the_clock_is_told(start_server, tmp_path):
    source, library, offset = (tmp_path / name for name in ("clock.c", "clock.so", "offset"))
    source.write_text(FALSE_CLOCK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)

    def set_offset(by):
        (tmp_path / "new").write_bytes(b"x" * (1000 + by))
        os.replace(tmp_path / "new", offset)

    set_offset(0)
    server = start_server(env={"LD_PRELOAD": str(library), "FALSE_CLOCK": str(offset)})

    def metrics():
        return parse_metrics(server.call("GET", "/metrics").text)

    assert metrics()["lictor_clock_steps_total", ()] == 0
    time.sleep(1.5)
    set_offset(4)  # tolerated
    time.sleep(1.5)
    set_offset(94)
    eventually(lambda: metrics()["lictor_clock_steps_total", ()] == 1)
    assert abs(metrics()["lictor_clock_step_seconds", ()] - 90) < 1
    set_offset(34)
    eventually(lambda: metrics()["lictor_clock_steps_total", ()] == 2)
    assert abs(metrics()["lictor_clock_step_seconds", ()] + 60) < 1
    steps = [line for line in server.logs().splitlines() if "clock.stepped" in line]
    assert "direction=forward" in steps[0] and any("direction=back" in line for line in steps), steps
    assert len([line for line in server.log_files() if "lictord.log" in str(line)]) == 1
