"""What the registry says of jobs that SLURM's controller no longer knows: all that it has ever said."""

import pytest

from tests.live.caller import Caller, Job
from tests.live.contract import check_job
from tests.live.ground import Cluster, eventually
from tests.live.runtime import check_runtime


@pytest.fixture(scope="module")
def forgotten(forgetting: list[Job], zeus: Cluster) -> list[Job]:
    """Ended jobs as the service showed them at their end, after the controller has forgotten them."""
    for job in forgetting:
        eventually(lambda: not zeus.holds(job["job_id"]), f"{job['job_id']} is forgotten", seconds=150)  # noqa: B023 - called at once
    return forgetting


def test_its_answer_stays_complete(alice: Caller, zeus: Cluster, forgotten: list[Job]) -> None:
    kept, _ = forgotten
    now = alice.job(kept["job_id"])
    assert now == kept
    check_job(now, zeus)
    assert (now["status"], now["exit_code"]) == ("ERROR", 3)
    check_runtime(now, zeus)
    assert now in alice.call("GET", "/api/jobs").json()


def test_its_output_can_still_be_read(alice: Caller, forgotten: list[Job]) -> None:
    kept, _ = forgotten
    assert alice.output(kept) == alice.output(kept, "stderr") == "kept\n"


def test_aborting_and_deleting_it_succeeds(alice: Caller, forgotten: list[Job]) -> None:
    _, ended = forgotten
    path = f"/api/jobs/{ended['job_id']}"
    alice.end(ended)
    assert alice.job(ended["job_id"]) == ended
    assert alice.call("DELETE", path).status_code == 204
    assert alice.call("GET", path).status_code == 404
