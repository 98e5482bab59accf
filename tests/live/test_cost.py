"""What the service asks of a controller: less than what SLURM's own rate limit lets every account ask.

`rl_enable` (SLURM 23.02 and newer, slurm.conf(5)) gives each account a bucket of 30 calls, filled up by 2 a second, and
pushes back where that is empty. The sandbox's SLURM has no such limit, but counts calls by account (sdiag(1)).
"""

import re
import time
from functools import partial

import pytest

from tests.harness.caller import Caller, Job
from tests.harness.sandbox_env import Cluster, at_once

pytestmark = pytest.mark.alone  # SLURM counts what all tests have the account ask

BUCKET = 30
REFILL = 2  # a second
LOOKS = 4


def calls(cluster: Cluster) -> dict[str, int]:
    """Return how often each account has called the controller, by its name; root is who runs these tests."""
    _, _, by_account = cluster.slurm("sdiag").partition("Remote Procedure Call statistics by user")
    found = re.findall(r"^\s*(\S+)\s*\(\s*[0-9]+\) count:([0-9]+)", by_account, re.MULTILINE)
    return {account: int(count) for account, count in found if account not in {"root", "slurm"}}


def spent(cluster: Cluster, before: dict[str, int]) -> dict[str, int]:
    """Return how many calls each account has made since `before`."""
    since = {account: count - before.get(account, 0) for account, count in calls(cluster).items()}
    return {account: count for account, count in since.items() if count}


def looked_at(alice: Caller, job: Job) -> None:
    """Wait until SLURM was asked about the job once more."""
    before = alice.job(job["job_id"])["checked_at"]
    alice.until(job, lambda now: now["checked_at"] > before, "was looked at")


def test_following_jobs_costs_an_account_less_than_a_rate_limit_gives_back(
    alice: Caller, zeus: Cluster, prometheus: Cluster
) -> None:
    at_once(partial(follows_at_little_cost, alice), zeus, prometheus)


def follows_at_little_cost(alice: Caller, cluster: Cluster) -> None:
    jobs = [alice.submit(cluster, "sleep 120"), alice.submit(cluster, "#SBATCH --hold")]
    looked_at(alice, jobs[1])
    before, began = calls(cluster), time.monotonic()
    for _ in range(LOOKS):
        looked_at(alice, jobs[1])
    asked, seconds = spent(cluster, before), time.monotonic() - began
    assert asked, "nobody has asked: this test sees nothing"
    assert max(asked.values()) >= LOOKS
    assert all(count <= REFILL * seconds for count in asked.values()), (asked, seconds)


def test_some_submissions_in_a_row_do_not_empty_the_bucket(alice: Caller, zeus: Cluster, prometheus: Cluster) -> None:
    at_once(partial(submits_at_little_cost, alice), zeus, prometheus)


def submits_at_little_cost(alice: Caller, cluster: Cluster) -> None:
    waiting = alice.submit(cluster, "#SBATCH --hold")
    looked_at(alice, waiting)
    before, began = calls(cluster), time.monotonic()
    for _ in range(10):
        alice.submit(cluster, "exit 0")
    for _ in range(LOOKS):
        looked_at(alice, waiting)
    asked, seconds = spent(cluster, before), time.monotonic() - began
    assert max(asked.values()) >= 10
    assert all(count <= BUCKET + REFILL * seconds for count in asked.values()), (asked, seconds)
