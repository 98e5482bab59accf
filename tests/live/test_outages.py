"""A cluster's controller or its accounting is down for a while: nothing is lost, nothing is made up."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.harness.caller import Caller, Job
from tests.harness.contract import RUNTIME, check_job, error
from tests.harness.operators import manage
from tests.harness.sandbox_env import Cluster, eventually, stopped
from tests.live import stored_jobs
from tests.live.runtime import check_runtime

pytestmark = pytest.mark.alone  # it stops what every job needs

ABORT = {"action": "abort"}


def accounting_answers(cluster: Cluster) -> bool:
    """Say whether slurmdbd answers."""
    try:
        return bool(cluster.slurm("sacctmgr", "-n", "show", "cluster"))
    except subprocess.CalledProcessError:
        return False


def test_without_accounting_the_controller_tells_the_end_and_the_exit_code(alice: Caller, prometheus: Cluster) -> None:
    """When accounting is back it hears of the job's start first, with the state of now: that is not its end yet."""
    with stopped("slurmdbd", ready=lambda: accounting_answers(prometheus)):
        job = alice.submit(prometheus, "#SBATCH -n 2", "sleep 4", "exit 9")
        at_once = alice.until(job, lambda now: now["status"] == "ERROR", "has ended")
        check_job(at_once, prometheus)
        assert at_once["slurm_state"] == "FAILED"
        assert (at_once["nodes"], at_once["cores"], at_once["exit_code"]) == ("1", "2", 9)
        assert set(at_once) >= RUNTIME
    later = alice.complete(job)
    assert later == at_once | {"checked_at": later["checked_at"]}
    check_runtime(later, prometheus)


@pytest.fixture(scope="module")
def jobs(alice: Caller, zeus: Cluster) -> dict[str, Job]:
    """Jobs of each kind that are there when the controller goes: one waits, one runs, one has ended."""
    waiting = [alice.submit(zeus, "#SBATCH --hold", tag="outage") for _ in range(2)]
    ended = alice.complete(alice.submit(zeus, "echo before", tag="outage"))
    over = f"until [ -e {alice.directory}/over ]; do sleep 0.1; done"
    running = alice.running(alice.submit(zeus, over, tag="outage"))
    return {"aborted": waiting[0], "deleted": waiting[1], "ended": ended, "running": running}


@pytest.fixture(scope="class")
def down(alice: Caller, jobs: dict[str, Job], zeus: Cluster) -> Iterator[dict[str, Job]]:
    """The same while the controller of their cluster is down; the one that runs comes to its end meanwhile."""
    with stopped("zeus-slurmctld", ready=zeus.answers), zeus.impatient():
        Path(f"{alice.directory}/over").touch()
        yield jobs


def attempt(alice: Caller, method: str, job: Job, body: object) -> httpx.Response:
    """Call for the job, whatever comes of it."""
    return alice.call(method, f"/api/jobs/{job['job_id']}", json=body)


class TestWithoutItsController:
    """The controller is down during all of these."""

    def test_jobs_are_read_from_the_registry_as_they_were(self, alice: Caller, down: dict[str, Job]) -> None:
        for name, status in (("aborted", "QUEUED"), ("ended", "FINISHED"), ("running", "RUNNING")):
            assert alice.job(down[name]["job_id"])["status"] == status
        listed = {one["job_id"] for one in alice.call("GET", "/api/jobs?tag=outage").json()}
        assert {job["job_id"] for job in down.values()} <= listed
        assert alice.output(down["ended"]) == "before\n", "the login node is up"

    def test_the_other_cluster_goes_on(self, alice: Caller, prometheus: Cluster, down: dict[str, Job]) -> None:
        assert down
        assert alice.written(alice.submit(prometheus, "echo unharmed")) == "unharmed\n"

    def test_abort_and_delete_say_to_come_again_and_change_nothing(self, alice: Caller, down: dict[str, Job]) -> None:
        calls = (("PUT", down["aborted"], ABORT), ("DELETE", down["deleted"], None))
        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(lambda call: attempt(alice, *call), calls))
        for answer in answers:
            assert error(answer, 503)["error_message"]
            assert int(answer.headers["Retry-After"]) > 0
        for _method, job, _body in calls:
            assert alice.job(job["job_id"])["status"] == "QUEUED"

    def test_what_has_ended_can_be_aborted_and_deleted_all_the_same(self, alice: Caller, down: dict[str, Job]) -> None:
        alice.end(down["ended"])
        assert alice.job(down["ended"]["job_id"])["status"] == "FINISHED"
        assert alice.call("DELETE", f"/api/jobs/{down['ended']['job_id']}").status_code == 204

    def test_operators_are_told(self, zeus: Cluster, down: dict[str, Job]) -> None:
        assert down
        why = eventually(lambda: stored_jobs.poll_error(zeus), "the look that failed is noted")
        assert "slurm" in why
        told = manage("poll", "zeus")
        assert told.returncode != 0
        assert "squeue" in told.stdout
        assert manage("pingcluster", "zeus").returncode != 0


def test_after_the_outage_everything_is_as_slurm_says(alice: Caller, zeus: Cluster, jobs: dict[str, Job]) -> None:
    assert zeus.answers()
    ended = alice.complete(jobs["running"])
    assert (ended["status"], ended["exit_code"]) == ("FINISHED", 0)
    check_runtime(ended, zeus)
    alice.end(jobs["aborted"])
    assert alice.job(jobs["aborted"]["job_id"])["status"] == "ABORTED"
    assert alice.call("DELETE", f"/api/jobs/{jobs['deleted']['job_id']}").status_code == 204
    eventually(lambda: not stored_jobs.poll_error(zeus), "the next look succeeds")
