"""Abort and delete: twice, late, and of a job that SLURM does not know."""

import uuid
from collections.abc import Callable
from functools import partial

import psycopg
import pytest

from tests.harness.caller import Caller, Job
from tests.harness.contract import error
from tests.harness.sandbox_env import Cluster, at_once, environment, eventually, variable

ABORT = {"action": "abort"}
NEVER_GIVEN = 90_000_000  # SLURM's ids of the sandbox are far below


def active(cluster: Cluster, job: Job) -> bool:
    """Say whether SLURM still has it waiting or running."""
    return cluster.number(job["job_id"]) in cluster.slurm("squeue", "-h", "-t", "PD,R", "-o", "%A").split()


def test_aborting_twice_is_as_good_as_once(alice: Caller, cluster: Cluster) -> None:
    job = alice.submit(cluster, "#SBATCH --hold")
    for _ in range(2):
        alice.end(job)
        assert alice.job(job["job_id"])["status"] == "ABORTED"
    assert not active(cluster, job)


def test_deleting_twice_finds_nothing_the_second_time(alice: Caller, cluster: Cluster) -> None:
    job = alice.submit(cluster, "exec sleep 300")
    path = f"/api/jobs/{job['job_id']}"
    assert alice.call("DELETE", path).status_code == 204
    eventually(lambda: not active(cluster, job), "the job is cancelled in SLURM")
    for method, body in (("DELETE", None), ("GET", None), ("PUT", ABORT)):
        error(alice.call(method, path, json=body), 404)
    error(alice.call("GET", job["stdout_path"]), 404)
    assert job["job_id"] not in alice.call("GET", "/api/jobs").text


@pytest.mark.parametrize("script", [["#SBATCH --hold"], ["exec sleep 300"]], ids=["held", "running"])
def test_a_deleted_job_is_followed_to_its_end_in_the_registry(
    alice: Caller, cluster: Cluster, script: list[str]
) -> None:
    job = alice.submit(cluster, *script)
    if "--hold" not in script[0]:
        alice.running(job)
    assert alice.call("DELETE", f"/api/jobs/{job['job_id']}").status_code == 204

    def told() -> tuple[str, bool]:
        with psycopg.connect(variable("DATABASE_URL")) as connection:
            row = connection.execute(
                "SELECT status, accounting_confirmed FROM jobs_job WHERE job_id = %s", [job["job_id"]]
            ).fetchone()
        assert row
        return row[0], row[1]

    assert told()[0] == "ABORTED"
    eventually(lambda: told() == ("ABORTED", True), "accounting has told the end of it")


@pytest.mark.alone
def test_a_job_that_scancel_leaves_alone_is_neither_aborted_nor_deleted(
    alice: Caller, zeus: Cluster, prometheus: Cluster
) -> None:
    at_once(partial(keeps_what_scancel_leaves_alone, alice), zeus, prometheus)


def keeps_what_scancel_leaves_alone(alice: Caller, cluster: Cluster) -> None:
    job = alice.running(alice.submit(cluster, "exec sleep 300"))
    path = f"/api/jobs/{job['job_id']}"
    with environment(cluster, SCANCEL_STATE="PENDING"):
        for method, body in (("PUT", ABORT), ("DELETE", None)):
            told = error(alice.call(method, path, json=body), 503)
            assert told["error_message"].startswith(f"SLURM did not cancel {job['job_id']}, which is still RUNNING; ")
            assert alice.job(job["job_id"])["status"] == "RUNNING"
    assert active(cluster, job)
    assert alice.call("DELETE", path).status_code == 204
    assert not active(cluster, job)


@pytest.mark.parametrize(
    ("lines", "runs"), [(["#SBATCH --array=0-5%2"], "1"), (["#SBATCH -n1", "#SBATCH hetjob", "#SBATCH -n2"], "+1")]
)
def test_every_task_and_every_component_is_cancelled(
    alice: Caller, cluster: Cluster, lines: list[str], runs: str
) -> None:
    job = alice.submit(cluster, *lines, "exec sleep 300")
    number = cluster.number(job["job_id"])
    eventually(
        lambda: runs in cluster.slurm("squeue", "-h", "-t", "R", "-j", number, "-o", "%i").replace(number, ""),
        f"{runs} runs",
    )
    alice.end(job)
    assert alice.job(job["job_id"])["status"] == "ABORTED"
    assert cluster.slurm("squeue", "-h", "-t", "PD,R", "-j", number, "-o", "%i") == ""


@pytest.mark.parametrize("ending", ["exit 0", "exit 6"])
def test_aborting_a_job_that_has_ended_changes_nothing(alice: Caller, zeus: Cluster, ending: str) -> None:
    job = alice.complete(alice.submit(zeus, "echo done", ending))
    alice.end(job)
    assert alice.job(job["job_id"]) == job
    assert alice.output(job) == "done\n"


def test_a_job_that_ended_by_itself_before_it_was_aborted_says_how(alice: Caller, cluster: Cluster) -> None:
    """The registry has not heard of the end yet, in most runs: SLURM is asked, and its word counts."""
    job = alice.submit(cluster, "echo by itself")
    number = cluster.number(job["job_id"])
    eventually(
        lambda: "COMPLETED" in cluster.slurm("squeue", "-h", "-t", "all", "-j", number, "-o", "%T"), "it has ended"
    )
    alice.end(job)
    assert alice.job(job["job_id"])["status"] == "FINISHED"


def test_deleting_a_job_that_has_ended_removes_it_alone(alice: Caller, zeus: Cluster, tag: str) -> None:
    job, other = (alice.submit(zeus, "true", tag=tag) for _ in range(2))
    alice.complete(other)
    assert alice.call("DELETE", f"/api/jobs/{alice.complete(job)['job_id']}").status_code == 204
    assert [one["job_id"] for one in alice.call("GET", f"/api/jobs?tag={tag}").json()] == [other["job_id"]]


@pytest.fixture
def unknown(alice: Caller, zeus: Cluster) -> Callable[[], Job]:
    """Have a job that the registry believes to run, and whose id SLURM has never given to anybody."""

    def make() -> Job:
        job = alice.submit(zeus, "#SBATCH --hold")
        zeus.slurm("scancel", zeus.number(job["job_id"]))
        slurm_id = NEVER_GIVEN + uuid.uuid4().int % NEVER_GIVEN
        changed = f"{slurm_id}.{zeus.domain}"
        with psycopg.connect(variable("DATABASE_URL")) as database:
            database.execute(
                "UPDATE jobs_job SET slurm_id = %s, job_id = %s, status = 'RUNNING', slurm_state = 'RUNNING'"
                " WHERE job_id = %s",
                (slurm_id, changed, job["job_id"]),
            )
        alice.submitted.append(changed)
        return alice.job(changed)

    return make


def test_a_job_that_slurm_does_not_know_keeps_its_status_until_it_is_deleted(
    alice: Caller, unknown: Callable[[], Job]
) -> None:
    job = unknown()
    before = job["checked_at"]
    polled = alice.until(job, lambda now: now["checked_at"] > before, "was asked about")
    assert (polled["status"], "end_time" in polled) == ("RUNNING", False), "absence says nothing"
    alice.end(job)
    assert alice.call("DELETE", f"/api/jobs/{job['job_id']}").status_code == 204
    error(alice.call("GET", f"/api/jobs/{job['job_id']}"), 404)
