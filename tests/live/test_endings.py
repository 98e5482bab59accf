"""How a job ended, what it took and what it wrote, as SLURM has it: for every way to end, on both clusters at once."""

import errno
from collections.abc import Iterator
from itertools import product

import pytest

from tests.harness.caller import Caller, Job, together
from tests.harness.contract import RUNTIME, check_job
from tests.harness.sandbox_env import GRANT, Cluster, eventually
from tests.live import stored_jobs
from tests.live.runtime import check_runtime, ended

WAITS = "#SBATCH --begin=now+1hour"
RUNS = "exec sleep 300"

SCRIPTS = {
    "success": ["#SBATCH -n 3", "#SBATCH -N 2", "#SBATCH -e %j.err", "echo fine", "echo note >&2", "sleep 2"],
    "failure": ["echo partly", "echo alas >&2", "exit 7"],
    "signal": ["kill -SEGV $$"],
    "high code": ["sh -c 'kill -9 $$'"],
    "no output": ["#SBATCH -o /nowhere/out", "exit 0"],
    "cluster": ["echo $SLURM_CLUSTER_NAME"],
    "waits": [WAITS, "echo never"],
    "waits, aborted": [WAITS, "echo never"],
    "waits, cancelled": [WAITS, "echo never"],
    "runs, aborted": ["echo begun", RUNS],
    "traps, aborted": ["trap 'exit 3' TERM", "echo begun", "sleep 300 & wait"],
    "runs, cancelled": [RUNS],
    "runs, requeued": ["#SBATCH --requeue", RUNS],
}
"""Jobs by what becomes of them; what is done to one is done by the API (aborted) or in SLURM (cancelled, requeued)."""

Jobs = dict[str, Job]


@pytest.fixture(scope="module")
def begun(alice: Caller, zeus: Cluster, prometheus: Cluster) -> dict[str, Jobs]:
    """All of these jobs on both clusters (by host), as they are once those run that are to."""
    made = together(lambda key: alice.submit(key[0], *SCRIPTS[key[1]]), product((zeus, prometheus), SCRIPTS))
    jobs = {one.host: {name: made[one, name].result() for name in SCRIPTS} for one in (zeus, prometheus)}
    for mine in jobs.values():
        for name in ("runs, aborted", "traps, aborted", "runs, cancelled", "runs, requeued"):
            mine[name] = alice.running(mine[name])
        for name in ("waits", "waits, aborted", "waits, cancelled"):
            mine[name] = alice.until(mine[name], lambda now: now["slurm_state"] == "PENDING", "was seen waiting")
    return jobs


@pytest.fixture(scope="module")
def aborted(alice: Caller, begun: dict[str, Jobs]) -> dict[str, Jobs]:
    """The jobs that are aborted through the API, as they are right after that."""
    answers: dict[str, Jobs] = {}
    for host, jobs in begun.items():
        answers[host] = {}
        for name in ("waits, aborted", "runs, aborted", "traps, aborted"):
            alice.end(jobs[name])
            answers[host][name] = alice.job(jobs[name]["job_id"])
    return answers


@pytest.fixture(scope="module")
def fates(
    alice: Caller, zeus: Cluster, prometheus: Cluster, begun: dict[str, Jobs], aborted: dict[str, Jobs]
) -> Iterator[dict[str, Jobs]]:
    """The same jobs after everything has been done to them; not all of them have ended yet."""
    assert aborted
    for one in (zeus, prometheus):
        jobs = begun[one.host]
        one.slurm("scancel", *(one.number(jobs[name]["job_id"]) for name in ("waits, cancelled", "runs, cancelled")))
        one.slurm("scontrol", "requeuehold", one.number(jobs["runs, requeued"]["job_id"]))
    yield begun
    for jobs in begun.values():
        for name in ("waits", "runs, requeued"):
            alice.end(jobs[name])


def check_ended(job: Job, cluster: Cluster, status: str, slurm_state: str) -> None:
    """Check a job that has ended as this, against the contract and against accounting."""
    check_job(job, cluster)
    assert (job["status"], job["slurm_state"]) == (status, slurm_state)
    check_runtime(job, cluster)


def test_a_success_is_finished(alice: Caller, cluster: Cluster, fates: dict[str, Jobs]) -> None:
    job = alice.complete(fates[cluster.host]["success"])
    check_ended(job, cluster, "FINISHED", "COMPLETED")
    assert (job["nodes"], job["cores"], job["exit_code"]) == ("2", "3", 0)
    assert job["wall_time"] >= "00:00:02"
    assert (alice.output(job), alice.output(job, "stderr")) == ("fine\n", "note\n")


def test_a_non_zero_exit_is_an_error_with_its_code(alice: Caller, cluster: Cluster, fates: dict[str, Jobs]) -> None:
    job = alice.complete(fates[cluster.host]["failure"])
    check_ended(job, cluster, "ERROR", "FAILED")
    assert job["exit_code"] == 7
    assert alice.output(job) == alice.output(job, "stderr") == "partly\nalas\n", (
        "SLURM joins them unless told otherwise"
    )


def test_a_script_that_a_signal_ends_is_an_error(alice: Caller, cluster: Cluster, fates: dict[str, Jobs]) -> None:
    job = alice.complete(fates[cluster.host]["signal"])
    check_ended(job, cluster, "ERROR", "FAILED")
    assert (job["exit_code"], job["signal"]) == (None, 11)


def test_an_exit_code_that_accounting_cuts_stays_whole(alice: Caller, cluster: Cluster, fates: dict[str, Jobs]) -> None:
    job = alice.complete(fates[cluster.host]["high code"])
    assert (job["slurm_state"], job["exit_code"], job["signal"]) == ("FAILED", 137, None)
    said = eventually(lambda: ended(job, cluster), "accounting has the end")
    assert said["ExitCode"] == "9:0", "sacct takes 128 from it"
    eventually(lambda: stored_jobs.is_confirmed(job), "the service has heard it")
    assert alice.job(job["job_id"])["exit_code"] == 137


def test_a_job_that_could_not_be_launched_has_no_exit_code(
    alice: Caller, cluster: Cluster, fates: dict[str, Jobs]
) -> None:
    job = alice.ended(fates[cluster.host]["no output"])
    eventually(lambda: stored_jobs.is_confirmed(job), "the service has heard of it from accounting")
    job = alice.job(job["job_id"])
    assert (job["status"], job["slurm_state"], job["exit_code"], job["signal"]) == ("ERROR", "FAILED", None, None)


def test_a_missing_interpreter_is_no_success(alice: Caller, cluster: Cluster) -> None:
    answer = alice.order(cluster, f"#!/no/such/interpreter\n#SBATCH -A {GRANT}\nexit 0\n")
    assert answer.status_code == 201, answer.text
    job = alice.complete(answer.json())
    check_ended(job, cluster, "ERROR", "FAILED")
    assert job["exit_code"] == errno.ENOENT, "SLURM tells its own error as the script's exit code"


def test_a_waiting_job_has_no_runtime_information_yet(cluster: Cluster, begun: dict[str, Jobs]) -> None:
    job = begun[cluster.host]["waits"]
    check_job(job, cluster)
    assert (job["status"], job["reason"], job["exit_code"]) == ("QUEUED", "BeginTime", None)
    assert not RUNTIME & set(job), "absent, not null"


def test_a_running_job_has_no_end_yet(cluster: Cluster, begun: dict[str, Jobs]) -> None:
    job = begun[cluster.host]["runs, aborted"]
    check_job(job, cluster)
    assert (job["status"], job["slurm_state"], job["exit_code"]) == ("RUNNING", "RUNNING", None)
    assert RUNTIME & set(job) == {"nodes", "cores", "start_time", "queue_time"}


@pytest.mark.parametrize("name", ["waits, aborted", "runs, aborted"])
def test_an_abort_shows_at_once(cluster: Cluster, aborted: dict[str, Jobs], name: str) -> None:
    job = aborted[cluster.host][name]
    check_job(job, cluster)
    assert job["status"] == "ABORTED"


@pytest.mark.parametrize("name", ["waits, aborted", "waits, cancelled"])
def test_a_job_cancelled_while_it_waited_never_started(
    alice: Caller, cluster: Cluster, fates: dict[str, Jobs], name: str
) -> None:
    job = alice.complete(fates[cluster.host][name])
    check_ended(job, cluster, "ABORTED", "CANCELLED")
    assert RUNTIME & set(job) == {"end_time", "queue_time"}
    assert (job["exit_code"], job["signal"]) == (None, None), "not 0: it never ran"
    assert alice.call("GET", job["stdout_path"]).status_code == 404, "it never wrote anything"


@pytest.mark.parametrize("name", ["runs, aborted", "traps, aborted", "runs, cancelled"])
def test_a_job_cancelled_while_it_ran_keeps_what_it_did(
    alice: Caller, cluster: Cluster, fates: dict[str, Jobs], name: str
) -> None:
    before = fates[cluster.host][name]
    job = alice.complete(before)
    check_ended(job, cluster, "ABORTED", "CANCELLED")
    assert job["start_time"] == before["start_time"]
    assert set(job) >= RUNTIME
    assert (job["exit_code"], job["signal"]) == (None, None), "SLURM ended it"
    if name != "runs, cancelled":
        assert alice.output(job).startswith("begun\n")


def test_a_requeued_job_goes_back_to_the_queue(alice: Caller, cluster: Cluster, fates: dict[str, Jobs]) -> None:
    job = fates[cluster.host]["runs, requeued"]
    back = alice.until(job, lambda now: now["status"] == "QUEUED", "waits again")
    check_job(back, cluster)
    assert not {"start_time", "end_time", "wall_time"} & set(back)


def test_two_clusters_at_once_do_not_mix(alice: Caller, cluster: Cluster, fates: dict[str, Jobs]) -> None:
    job = alice.complete(fates[cluster.host]["cluster"])
    check_ended(job, cluster, "FINISHED", "COMPLETED")
    assert alice.output(job).strip() == cluster.host.partition(".")[0]
