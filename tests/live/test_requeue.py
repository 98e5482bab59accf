"""A job that SLURM takes from its node, because the node fails or for another job, waits again: it is not over."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from itertools import groupby

import pytest

from tests.harness.caller import Caller, Job
from tests.harness.contract import check_job
from tests.harness.sandbox_env import Cluster, at_once, eventually
from tests.live import stored_jobs
from tests.live.runtime import seconds

pytestmark = pytest.mark.alone  # it takes nodes away

RUNS_THEN_ENDS = ['[ -z "$SLURM_RESTART_COUNT" ] || exit 0', "exec sleep 300"]
"""Runs until it is taken off its node, and ends well the second time."""

URGENT = "urgent"


def second_node(cluster: Cluster) -> str:
    """Return the node that jobs go to only where they ask for it, or where the first one is full."""
    return f"{cluster.host.partition('.')[0]}-wn2"


@contextmanager
def failing(alice: Caller, cluster: Cluster, node: str) -> Iterator[None]:
    """Let the node be down, as SLURM sees it after its daemon was silent for long."""
    assert alice
    try:
        cluster.slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        yield
    finally:
        with suppress(subprocess.CalledProcessError):  # refused where it has come back by itself (ReturnToService=2)
            cluster.slurm("scontrol", "update", f"nodename={node}", "state=resume")
        eventually(lambda: "down" not in cluster.slurm("sinfo", "-h", "-n", node, "-o", "%T"), f"{node} is back")


@contextmanager
def preempting(alice: Caller, cluster: Cluster, node: str) -> Iterator[None]:
    """Submit a job to a partition whose jobs push others off that node."""
    urgent = (
        f"PreemptType=preempt/partition_prio\nPreemptMode=REQUEUE\n"
        f"PartitionName={URGENT} Nodes={node} PriorityTier=10 State=UP\n"
    )
    cluster.conf.write_text(cluster.conf.read_text() + urgent)
    try:
        cluster.slurm("scontrol", "reconfigure")
        pushing = alice.submit(cluster, f"#SBATCH --partition={URGENT}", "#SBATCH --exclusive", "sleep 1")
        yield
        assert alice.ended(pushing)["status"] == "FINISHED"
    finally:
        cluster.slurm("scancel", f"--partition={URGENT}")
        cluster.conf.write_text(cluster.conf.read_text().replace(urgent, ""))
        cluster.slurm("scontrol", "reconfigure")


Taken = Callable[[Caller, Cluster, str], AbstractContextManager[None]]


@pytest.mark.parametrize("taken", [failing, preempting])
def test_a_job_that_is_taken_off_its_node_waits_again_and_its_end_counts_from_the_first_submission(
    alice: Caller, zeus: Cluster, prometheus: Cluster, taken: Taken
) -> None:
    at_once(partial(waits_again, alice, taken), zeus, prometheus)


def waits_again(alice: Caller, taken: Taken, cluster: Cluster) -> None:
    node = second_node(cluster)
    options = ["#SBATCH --requeue", f"#SBATCH --nodelist={node}"]
    job = alice.running(alice.submit(cluster, *options, *RUNS_THEN_ENDS))
    number, first = cluster.number(job["job_id"]), stored_jobs.submitted_at(job)
    with taken(alice, cluster, node):
        back = alice.until(job, lambda now: now["status"] == "QUEUED", "waits again")
        check_job(back, cluster)
        assert not {"start_time", "end_time", "wall_time", "nodes"} & set(back)
    assert stored_jobs.submitted_at(job) == first < int(cluster.slurm("squeue", "-h", "-j", number, "-o", "%V"))
    cluster.slurm("scontrol", "update", f"JobId={number}", "StartTime=now")  # SLURM lets it wait two minutes
    ended = alice.complete(job)
    check_job(ended, cluster)
    assert (ended["status"], ended["exit_code"]) == ("FINISHED", 0)
    assert seconds(ended["queue_time"]) == int(cluster.accounting(job["job_id"], "Start")["Start"]) - first
    *before, last = moves(alice, job)
    assert (before[:3], last) == (["QUEUED", "RUNNING", "QUEUED"], "FINISHED")


def moves(alice: Caller, job: Job) -> list[str]:
    """Return the statuses that the job's history tells, each once in a row."""
    events = alice.call("GET", f"/api/jobs/{job['job_id']}/events").json()
    return [status for status, _same in groupby(event["status"] for event in events)]
