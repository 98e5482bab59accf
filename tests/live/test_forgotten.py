"""What the registry says of jobs that SLURM's controller no longer knows: all that it has ever said."""

import pytest

from tests.harness.caller import Caller, Job
from tests.harness.contract import check_job
from tests.harness.sandbox_env import Cluster, eventually
from tests.live.conftest import Forgotten
from tests.live.runtime import check_runtime

pytestmark = pytest.mark.alone  # the controller forgets everybody's jobs


def forgotten(cluster: Cluster, job: Job) -> None:
    """Wait until the controller has forgotten a job."""
    eventually(lambda: not cluster.holds(job["job_id"]), f"{job['job_id']} is forgotten")


@pytest.fixture(scope="module")
def jobs(forgetting: Forgotten, zeus: Cluster) -> list[Job]:
    """Ended jobs as the service showed them at their end, after the controller has forgotten them."""
    for job in forgetting.jobs:
        forgotten(zeus, job)
    return forgetting.jobs


def test_its_answer_stays_complete(alice: Caller, zeus: Cluster, jobs: list[Job]) -> None:
    kept, _ = jobs
    now = alice.job(kept["job_id"])
    assert now == kept
    check_job(now, zeus)
    assert (now["status"], now["exit_code"]) == ("ERROR", 3)
    check_runtime(now, zeus)
    assert now in alice.call("GET", "/api/jobs").json()


def test_its_output_can_still_be_read(alice: Caller, jobs: list[Job]) -> None:
    kept, _ = jobs
    assert alice.output(kept) == alice.output(kept, "stderr") == "kept\n"


def test_aborting_and_deleting_it_succeeds(alice: Caller, jobs: list[Job]) -> None:
    _, ended = jobs
    path = f"/api/jobs/{ended['job_id']}"
    alice.end(ended)
    assert alice.job(ended["job_id"]) == ended
    assert alice.call("DELETE", path).status_code == 204
    assert alice.call("GET", path).status_code == 404


def test_the_tasks_of_an_array_are_known_as_long_as_accounting_knows_them(
    alice: Caller, cluster: Cluster, forgetting: Forgotten
) -> None:
    job, before = forgetting.arrays[cluster.host], forgetting.outputs[cluster.host]
    forgotten(cluster, job)
    assert alice.output(job) == before
    assert before.splitlines() == ["3", "12"]
