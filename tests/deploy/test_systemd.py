"""The systemd units: without a mistake, and shut off from what the service does not need."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES = ["job-submitter-web.service", "job-submitter-worker.service", "job-submitter-beat.service"]


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they would be installed with this Python environment's programs."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/job-submitter/venv", sys.prefix)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def analyze(units: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program, "Debian's package systemd has it"
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:"}
    command = [program, "--no-pager", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_systemd_understands_every_line(units: Path) -> None:
    done = analyze(units, "verify", "--man=no", *(str(unit) for unit in sorted(units.iterdir())))
    own = [line for line in done.stderr.splitlines() if "job-submitter" in line]
    assert (done.returncode, own) == (0, [])


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_open_to_little(units: Path, service: str) -> None:
    done = analyze(units, "security", "--offline=yes", "--threshold=20", str(units / service))
    assert done.returncode == 0, done.stdout + done.stderr
