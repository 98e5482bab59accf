"""SLURM's own clocks: the time that a job may take, and how long the controller remembers one that has ended.

These take minutes: `head_start` begins with them before anything else.
"""

import pytest

from tests.live.caller import Caller, Job
from tests.live.contract import check_job, error
from tests.live.ground import Cluster, eventually
from tests.live.runtime import check_runtime


def forgotten(cluster: Cluster, job: Job) -> None:
    """Wait until the controller no longer knows the job."""
    eventually(lambda: not cluster.holds(job["job_id"]), "the controller has forgotten", seconds=150)


@pytest.mark.parametrize("name", ["zeus", "prometheus"])
def test_a_job_over_its_time_limit_is_an_error(
    name: str, overdue: dict[str, tuple[Caller, Job]], request: pytest.FixtureRequest
) -> None:
    cluster: Cluster = request.getfixturevalue(name)
    owner, job = overdue[cluster.host]
    ended = owner.complete(job, seconds=150)
    check_job(ended, cluster)
    assert (ended["status"], ended["slurm_state"]) == ("ERROR", "TIMEOUT")
    check_runtime(ended, cluster)
    assert "00:01:00" <= ended["wall_time"] < "00:03:00"
    assert owner.output(ended) == "begun\n"
    assert owner.output(ended, "stderr").startswith("odd\n")


def test_what_the_registry_says_outlives_the_controller_s_memory(
    alice: Caller, zeus: Cluster, forgetting: list[Job]
) -> None:
    for job in forgetting:
        forgotten(zeus, job)
        assert alice.job(job["job_id"]) == job
        check_job(job, zeus)
        assert (job["status"], job["exit_code"], job["slurm_state"]) == ("ERROR", 3, "FAILED")
        check_runtime(job, zeus)
    kept, ended = forgetting
    assert (alice.output(kept), alice.output(ended)) == ("kept\n", "ended\n")


def test_aborting_and_deleting_what_the_controller_has_forgotten_succeeds(
    alice: Caller, zeus: Cluster, forgetting: list[Job]
) -> None:
    job = forgetting[1]
    forgotten(zeus, job)
    alice.end(job)
    assert alice.job(job["job_id"]) == job
    assert alice.call("DELETE", f"/api/jobs/{job['job_id']}").status_code == 204
    error(alice.call("GET", f"/api/jobs/{job['job_id']}"), 404)
