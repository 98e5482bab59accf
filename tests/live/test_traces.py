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

from clusters import remote
from clusters.remote import Request
from clusters.slurm import description, lookup, sbatch, shell
from clusters.ssh.agent import AgentSettings
from sandbox.commands import run
from tests.harness.sandbox_env import Cluster
from tests.live.quota import over_quota

USER = "plgalice"
HELD = "#!/bin/sh\n#SBATCH --hold\ntrue\n"


@dataclass
class LoginNode:
    """Agents of a login node, run by a user's `sh`, with a home and a place for temporary files of their own."""

    home: Path
    temporary: Path
    cluster: Cluster

    def traces(self) -> set[str]:
        """Return the names of what is in the hidden directory now."""
        hidden = self.home / remote.DIRECTORY
        return {path.name for path in hidden.iterdir()} if hidden.exists() else set()

    @contextmanager
    def agent(self) -> Iterator["LoginAgent"]:
        """Let an agent wait for its request meanwhile."""
        user = pwd.getpwnam(USER)
        environment = {
            "HOME": str(self.home), "TMPDIR": str(self.temporary), "PATH": "/usr/bin:/bin",
            "SLURM_CONF": str(self.cluster.conf),
        }  # fmt: skip
        marker = shell.marker(uuid.uuid4())
        with subprocess.Popen(
            ["/bin/sh", "-c", AgentSettings("/usr/bin").command(marker)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd=self.home,
        ) as process:  # fmt: skip
            agent = LoginAgent(process, marker)
            agent.begin()
            yield agent

    def asked(self, request: Request) -> list[str]:
        """Return what the commands of `request` print."""
        with self.agent() as agent:
            return agent.asked(request)

    def submitted(self, token: uuid.UUID, describe: str = "") -> list[str]:
        """Submit, and return what is told of it: nothing, sbatch's output, and perhaps more."""
        return self.asked(submission(token, describe))

    def settled(self, *tokens: uuid.UUID, prepared: str = "") -> None:
        """Say that the outcome of submissions is kept."""
        self.asked(Request("clear", (",".join(token.hex for token in tokens), prepared)))

    def looked_up(self, token: uuid.UUID) -> object:
        """Return what the search for a lost submission finds at once."""
        with self.agent() as agent:
            found = agent.sections(Request("look_up", (3600, USER), token.hex))
        return lookup.parse_lookup([token.hex], found, sbatch_is_over=False).get(token.hex)

    def command(self, job: str) -> str:
        """Return the command line of a job, as SLURM remembers it."""
        return self.cluster.slurm("squeue", "-h", "-j", job, "-o", "%o").strip()


@dataclass
class LoginAgent:
    """An agent that runs, for one request."""

    process: subprocess.Popen[bytes]
    marker: str

    def begin(self) -> None:
        """Have it read its program, and wait until it has told its marker."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{remote.program()}{self.marker}\n".encode())
        self.process.stdin.flush()
        assert self.process.stdout.readline() == f"{self.marker}\n".encode()

    def sections(self, request: Request) -> list[shell.Section]:
        """Return the sections of its answer."""
        out, _err = self.process.communicate(request.framed(self.marker), timeout=120)
        assert out.endswith(b" end\n")
        return shell.sections(out, self.marker)

    def asked(self, request: Request) -> list[str]:
        """Return what its commands print."""
        return [section.text.strip() for section in self.sections(request)]


def submission(token: uuid.UUID, describe: str = "") -> Request:
    return Request("submit", (token.hex, 20, describe), "", HELD)


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
        cancel_jobs_of(base, zeus)
        shutil.rmtree(base)


def cancel_jobs_of(base: Path, cluster: Cluster) -> None:
    """Cancel the jobs that were submitted from below `base`: they are not those of other tests, which run meanwhile."""
    jobs = (line.split(maxsplit=1) for line in cluster.slurm("squeue", "-h", "-u", USER, "-o", "%A %Z").splitlines())
    if own := [job for job, directory in jobs if Path(directory).is_relative_to(base)]:
        cluster.slurm("scancel", *own)


@pytest.fixture
def token() -> uuid.UUID:
    return uuid.uuid4()


def test_a_submission_goes_by_its_token_and_leaves_nothing(node: LoginNode, token: uuid.UUID) -> None:
    _begun, job = node.submitted(token)
    assert node.command(job) == f"{node.home}/{remote.DIRECTORY}/{token.hex}/job.sh"
    node.settled(token)
    assert node.traces() == set()
    assert not list(node.temporary.iterdir())


def test_a_prepared_directory_is_the_next_submissions(node: LoginNode, token: uuid.UUID) -> None:
    node.submitted(token)
    node.settled(token, prepared=(new := uuid.uuid4()).hex)
    assert node.traces() == {new.hex}
    _begun, job = node.submitted(new)
    assert node.command(job) == f"{node.home}/{remote.DIRECTORY}/{new.hex}/job.sh"


@pytest.mark.parametrize("describe", ["", "yes"])
def test_traces_stay_until_the_outcome_is_kept_and_the_job_is_described_at_once_where_that_is_asked_for(
    node: LoginNode, token: uuid.UUID, describe: str
) -> None:
    _begun, job, *told = node.submitted(token, describe)
    assert [f"JobId={job} " in text for text in told] == ([False, True] if describe else [])
    assert node.traces() == {token.hex}
    assert node.looked_up(token) == sbatch.Accepted(int(job))


def test_jobs_are_described_together(node: LoginNode, token: uuid.UUID) -> None:
    jobs = [node.submitted(each)[1] for each in (token, uuid.uuid4())]
    with node.agent() as agent:
        found = agent.sections(Request("describe_many", (",".join([jobs[0], "4000000", jobs[1]]),)))
    told = [description.parse_new_job(int(job), found) for job in (*jobs, "4000000")]
    assert [new.stdout_path if new else None for new in told] == [
        *(f"{node.home}/slurm-{job}.out" for job in jobs), None
    ]  # fmt: skip


@pytest.mark.parametrize("started_before", [True, False])
def test_what_was_found_missing_cannot_be_submitted_any_more(
    node: LoginNode, token: uuid.UUID, *, started_before: bool
) -> None:
    if not started_before:
        assert node.looked_up(token) == sbatch.NotSubmitted()
    with node.agent() as agent:
        if started_before:
            assert node.looked_up(token) == sbatch.NotSubmitted()
        [refused] = agent.sections(submission(token))
    assert refused.status == 75
    assert token.hex not in node.cluster.slurm("squeue", "-h", "-u", USER, "-o", "%o")
    assert node.looked_up(token) == sbatch.NotSubmitted()


def test_a_directory_that_vanishes_is_made_again(node: LoginNode, token: uuid.UUID) -> None:
    node.submitted(first := uuid.uuid4())
    node.settled(first, prepared=token.hex)
    shutil.rmtree(node.home / remote.DIRECTORY / token.hex)
    _begun, job = node.submitted(token)
    assert node.command(job) == f"{node.home}/{remote.DIRECTORY}/{token.hex}/job.sh"


def test_a_full_home_leaves_the_token_with_slurm_and_nothing_behind(node: LoginNode, token: uuid.UUID) -> None:
    with over_quota(node.home, USER):
        _begun, job = node.submitted(token)
        assert node.command(job) == f"{node.temporary}/{token.hex}/job.sh"
        assert node.looked_up(token) == sbatch.Accepted(int(job))
        node.settled(token)
        assert node.traces() == set()
    assert not list(node.temporary.iterdir())


def test_without_room_anywhere_the_script_comes_on_standard_input(node: LoginNode, token: uuid.UUID) -> None:
    with over_quota(node.home, USER), over_quota(node.temporary, USER):
        _begun, job, *_told = node.submitted(token)
    assert node.cluster.slurm("squeue", "-h", "-j", job, "-o", "%T").strip() == "PENDING"


@pytest.mark.parametrize(("number", "left"), [(10, 10), (300, 0)])
def test_where_directories_become_many_the_old_ones_go(
    node: LoginNode, token: uuid.UUID, number: int, left: int
) -> None:
    hidden = node.home / remote.DIRECTORY
    hidden.mkdir(mode=0o700)
    for name in ("young", *(f"old{n}" for n in range(number))):
        (hidden / name).mkdir()
        if name != "young":
            os.utime(hidden / name, (0, 0))
    run(["chown", "-R", USER, hidden])
    node.submitted(token)
    node.settled(token)
    assert node.traces() == {"young"} | {f"old{n}" for n in range(left)}
