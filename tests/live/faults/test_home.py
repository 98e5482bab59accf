"""The user's home is full, read-only or not there; the working directory vanishes or has an odd name."""

import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from sandbox.commands import run
from tests.harness.client import Client, Posted
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually
from tests.live import quota

Settled = Callable[[Sequence[Posted]], None]

PRINTABLE = "".join(chr(code) for code in range(32, 127) if chr(code) != "/")


def full(home: Path) -> AbstractContextManager[None]:
    """Leave no room in the home meanwhile: not even an empty directory can be made."""
    return quota.over_quota(home, home.name, inodes=2)


def over_quota(home: Path) -> AbstractContextManager[None]:
    """Let the home take directories and empty files, but not one more byte."""
    return quota.over_quota(home, home.name)


@contextmanager
def read_only(home: Path) -> Iterator[None]:
    """Let nobody write into the home meanwhile."""
    hidden = home / ".job-submitter"
    shutil.rmtree(hidden, ignore_errors=True)
    shutil.chown(home, "root")
    home.chmod(0o755)
    try:
        yield
    finally:
        home.chmod(0o700)
        shutil.chown(home, home.name)


@contextmanager
def taken(home: Path) -> Iterator[None]:
    """Let a file stand where the hidden directory would be made."""
    hidden = home / ".job-submitter"
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.touch()
    try:
        yield
    finally:
        hidden.unlink()


def names(home: Path) -> set[str]:
    """Return what is in the hidden directory: the traces of submissions, by their tokens."""
    hidden = home / ".job-submitter"
    return {path.name for path in hidden.iterdir()} if hidden.exists() else set()


@pytest.mark.parametrize("fault", [full, over_quota, read_only, taken], ids=lambda fault: fault.__name__)
def test_a_home_that_takes_no_file_does_not_stop_a_submission(
    caller: Client,
    cluster: FaultCluster,
    settled: Settled,
    instance: Instance,
    fault: Callable[[Path], AbstractContextManager[None]],
) -> None:
    with fault(instance.accounts[0].home):
        posts = [caller.post(cluster, directory="/tmp") for _ in range(3)]  # noqa: S108 - the job is held and writes nothing
        assert {posted.code for posted in posts} == {201}, posts[0].body
        cluster.replace("sbatch", "echo no >&2; exit 5")
        refused = caller.post(cluster, directory="/tmp")  # noqa: S108 - no job comes of it
        assert (refused.code, refused.body["exit_code"]) == (422, 5), refused.body
        assert "no" in refused.body["error_output"]
    settled([*posts, refused])


def test_what_a_submission_leaves_behind_is_one_hidden_private_directory_and_it_is_emptied(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    home = instance.accounts[0].home
    shutil.rmtree(home / ".job-submitter", ignore_errors=True)
    before = set(home.iterdir())
    posts = [caller.post(cluster) for _ in range(5)]
    settled(posts)
    assert set(home.iterdir()) - before == {home / ".job-submitter"}
    assert stat.S_IMODE((home / ".job-submitter").stat().st_mode) == 0o700
    eventually(lambda: not list((home / ".job-submitter").glob("*/*")), "its traces are removed")
    assert not {uuid.UUID(posted.submission).hex for posted in posts} & names(home)


def test_a_submission_that_follows_another_one_finds_its_directory_made(
    caller: Client, settled: Settled, cluster: FaultCluster, instance: Instance
) -> None:
    posts: list[Posted] = []

    def was_ready() -> bool:
        ready = names(instance.accounts[0].home)
        posts.append(caller.post(cluster))
        return uuid.UUID(posts[-1].submission).hex in ready

    eventually(was_ready, "a script waits with its directory, whichever process takes the call")
    settled(posts)


def test_a_missing_directory_is_422_and_nothing_is_submitted(
    caller: Client, cluster: FaultCluster, settled: Settled
) -> None:
    posted = caller.post(cluster, directory=f"gone-{uuid.uuid4().hex}")
    assert posted.code == 422, posted.body
    assert "working_directory" in posted.body["error_message"]
    settled([posted])


def test_a_directory_that_vanishes_before_sbatch_starts_is_no_riddle(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    name = f"vanishing-{uuid.uuid4().hex}"
    instance.accounts[0].directory(name)
    cluster.replace("sbatch", 'rmdir "$PWD" && exec "$real" "$@"')
    posted = caller.post(cluster, directory=name)
    assert posted.code in {201, 422}, posted.body
    settled([posted])


@pytest.mark.parametrize("name", [PRINTABLE, "zażółć gęślą jaźń \u2028 \U0001f600", "-rf", " ", "..."])
def test_a_directory_of_any_name_is_the_jobs_own(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance, name: str
) -> None:
    folder = instance.accounts[0].directory(name)
    try:
        posts = [caller.post(cluster, directory=name), caller.post(cluster, directory=str(folder))]
        assert [posted.code for posted in posts] == [201, 201], posts[0].body
        for posted in posts:
            shown = run(["squeue", "-h", "-j", str(posted.slurm_id), "-o", "%Z"], env=instance.slurm)
            assert shown == f"{folder}\n"
        settled(posts)
    finally:
        folder.rmdir()
