"""PUT (abort) and DELETE."""

import datetime as dt
from typing import Any

import pytest

from clusters.errors import Failed, Malformed, TimedOut, Unreachable
from clusters.slurm import Record
from jobs.models import Job
from jobs.states import Status
from tests.api.conftest import Cast, FakeGateway

ABORT = {"action": "abort"}

pytestmark = pytest.mark.usefixtures("zeus")


def record(state: str, **changes: Any) -> Record:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    values: dict[str, Any] = {
        "job": 100, "task": None, "user": "plgalice", "state": state, "submitted_at": now, "started_at": now,
        "ended_at": now, "wall_seconds": 0, "nodes": 1, "cores": 1, "exit_code": None, "signal": None, "reason": "",
        "from_accounting": False,
    }  # fmt: skip
    return Record(**values | changes)


@pytest.fixture
def path(cast: Cast, fake: FakeGateway) -> str:
    """A queued job of alice's."""
    job_id = cast.alice("POST", "/api/jobs", {"host": "zeus", "script": "#!/bin/sh\n"}).json()["job_id"]
    fake.calls.clear()
    return f"/api/jobs/{job_id}"


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETING", "PENDING", "CANCELLED"])
def test_after_an_abort_the_job_is_aborted_at_once(cast: Cast, fake: FakeGateway, path: str, state: str) -> None:
    fake.queued = [record(state)]
    answer = cast.alice("PUT", path, ABORT)
    assert (answer.status_code, answer.content) == (204, b"")
    assert fake.cancelled == [100]
    assert cast.alice("GET", path).json()["status"] == "ABORTED"


@pytest.mark.parametrize(("state", "status"), [("COMPLETED", "FINISHED"), ("TIMEOUT", "ERROR")])
def test_a_job_that_ended_by_itself_first_says_how(
    cast: Cast, fake: FakeGateway, path: str, state: str, status: str
) -> None:
    fake.queued = [record(state)]
    assert cast.alice("PUT", path, ABORT).status_code == 204
    assert cast.alice("GET", path).json()["status"] == status


def test_a_job_that_slurm_no_longer_knows_keeps_its_last_status(cast: Cast, fake: FakeGateway, path: str) -> None:
    assert cast.alice("PUT", path, ABORT).status_code == 204
    assert cast.alice("GET", path).json()["status"] == "QUEUED"
    assert fake.cancelled == [100]


def test_an_ended_job_is_not_touched(cast: Cast, fake: FakeGateway, path: str) -> None:
    Job.objects.update(status=Status.FINISHED)
    assert cast.alice("PUT", path, ABORT).status_code == 204
    assert cast.alice("GET", path).json()["status"] == "FINISHED"
    assert fake.cancelled == []


def test_aborting_twice_is_aborting_once(cast: Cast, fake: FakeGateway, path: str) -> None:
    fake.queued = [record("COMPLETING")]
    assert [cast.alice("PUT", path, ABORT).status_code for _ in range(2)] == [204, 204]
    assert fake.cancelled == [100]


def test_a_poll_between_look_and_write_does_not_undo_the_abort(cast: Cast, fake: FakeGateway, path: str) -> None:
    fake.queued = [record("RUNNING")]
    fake.during = lambda: Job.objects.update(status=Status.RUNNING)  # type: ignore[assignment]  # the count is of no interest
    assert cast.alice("PUT", path, ABORT).status_code == 204
    assert Job.objects.get().status == Status.ABORTED


@pytest.mark.parametrize("action", ["ABORT", "Abort"])
def test_the_action_is_read_in_any_case(cast: Cast, fake: FakeGateway, path: str, action: str) -> None:
    fake.queued = [record("CANCELLED")]
    assert cast.alice("PUT", path, {"action": action}).status_code == 204


@pytest.mark.parametrize("body", [{}, {"action": "pause"}, {"action": None}, {"action": "abort", "x": 1}, []])
def test_another_action_is_422_and_does_nothing(cast: Cast, fake: FakeGateway, path: str, body: Any) -> None:
    assert cast.alice("PUT", path, body).status_code == 422
    assert fake.cancelled == []


def test_a_deleted_job_is_gone(cast: Cast, fake: FakeGateway, path: str) -> None:
    fake.queued = [record("COMPLETING")]
    answer = cast.alice("DELETE", path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert fake.cancelled == [100]
    assert cast.alice("GET", path).status_code == 404
    assert cast.alice("DELETE", path).status_code == 404
    assert cast.alice("GET", "/api/jobs").json() == []


def test_an_ended_job_is_deleted_without_asking_the_cluster(cast: Cast, fake: FakeGateway, path: str) -> None:
    Job.objects.update(status=Status.ERROR)
    fake.outcome = Unreachable("down")
    assert cast.alice("DELETE", path).status_code == 204
    assert fake.calls == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    ("exc", "code"),
    [(Unreachable("down"), 503), (Failed("slurmctld is down"), 503), (TimedOut("30 s"), 408), (Malformed("?"), 503)],
)
def test_a_cluster_that_cannot_be_asked_leaves_the_job_as_it_was(
    cast: Cast, fake: FakeGateway, path: str, method: str, exc: Exception, code: int
) -> None:
    fake.outcome = exc
    answer = cast.alice(method, path, ABORT)
    assert answer.status_code == code
    assert answer.has_header("Retry-After") == (code == 503)
    assert cast.alice("GET", path).json()["status"] == "QUEUED"


def test_an_array_that_was_cancelled_while_it_waited_is_aborted_at_once(
    cast: Cast, fake: FakeGateway, path: str
) -> None:
    fake.queued = [record("CANCELLED", task="[0-9]", started_at=None, nodes=None, cores=None)]
    assert cast.alice("PUT", path, ABORT).status_code == 204
    assert cast.alice("GET", path).json()["status"] == "ABORTED"
