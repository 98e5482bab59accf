"""The registry follows SLURM by itself, within seconds and without being asked."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.live import registry
from tests.live.caller import Caller, Job
from tests.live.ground import Cluster, eventually

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
    """Check that the registry hears of a job's start and of its end."""
    job = alice.submit(cluster, "sleep 7")
    number = cluster.number(job["job_id"])

    def says(state: str) -> bool:
        return state in cluster.slurm("squeue", "-h", "-t", "all", "-j", number, "-o", "%T")

    moves_soon_after(lambda: says("RUNNING"), lambda: registry.status(job) == "RUNNING", "runs")
    moves_soon_after(lambda: says("COMPLETED"), lambda: registry.status(job) == "FINISHED", "has ended")


def test_the_registry_hears_of_starts_and_ends_on_both_clusters_without_any_call(
    alice: Caller, zeus: Cluster, prometheus: Cluster
) -> None:
    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(follows, alice, cluster) for cluster in (zeus, prometheus)]:
            done.result()


def test_checked_at_moves_on_again_and_again_while_a_job_waits(
    alice: Caller, zeus: Cluster, prometheus: Cluster
) -> None:
    jobs = [alice.submit(cluster, "#SBATCH --hold") for cluster in (zeus, prometheus)]
    for job in jobs * 2:
        looked_at_again(alice, job)
    for job in jobs:
        alice.end(job)
