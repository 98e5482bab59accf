"""PUT (abort) and DELETE."""

import datetime as dt
from typing import Any

import pytest

from clusters.errors import Failed, Malformed, TimedOut, Unreachable
from clusters.models import Cluster
from clusters.slurm.records import Record
from jobs import actions
from jobs.models import Event, Job, Source
from jobs.states import Status
from jobs.sync import polling
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway

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


@pytest.mark.parametrize("state", ["COMPLETING", "STAGE_OUT", "CANCELLED"])
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
    fake.queued = [record("COMPLETING")]
    fake.during = lambda: Job.objects.update(status=Status.RUNNING)
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


@pytest.mark.parametrize(
    ("state", "status"), [("COMPLETING", "ABORTED"), ("CANCELLED", "ABORTED"), ("COMPLETED", "FINISHED")]
)
def test_a_deleted_job_ends_in_the_registry_as_well(
    cast: Cast, fake: FakeGateway, path: str, state: str, status: str
) -> None:
    fake.queued = [record(state)]
    assert cast.alice("DELETE", path).status_code == 204
    assert Job.objects.get().status == status
    assert Event.objects.get().source == Source.USER


def test_a_deleted_job_of_which_slurm_says_nothing_is_followed_and_its_owner_does_not_see_it(
    cast: Cast, fake: FakeGateway, path: str, zeus: Cluster
) -> None:
    assert cast.alice("DELETE", path).status_code == 204
    assert Job.objects.get().status == "QUEUED"
    fake.queued = [record("RUNNING")]
    assert polling.poll(zeus) == 1
    assert Job.objects.get().status == "RUNNING"
    assert cast.alice("GET", path).status_code == 404
    assert cast.alice("GET", "/api/jobs").json() == []


def test_a_job_that_was_deleted_long_ago_is_asked_about_no_more(
    cast: Cast, fake: FakeGateway, path: str, zeus: Cluster
) -> None:
    cast.alice("DELETE", path)
    Job.objects.update(deleted_at=dt.datetime.now(dt.UTC) - dt.timedelta(days=8))
    fake.queued = [record("RUNNING")]
    assert polling.poll(zeus) == 0
    assert Job.objects.get().status == "QUEUED"


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


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time pass between two looks at a job that goes on."""
    monkeypatch.setattr(actions, "_PAUSES", (0.0, 0.0, 0.0))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("complaint", ["", "scancel ended with 1: access denied"])
@pytest.mark.parametrize(
    "told",
    [
        {None: "RUNNING"},
        {None: "PENDING"},
        {None: "SUSPENDED"},
        {None: "REQUEUED"},
        {None: "CONFIGURING"},
        {None: "A_NEW_WORD"},
        {"0": "CANCELLED", "1": "RUNNING"},  # an array, or a heterogeneous job
        {"0": "COMPLETING", "[1-9]": "PENDING"},
    ],
    ids=lambda told: "-".join(told.values()),
)
def test_a_job_that_goes_on_is_neither_aborted_nor_deleted(
    cast: Cast, fake: FakeGateway, path: str, method: str, complaint: str, told: dict[str | None, str]
) -> None:
    before = Job.objects.values().get()
    fake.queued, fake.complaint = [record(state, task=task) for task, state in told.items()], complaint
    answer = cast.alice(method, path, ABORT)
    assert (answer.status_code, answer.has_header("Retry-After")) == (503, True)
    message = answer.json()["error_message"]
    [goes_on] = set(told.values()) - {"CANCELLED", "COMPLETING"}
    assert f"did not cancel {before['job_id']}, which is still {goes_on}" in message
    assert complaint in message
    assert Job.objects.values().get() == before
    assert fake.calls == ["cancel", *([] if complaint else ["inspect"] * 3)]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("then", "status"), [("CANCELLED", "ABORTED"), ("COMPLETING", "ABORTED"), ("COMPLETED", "FINISHED"), ("", "QUEUED")]
)
def test_a_job_that_is_cancelled_a_moment_later_is_looked_at_again(
    cast: Cast, fake: FakeGateway, path: str, then: str, status: str
) -> None:
    fake.queued = [record("RUNNING")]

    def later() -> None:
        if fake.calls.count("inspect") == 1:
            fake.queued[:] = [record(then)] if then else []

    fake.during = later
    assert cast.alice("PUT", path, ABORT).status_code == 204
    assert fake.calls == ["cancel", "inspect", "inspect"]
    assert fake.cancelled == [100]
    assert cast.alice("GET", path).json()["status"] == status


@pytest.mark.parametrize("complaint", ["", "scancel ended with 1: Job/step already completing or completed"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("state", ["COMPLETING", "CANCELLED", "COMPLETED"])
def test_slurms_word_on_the_job_decides_and_not_scancels(
    cast: Cast, fake: FakeGateway, path: str, method: str, state: str, complaint: str
) -> None:
    fake.queued, fake.complaint = [record(state)], complaint
    assert cast.alice(method, path, ABORT).status_code == 204
    assert fake.calls == ["cancel"]


@pytest.mark.parametrize("other", [{"user": "plgbob"}, {"submitted_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}])
def test_another_job_that_has_the_id_is_none_of_it(
    cast: Cast, fake: FakeGateway, path: str, other: dict[str, Any]
) -> None:
    fake.queued = [record("RUNNING", **other)]
    assert cast.alice("DELETE", path).status_code == 204


def test_accounting_may_hear_of_the_end_later_than_the_controller_forgets_it(
    cast: Cast, fake: FakeGateway, path: str
) -> None:
    fake.accounted = [record("RUNNING", ended_at=None, from_accounting=True)]
    fake.complaint = "scancel ended with 1: no controller"
    assert cast.alice("DELETE", path).status_code == 503
    fake.complaint = ""
    assert cast.alice("DELETE", path).status_code == 204


def test_an_array_that_was_cancelled_while_it_waited_is_aborted_at_once(
    cast: Cast, fake: FakeGateway, path: str
) -> None:
    fake.queued = [record("CANCELLED", task="[0-9]", started_at=None, nodes=None, cores=None)]
    assert cast.alice("PUT", path, ABORT).status_code == 204
    assert cast.alice("GET", path).json()["status"] == "ABORTED"
