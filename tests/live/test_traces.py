"""What a submission leaves in the home, and who comes first there: sbatch, or the search that gives it up."""

import os
import pwd
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from clusters import sbatch, scripts, shell
from sandbox.commands import run
from tests.live.ground import Cluster, eventually
from tests.live.quota import over_quota

USER = "plgalice"
HELD = "#!/bin/sh\n#SBATCH --hold\ntrue\n"


@dataclass
class LoginNode:
    """The scripts of a login node, run by a user's `sh`, with a home and a place for temporary files of their own."""

    home: Path
    temporary: Path
    cluster: Cluster

    def traces(self) -> set[str]:
        """Return the names of what is in the hidden directory now."""
        hidden = self.home / scripts.DIRECTORY
        return {path.name for path in hidden.iterdir()} if hidden.exists() else set()

    @contextmanager
    def started(self, script: str, *arguments: str, token: uuid.UUID) -> Iterator[subprocess.Popen[bytes]]:
        """Let `script` run meanwhile."""
        user = pwd.getpwnam(USER)
        environment = {
            "HOME": str(self.home), "TMPDIR": str(self.temporary), "PATH": "/usr/bin:/bin",
            "SLURM_CONF": str(self.cluster.conf),
        }  # fmt: skip
        line = shell.script_line(script, ["/usr/bin", *arguments], {}, shell.marker(token))
        with subprocess.Popen(
            ["/bin/sh", "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd=self.home,
        ) as process:  # fmt: skip
            yield process

    @contextmanager
    def waiting(self, token: uuid.UUID, at_once: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """Let the script of a submission wait for its input meanwhile."""
        with self.started(scripts.SUBMIT, "20", at_once, token=token) as process:
            eventually(lambda: token.hex in self.traces(), "its directory is made in advance", seconds=10)
            yield process

    def submitted(self, process: subprocess.Popen[bytes], token: uuid.UUID, *, known: bool = True) -> list[str]:
        """Hand the job to the script that waits, and return what its commands print."""
        said = scripts.submission("", HELD, shell.marker(token)) + (b"known\n" if known else b"")
        out, _err = process.communicate(said, timeout=40)
        answer = shell.after_marker(out, shell.marker(token)) or b""
        return [section.text.strip() for section in shell.sections(answer, shell.marker(token))]

    def looked_up(self, token: uuid.UUID) -> object:
        """Return what the search for a lost submission finds at once."""
        with self.started(scripts.LOOKUP, "3600", USER, token=(asking := uuid.uuid4())) as process:
            out, _err = process.communicate(f"{token.hex}\n".encode(), timeout=40)
        answer = shell.after_marker(out, shell.marker(asking)) or b""
        found = shell.sections(answer, shell.marker(asking))
        return sbatch.parse_lookup([token.hex], found, sbatch_is_over=False).get(token.hex)

    def command(self, job: str) -> str:
        """Return the command line of a job, as SLURM remembers it."""
        return self.cluster.slurm("squeue", "-h", "-j", job, "-o", "%o").strip()


@pytest.fixture
def node(zeus: Cluster) -> Iterator[LoginNode]:
    base = Path("/home") / f"traces-{uuid.uuid4().hex}"
    base.mkdir(mode=0o755)
    home, temporary = base / "home", base / "temporary"
    for folder in (home, temporary):
        folder.mkdir(mode=0o700)
        shutil.chown(folder, USER, USER)
    try:
        yield LoginNode(home, temporary, zeus)
    finally:
        zeus.slurm("scancel", "-u", USER, "-n", "job.sh,sbatch")
        shutil.rmtree(base)


@pytest.fixture
def token() -> uuid.UUID:
    return uuid.uuid4()


def test_a_script_that_waits_has_its_directory_and_takes_it_away_when_it_is_not_needed(
    node: LoginNode, token: uuid.UUID
) -> None:
    with node.waiting(token) as process:
        process.communicate(timeout=10)
    assert process.returncode == 65
    assert node.traces() == set()


def test_a_submission_goes_by_its_token_and_leaves_nothing(node: LoginNode, token: uuid.UUID) -> None:
    with node.waiting(token) as process:
        _cd, job, told = node.submitted(process, token)
    assert node.command(job) == f"{node.home}/{scripts.DIRECTORY}/{token.hex}/job.sh"
    assert f"JobId={job} " in told
    assert node.traces() == set()


@pytest.mark.parametrize("at_once", ["", "at once"])
def test_traces_stay_until_the_answer_is_known_and_the_job_is_described_then_unless_at_once(
    node: LoginNode, token: uuid.UUID, at_once: str
) -> None:
    with node.waiting(token, at_once) as process:
        _cd, job, *told = node.submitted(process, token, known=False)
    assert [f"JobId={job} " in text for text in told] == ([True] if at_once else [])
    assert node.traces() == {token.hex}
    assert node.looked_up(token) == sbatch.Accepted(int(job))


@pytest.mark.parametrize("started_before", [True, False])
def test_what_was_found_missing_cannot_be_submitted_any_more(
    node: LoginNode, token: uuid.UUID, *, started_before: bool
) -> None:
    if not started_before:
        assert node.looked_up(token) == sbatch.NotSubmitted()
    with node.waiting(token) as process:
        if started_before:
            assert node.looked_up(token) == sbatch.NotSubmitted()
        assert node.submitted(process, token) == [], "no section says that sbatch began"
    assert process.returncode == 75
    assert token.hex not in node.cluster.slurm("squeue", "-h", "-u", USER, "-o", "%o")
    assert node.looked_up(token) == sbatch.NotSubmitted()


def test_a_directory_that_vanishes_while_the_script_waits_is_made_again(node: LoginNode, token: uuid.UUID) -> None:
    with node.waiting(token) as process:
        shutil.rmtree(node.home / scripts.DIRECTORY / token.hex)
        _cd, job, _told = node.submitted(process, token)
    assert node.command(job) == f"{node.home}/{scripts.DIRECTORY}/{token.hex}/job.sh"
    assert node.traces() == set()


def test_a_full_home_leaves_the_token_with_slurm_and_nothing_behind(node: LoginNode, token: uuid.UUID) -> None:
    with over_quota(node.home, USER), node.waiting(token) as process:
        _cd, job, _told = node.submitted(process, token)
        assert node.command(job) == f"{node.temporary}/{token.hex}/job.sh"
        assert node.looked_up(token) == sbatch.Accepted(int(job))
    assert not list(node.temporary.iterdir())


def test_without_room_anywhere_the_script_comes_on_standard_input(node: LoginNode, token: uuid.UUID) -> None:
    with over_quota(node.home, USER), over_quota(node.temporary, USER), node.waiting(token) as process:
        _cd, job, _told = node.submitted(process, token)
    assert node.cluster.slurm("squeue", "-h", "-j", job, "-o", "%T").strip() == "PENDING"


@pytest.mark.parametrize(("number", "left"), [(10, 10), (100, 0)])
def test_where_directories_become_many_the_old_ones_go(
    node: LoginNode, token: uuid.UUID, number: int, left: int
) -> None:
    hidden = node.home / scripts.DIRECTORY
    hidden.mkdir(mode=0o700)
    for name in ("young", *(f"old{n}" for n in range(number))):
        (hidden / name).mkdir()
        if name != "young":
            os.utime(hidden / name, (0, 0))
    run(["chown", "-R", USER, hidden])
    with node.waiting(token) as process:
        node.submitted(process, token)
    assert node.traces() == {"young"} | {f"old{n}" for n in range(left)}
