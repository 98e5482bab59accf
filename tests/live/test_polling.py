"""The registry follows SLURM by itself, within seconds and without being asked."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.harness.caller import Caller, Job
from tests.harness.sandbox_env import Cluster, at_once, eventually
from tests.live import stored_jobs

pytestmark = pytest.mark.alone  # how soon the service hears is another thing on a busy machine

INTERVAL = 5  # seconds between two looks
MARGIN = 6  # seconds that a look may wait for a worker and take


def moves_soon_after(reached: Callable[[], bool], heard: Callable[[], bool], what: str) -> None:
    """Wait until SLURM has `reached` a state, then check that the registry has `heard` of it soon."""
    eventually(reached, f"SLURM says that it {what}")
    began = time.monotonic()
    eventually(heard, f"the registry knows that it {what}", seconds=INTERVAL + MARGIN)
    assert time.monotonic() - began < INTERVAL + MARGIN


def looked_at_again(alice: Caller, job: Job) -> None:
    """Wait until SLURM was asked about the job once more."""
    before = alice.job(job["job_id"])["checked_at"]
    alice.until(job, lambda now: now["checked_at"] > before, "was looked at", seconds=INTERVAL + MARGIN)


def follows(alice: Caller, cluster: Cluster) -> None:
    """Check that the registry hears of a job's start and of its end, without any call."""
    over = Path(str(alice.directory)) / f"over-{cluster.domain}"
    job = alice.submit(cluster, f"until [ -e {over} ]; do sleep 0.1; done")
    number = cluster.number(job["job_id"])

    def says(state: str) -> bool:
        return state in cluster.slurm("squeue", "-h", "-t", "all", "-j", number, "-o", "%T")

    moves_soon_after(lambda: says("RUNNING"), lambda: stored_jobs.status(job) == "RUNNING", "runs")
    over.touch()
    moves_soon_after(lambda: says("COMPLETED"), lambda: stored_jobs.status(job) == "FINISHED", "has ended")


def waits_and_is_looked_at(alice: Caller, cluster: Cluster) -> None:
    """Check that SLURM is asked about a waiting job more than once."""
    job = alice.submit(cluster, "#SBATCH --hold")
    for _ in range(2):
        looked_at_again(alice, job)
    alice.end(job)


@pytest.mark.parametrize("watch", [follows, waits_and_is_looked_at])
def test_the_registry_follows_jobs_on_both_clusters(
    alice: Caller, zeus: Cluster, prometheus: Cluster, watch: Callable[[Caller, Cluster], None]
) -> None:
    at_once(partial(watch, alice), zeus, prometheus)
