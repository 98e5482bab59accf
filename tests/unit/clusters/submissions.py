"""A login node where something is submitted: what its sbatch is asked and given, and answers."""

from pathlib import Path

import pytest

from clusters.models import Cluster
from clusters.remote import Request
from tests.unit.clusters.agents import TOKEN, LoginNode, installed

SCRIPT = "#!/bin/sh\necho zażółć\n"


CLUSTER = Cluster(name="zeus", address="login.example.org", host_keys=[], job_domain="example.org", command_timeout=17)


every_shell_and_posh = pytest.mark.parametrize("name", installed())


# Says where it runs, keeps the script, and answers what the test has it answer.
SBATCH = """
stat -L -c %d:%i . > "$JS_OUT/directory"
echo "$*" > "$JS_OUT/arguments"
cat "${2:-/dev/stdin}" > "$JS_OUT/script"
cat "$JS_OUT/answer" 2>/dev/null || echo 77
echo words >&2
exit "$(cat "$JS_OUT/status" 2>/dev/null || echo 0)"
"""


# scontrol says with which words it was called; squeue tells of much, and of this submission's job where that is there.
SCONTROL = 'echo "scontrol $*"'


SQUEUE = """
echo "CLUSTER: $*"
seq 100000 | sed "s,$,|/home/x/.job-submitter/y/job.sh,"
[ ! -e "$JS_OUT/job" ] || echo "78|/home/x/.job-submitter/0123456789abcdef0123456789abcdef/job.sh"
exit "$(cat "$JS_OUT/squeue" 2>/dev/null || echo 0)"
"""


@pytest.fixture
def login(node: LoginNode) -> LoginNode:
    """A login node where nothing has been submitted."""
    node.has(sbatch=SBATCH, scontrol=SCONTROL, squeue=SQUEUE)
    return node


def ran_in(node: LoginNode) -> str | None:
    """Return which directory sbatch ran in, as its device and inode; None if it did not run."""
    note = node.out / "directory"
    return note.read_text().strip() if note.exists() else None


def identity(path: Path) -> str:
    return f"{path.stat().st_dev}:{path.stat().st_ino}"


def given(node: LoginNode) -> bytes:
    """Return the script that sbatch was given."""
    return (node.out / "script").read_bytes()


def statuses(sections: list[tuple[str, int]]) -> list[int]:
    return [status for _text, status in sections]


def framed(script: str, directory: str = "") -> Request:
    return Request("submit", (TOKEN.hex, 10, ""), directory, script)
