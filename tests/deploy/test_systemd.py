"""The systemd units: without a mistake, and shut off from what the service does not need."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from django.conf import settings

from tests.deploy import guide

pytestmark = pytest.mark.apart

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
QUEUES = [queue.name for queue in settings.CELERY_TASK_QUEUES]
WORKERS = [f"job-submitter-worker@{queue}.service" for queue in QUEUES]
SERVICES = ["job-submitter-web.service", "job-submitter-beat.service", *WORKERS]


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they would be installed with this Python environment's programs."""
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    for unit in tmp_path.glob("*.*"):
        if unit.is_file():
            unit.write_text(unit.read_text().replace("/opt/job-submitter/venv", sys.prefix))
    for worker in WORKERS:
        (tmp_path / worker).symlink_to("job-submitter-worker@.service")
    return tmp_path


def analyze(units: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program, "Debian's package systemd has it"
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:"}
    command = [program, "--no-pager", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_systemd_understands_every_line(units: Path) -> None:
    files = [unit for unit in sorted(units.iterdir()) if unit.is_file()]
    done = analyze(units, "verify", "--man=no", *map(str, files))
    own = [line for line in done.stderr.splitlines() if "job-submitter" in line]
    assert (done.returncode, own) == (0, [])


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_open_to_little(units: Path, service: str) -> None:
    done = analyze(units, "security", "--offline=yes", "--threshold=20", str(units / service))
    assert done.returncode == 0, done.stdout + done.stderr


def directives(units: Path, service: str) -> dict[str, str]:
    """What counts of a service's unit and of the files that add to it: the last line of each name."""
    files = [units / service, *sorted(units.glob(f"{service}.d/*.conf"))]
    lines = [line.partition("=") for file in files for line in file.read_text().splitlines()]
    return {name: value for name, mark, value in lines if mark and not name.startswith("#")}


@pytest.mark.parametrize("service", SERVICES)
def test_what_cannot_be_loaded_fails_and_is_not_tried_again(units: Path, service: str) -> None:
    found = directives(units, service)
    assert found["ExecStart"].split()[1] == "/opt/job-submitter/deploy/start.py"
    told = analyze(units, "exit-status", *found["RestartPreventExitStatus"].split()).stdout
    codes = {int(word) for line in told.splitlines()[1:] for word in line.split()[1:2]}
    interpreter_found_no_file = 2
    assert codes >= {os.EX_CONFIG, interpreter_found_no_file}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_bounded_and_leaves_no_memory_behind(units: Path, service: str) -> None:
    found = directives(units, service)
    assert (found["LimitCORE"], found["MemorySwapMax"]) == ("0", "0")
    assert megabytes(found["MemoryMax"]) <= 2048
    assert 0 < int(found["TasksMax"]) <= 2048


def megabytes(size: str) -> int:
    return int(size[:-1]) * {"M": 1, "G": 1024}[size[-1]]


def test_polling_may_grow_more_than_the_other_workers(units: Path) -> None:
    sizes = {worker: megabytes(directives(units, worker)["MemoryMax"]) for worker in WORKERS}
    assert sizes.pop(WORKERS[0]) > 1024
    assert set(sizes.values()) == {512}


def test_the_target_starts_every_service_and_ends_it(units: Path) -> None:
    text = (units / "job-submitter.target").read_text()
    wanted = [name for line in text.splitlines() if line.startswith("Wants=") for name in line[6:].split()]
    assert sorted(wanted) == sorted(SERVICES)
    assert {directives(units, service)["PartOf"] for service in SERVICES} == {"job-submitter.target"}


def test_each_unit_that_counts_has_a_directory_that_is_made_anew_beside_the_others(units: Path) -> None:
    counting = ["job-submitter-web.service", *WORKERS]
    for unit in counting:
        found = directives(units, unit)
        assert found["Environment"] == f"PROMETHEUS_MULTIPROC_DIR=/run/{found['RuntimeDirectory']}"
        assert found["RuntimeDirectory"] == ("job-submitter/worker-%i" if unit in WORKERS else "job-submitter/web")
        assert "RuntimeDirectoryPreserve" not in found


@pytest.mark.parametrize("heading", ["Upgrade", "Backup and restore"])
def test_what_the_guide_stops_it_names_and_so_awaits(units: Path, heading: str) -> None:
    """A unit is waited for where it is named, not where it only follows another one (PartOf=)."""
    [line] = re.findall(r"^systemctl stop (.*)$", guide.commands(heading), re.MULTILINE)
    patterns = shlex.split(line)
    running = {"job-submitter.target", "job-submitter-web.socket", *SERVICES}
    installed = {unit.name for unit in units.iterdir() if unit.is_file()} - {"job-submitter-worker@.service"}
    assert installed == running
    assert {unit for unit in running if not any(fnmatchcase(unit, pattern) for pattern in patterns)} == set()
