"""sbatch may give a job to another cluster than the one it was sent to, may wait for its end, or submit none."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.harness.caller import Caller, script
from tests.harness.contract import check_job, error
from tests.harness.sandbox_env import Cluster, eventually, new_agents, processes_with, variable


@contextmanager
def starting_up(line: str) -> Iterator[None]:
    """Have plgalice's start-up file begin with `line` meanwhile."""
    file = Path("/home/plgalice/.bashrc")
    saved = file.read_text()
    try:
        file.write_text(f"{line}\n{saved}")
        yield
    finally:
        file.write_text(saved)


@contextmanager
def called(cluster: Cluster, name: str) -> Iterator[None]:
    """Have the registry believe meanwhile that SLURM calls the cluster `name`."""
    change = "UPDATE clusters_cluster SET slurm_name = %s WHERE name = %s"
    with psycopg.connect(variable("DATABASE_URL"), autocommit=True) as database:
        [saved] = database.execute(
            "SELECT slurm_name FROM clusters_cluster WHERE name = %s", (cluster.host,)
        ).fetchone() or [""]
        try:
            database.execute(change, (name, cluster.host))
            yield
        finally:
            database.execute(change, (saved, cluster.host))


def test_a_job_that_went_to_the_other_cluster_lives_and_ends_there(
    alice: Caller, zeus: Cluster, prometheus: Cluster, tag: str
) -> None:
    job = alice.submit(zeus, "#SBATCH --clusters=prometheus", "echo $SLURM_CLUSTER_NAME", "exit 3", tag=tag)
    check_job(job, prometheus)
    assert job["host"] == prometheus.host
    ended = alice.complete(job)
    assert (ended["status"], ended["exit_code"], alice.output(ended)) == ("ERROR", 3, "prometheus\n")
    assert [one["job_id"] for one in alice.call("GET", f"/api/jobs?tag={tag}").json()] == [job["job_id"]]


def test_an_abort_of_it_reaches_it(alice: Caller, zeus: Cluster, prometheus: Cluster) -> None:
    job = alice.submit(zeus, "#SBATCH --clusters=prometheus", "#SBATCH --hold")
    alice.end(job)
    state = prometheus.slurm("squeue", "-h", "-t", "all", "-j", prometheus.number(job["job_id"]), "-o", "%T")
    assert state.strip() == "CANCELLED"


@pytest.mark.alone
@pytest.mark.parametrize("variable_", ["SLURM_CLUSTERS", "SBATCH_CLUSTERS"])
def test_a_start_up_file_that_chooses_the_cluster_counts(
    alice: Caller, zeus: Cluster, prometheus: Cluster, variable_: str
) -> None:
    with starting_up(f"export {variable_}=prometheus"), new_agents(zeus):
        jobs = [alice.submit(zeus, "true") for _ in range(4)]
    for job in jobs:
        check_job(job, prometheus)
    assert alice.complete(jobs[-1])["status"] == "FINISHED"


def test_of_several_clusters_sbatch_chooses_one_and_the_job_is_registered_there(
    alice: Caller, zeus: Cluster, prometheus: Cluster
) -> None:
    job = alice.submit(zeus, "#SBATCH --clusters=zeus,prometheus", "true")
    check_job(job, zeus if job["host"] == zeus.host else prometheus)
    assert alice.complete(job)["status"] == "FINISHED"


@pytest.mark.alone
def test_on_a_cluster_that_is_not_registered_it_is_cancelled_and_the_caller_is_told(
    alice: Caller, zeus: Cluster, prometheus: Cluster, tag: str
) -> None:
    with called(prometheus, "somebody-elses"):
        told = error(alice.order(zeus, script("#SBATCH --clusters=prometheus", "sleep 300"), tag=tag), 422)
    number, _, name = told["standard_output"].partition(";")
    assert (name, told["exit_code"]) == ("prometheus", 0)
    assert "prometheus" in told["error_message"]
    assert "cancelled" in told["error_message"]

    def ended() -> bool:
        state = prometheus.slurm("squeue", "-h", "-t", "all", "-j", number, "-o", "%T").strip()
        return state == "CANCELLED"

    eventually(ended, "SLURM says that the job is cancelled")
    assert alice.call("GET", f"/api/jobs?tag={tag}").json() == []


@pytest.mark.parametrize("line", ["--test-only", "--test-only --clusters=prometheus"])
def test_where_sbatch_submits_nothing_that_is_final(alice: Caller, zeus: Cluster, line: str) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"host": zeus.host, "script": script(*(f"#SBATCH {word}" for word in line.split()))}
    told = [error(alice.call("POST", "/api/jobs", json=body, headers=headers), 422) for _ in range(2)]
    assert told[0]["exit_code"] == 0
    assert "to start at" in told[0]["error_output"]
    assert told[0]["error_message"] == "sbatch ended without submitting a job"
    assert told[1] == told[0]


@pytest.mark.alone
def test_where_a_signal_ends_the_login_shell_nothing_was_submitted_and_that_is_certain(
    alice: Caller, zeus: Cluster
) -> None:
    with starting_up("kill -KILL $$"), new_agents(zeus):
        told = [error(alice.order(zeus, script("true")), 403) for _ in range(3)]
    for each in told:
        assert each["error_message"].startswith("the account's shell was ended by a signal before it ran a command")


def test_an_sbatch_that_waits_for_the_jobs_end_is_not_waited_for(alice: Caller, cluster: Cluster) -> None:
    job = alice.submit(cluster, "#SBATCH --wait", "#SBATCH --hold")
    number = cluster.number(job["job_id"])
    command = cluster.slurm("squeue", "-h", "-j", number, "-o", "%o").strip()
    assert processes_with(f"sbatch --parsable {command}")
    cluster.slurm("scontrol", "release", number)
    assert alice.complete(job)["status"] == "FINISHED"
    assert alice.output(job) == ""
