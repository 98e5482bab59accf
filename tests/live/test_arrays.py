"""A job array's parent is one job: it runs while a task does, and ends as its worst task has ended."""

import pytest

from tests.harness.caller import Caller, Job
from tests.harness.contract import RUNTIME, check_job, error
from tests.harness.sandbox_env import Cluster, eventually

Jobs = dict[str, Job]

SCRIPTS = {
    "succeeds": ["#SBATCH --output=array-%A.out", "#SBATCH --open-mode=append", "echo task $SLURM_ARRAY_TASK_ID"],
    "fails": ["test $SLURM_ARRAY_TASK_ID != 1 || exit 5"],
    "goes on": ["test $SLURM_ARRAY_TASK_ID = 0 || exec sleep 300"],
}


@pytest.fixture(scope="module")
def arrays(alice: Caller, zeus: Cluster, prometheus: Cluster) -> dict[str, Jobs]:
    """Arrays of three tasks on both clusters, by host."""
    return {
        one.host: {name: alice.submit(one, "#SBATCH --array=0-2", *lines) for name, lines in SCRIPTS.items()}
        for one in (zeus, prometheus)
    }


def test_an_array_whose_tasks_all_succeed_is_finished(alice: Caller, cluster: Cluster, arrays: dict[str, Jobs]) -> None:
    job = arrays[cluster.host]["succeeds"]
    check_job(job, cluster)
    ended = alice.complete(job)
    check_job(ended, cluster)
    assert (ended["status"], ended["exit_code"]) == ("FINISHED", 0)
    assert (ended["nodes"], ended["cores"]) == ("3", "3")
    assert set(ended) >= RUNTIME
    assert sorted(alice.output(ended).splitlines()) == ["task 0", "task 1", "task 2"]
    assert alice.output(ended, "stderr") == alice.output(ended)


def test_an_array_with_a_task_that_fails_is_an_error_with_its_code(
    alice: Caller, cluster: Cluster, arrays: dict[str, Jobs]
) -> None:
    ended = alice.complete(arrays[cluster.host]["fails"])
    check_job(ended, cluster)
    assert (ended["status"], ended["exit_code"]) == ("ERROR", 5)


def test_an_array_runs_as_long_as_one_of_its_tasks_does(
    alice: Caller, cluster: Cluster, arrays: dict[str, Jobs]
) -> None:
    job = arrays[cluster.host]["goes on"]
    number = cluster.number(job["job_id"])

    def states() -> list[str]:
        return cluster.slurm("squeue", "-h", "-t", "all", "-j", number, "-o", "%T").split()

    # The controller may have forgotten the task that has ended: the other two tell.
    eventually(lambda: [state for state in states() if state != "COMPLETED"] == ["RUNNING"] * 2, "one task has ended")
    running = alice.running(job)
    assert "end_time" not in running
    alice.end(job)
    assert alice.job(job["job_id"])["status"] == "ABORTED"
    assert not {"PENDING", "RUNNING"} & set(states()), "every task is cancelled"
    assert alice.complete(job)["status"] == "ABORTED"


def test_an_array_that_waits_is_queued_until_it_is_aborted(alice: Caller, cluster: Cluster) -> None:
    job = alice.submit(cluster, "#SBATCH --array=0-1000%2", "#SBATCH --begin=now+1hour")
    waiting = alice.until(job, lambda now: now["slurm_state"] == "PENDING", "was seen waiting")
    check_job(waiting, cluster)
    assert (waiting["status"], "start_time" in waiting) == ("QUEUED", False)
    error(alice.call("GET", waiting["stdout_path"]), 404)
    alice.end(job)
    ended = alice.job(job["job_id"])
    assert (ended["status"], "start_time" in ended) == ("ABORTED", False)
