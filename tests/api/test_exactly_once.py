"""Idempotency-Key, the submissions whose answer was lost, and what becomes of them."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from audit.models import Entry
from clusters.errors import Failed, Malformed, TimedOut, Unreachable
from clusters.models import Cluster
from clusters.slurm.sbatch import Accepted, NotSubmitted, Rejected
from clusters.submitting import WorkingDirectoryError
from jobs import recovery, submission, tasks
from jobs.models import Job, SubmissionStatus
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway

ORDER = {"host": "zeus.cyfronet.pl", "script": "#!/bin/bash\n", "tag": "t1"}
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"

pytestmark = [pytest.mark.usefixtures("zeus"), pytest.mark.django_db(transaction=True)]


def post(caller: Any, key: str = KEY, order: Any = ORDER) -> Any:
    return caller("POST", "/api/jobs", order, HTTP_IDEMPOTENCY_KEY=key)


def grow_old(**age: int) -> None:
    Job.objects.update(created_at=timezone.now() - dt.timedelta(**age))


def test_the_same_key_and_body_give_the_first_answer_again(cast: Cast, fake: FakeGateway) -> None:
    first = post(cast.alice)
    Job.objects.update(status="RUNNING", slurm_state="RUNNING", nodes=1)
    again = post(cast.alice)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert (first.has_header("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (False, "true")
    assert (again["Location"], again["Submission-Id"]) == (first["Location"], first["Submission-Id"])
    assert fake.calls.count("submit") == 1


def test_a_key_is_the_same_with_and_without_quotes(cast: Cast, fake: FakeGateway) -> None:
    assert post(cast.alice, f'"{KEY}"').json() == post(cast.alice).json()
    assert fake.calls.count("submit") == 1


def test_the_order_of_fields_does_not_make_another_body(cast: Cast, fake: FakeGateway) -> None:
    post(cast.alice)
    assert post(cast.alice, order=dict(reversed(ORDER.items()))).status_code == 201
    assert fake.calls.count("submit") == 1


def test_the_same_key_with_another_body_is_422(cast: Cast, fake: FakeGateway) -> None:
    post(cast.alice)
    other = post(cast.alice, order=ORDER | {"tag": "t2"})
    assert (other.status_code, other.has_header("Submission-Id"), other.has_header("Idempotency-Replayed")) == (
        422, False, False,
    )  # fmt: skip
    assert fake.calls.count("submit") == 1


def test_a_key_belongs_to_its_account(cast: Cast, fake: FakeGateway) -> None:
    ids = {post(caller).json()["job_id"] for caller in (cast.alice, cast.bob)}
    assert len(ids) == 2
    assert fake.calls.count("submit") == 2


def test_without_a_key_two_requests_are_two_jobs(cast: Cast, fake: FakeGateway) -> None:
    assert cast.alice("POST", "/api/jobs", ORDER).json() != cast.alice("POST", "/api/jobs", ORDER).json()
    assert fake.calls.count("submit") == 2


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "käse", "tab\there"])
def test_a_key_in_another_form_is_422(cast: Cast, fake: FakeGateway, key: str) -> None:
    assert post(cast.alice, key).status_code == 422
    assert fake.calls == []


def test_a_request_in_flight_is_409(cast: Cast, fake: FakeGateway) -> None:
    answers: list[int] = []

    def meanwhile() -> None:
        fake.during = lambda: None
        answers.append(post(cast.alice).status_code)

    fake.during = meanwhile
    assert post(cast.alice).status_code == 201
    assert answers == [409]
    assert fake.calls.count("submit") == 1


@pytest.mark.parametrize(
    "outcome", [Rejected(1, "", "sbatch: error: no"), WorkingDirectoryError("/x: Permission denied")]
)
def test_a_refusal_is_replayed(cast: Cast, fake: FakeGateway, outcome: Any) -> None:
    fake.outcome = outcome
    first = post(cast.alice)
    fake.outcome = None
    again = post(cast.alice)
    assert (again.status_code, again.json()) == (422, first.json())
    assert (first.has_header("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (False, "true")
    assert again["Submission-Id"] == first["Submission-Id"]
    assert told(cast, again)["status"] == "failed"
    assert fake.calls.count("submit") == 1
    lines = Entry.objects.order_by("id").values_list("action", "outcome", "code", "submission", "cluster")
    submission_id, cluster = uuid.UUID(first["Submission-Id"]), "zeus.cyfronet.pl"
    assert [*lines] == [(action, "refused", 422, submission_id, cluster) for action in ("submit", "submit-again")]


def test_a_deleted_job_still_answers_for_its_key(cast: Cast, fake: FakeGateway) -> None:
    first = post(cast.alice)
    Job.objects.update(status="FINISHED")
    assert cast.alice("DELETE", f"/api/jobs/{first.json()['job_id']}").status_code == 204
    assert post(cast.alice).json() == first.json()
    assert fake.calls.count("submit") == 1


def test_where_nothing_was_submitted_the_key_may_be_used_again(cast: Cast, fake: FakeGateway) -> None:
    fake.outcome = Unreachable("down")
    assert post(cast.alice).status_code == 503
    fake.outcome = None
    answer = post(cast.alice)
    assert (answer.status_code, answer.has_header("Idempotency-Replayed")) == (201, False)


def test_a_lost_answer_is_found_and_then_replayed(cast: Cast, fake: FakeGateway, zeus: Cluster) -> None:
    fake.outcome = TimedOut("30 s")
    lost = post(cast.alice)
    assert lost.status_code == 408
    assert lost["Submission-Id"] in lost.json()["error_message"]
    waiting = post(cast.alice)
    assert (waiting.status_code, waiting.has_header("Idempotency-Replayed")) == (409, False)
    assert waiting["Submission-Id"] == lost["Submission-Id"]
    assert told(cast, waiting)["status"] == "pending"
    assert [*Entry.objects.order_by("id").values_list("action", "code")] == [("submit", 408), ("submit-again", 409)]
    fake.outcome, fake.lost = None, {uuid.UUID(lost["Submission-Id"]).hex: Accepted(77)}
    grow_old(seconds=50)
    assert recovery.recover(zeus, "plgalice") == 1
    answer = post(cast.alice)
    assert (answer.status_code, answer.json()["job_id"]) == (201, "77.batch.grid.cyf-kr.edu.pl")
    assert answer["Idempotency-Replayed"] == "true"
    assert fake.calls.count("submit") == 1


def told(cast: Cast, answer: Any) -> dict[str, Any]:
    found = cast.alice("GET", f"/api/submissions/{answer['Submission-Id']}")
    assert found.status_code == 200
    body: dict[str, Any] = found.json()
    return body


def test_a_submission_tells_what_became_of_it(cast: Cast, fake: FakeGateway, zeus: Cluster) -> None:
    fake.outcome = TimedOut("30 s")
    lost = cast.alice("POST", "/api/jobs", ORDER)
    assert told(cast, lost)["status"] == "pending"
    fake.outcome, fake.lost = None, {uuid.UUID(lost["Submission-Id"]).hex: Accepted(77)}
    grow_old(seconds=50)
    recovery.recover(zeus, "plgalice")
    assert (told(cast, lost)["status"], told(cast, lost)["job_id"]) == ("submitted", "77.batch.grid.cyf-kr.edu.pl")
    listed = cast.alice("GET", "/api/jobs").json()
    assert [(job["job_id"], job["tag"]) for job in listed] == [("77.batch.grid.cyf-kr.edu.pl", "t1")]
    assert Job.objects.get().stdout == "/home/plgalice/slurm-77.out"


def test_a_failed_submission_tells_sbatchs_words(cast: Cast, fake: FakeGateway) -> None:
    fake.outcome = Rejected(1, "", "sbatch: error: no")
    body = told(cast, cast.alice("POST", "/api/jobs", ORDER))
    assert (body["status"], body["exit_code"], body["error_output"]) == ("failed", 1, "sbatch: error: no")


def test_a_strangers_submission_is_not_found(cast: Cast, fake: FakeGateway) -> None:
    path = f"/api/submissions/{cast.alice('POST', '/api/jobs', ORDER)['Submission-Id']}"
    assert cast.alice("GET", path).status_code == 200
    assert cast.bob("GET", path).status_code == 404
    assert cast.carol("GET", path).status_code == 403
    assert cast.nobody("GET", path).status_code == 401
    assert cast.alice("GET", "/api/submissions/x").status_code == 404
    assert "lookup" not in fake.calls


def test_a_young_submission_is_left_to_its_request(cast: Cast, fake: FakeGateway, zeus: Cluster) -> None:
    fake.outcome = TimedOut("30 s")
    cast.alice("POST", "/api/jobs", ORDER)
    assert recovery.accounts_to_recover() == []
    assert recovery.recover(zeus, "plgalice") == 0
    grow_old(seconds=50)
    assert recovery.accounts_to_recover() == [(zeus.pk, "plgalice")]


@pytest.mark.parametrize(("age", "certain"), [({"seconds": 50}, False), ({"minutes": 4}, True)])
def test_missing_is_final_only_when_sbatch_is_over(
    cast: Cast, fake: FakeGateway, zeus: Cluster, age: dict[str, int], certain: bool
) -> None:
    fake.outcome = TimedOut("30 s")
    cast.alice("POST", "/api/jobs", ORDER)
    fake.outcome = None
    grow_old(**age)
    recovery.recover(zeus, "plgalice")
    assert f"lookup sbatch_is_over={certain}" in fake.calls


def test_what_is_not_certain_stays_pending(cast: Cast, fake: FakeGateway, zeus: Cluster) -> None:
    fake.outcome = TimedOut("30 s")
    cast.alice("POST", "/api/jobs", ORDER)
    fake.outcome = None
    grow_old(minutes=4)
    assert recovery.recover(zeus, "plgalice") == 0
    assert Job.objects.get().submission_status == SubmissionStatus.PENDING


def test_what_was_not_submitted_gives_its_key_back(cast: Cast, fake: FakeGateway, zeus: Cluster) -> None:
    fake.outcome = TimedOut("30 s")
    lost = post(cast.alice)
    fake.outcome, fake.lost = None, {uuid.UUID(lost["Submission-Id"]).hex: NotSubmitted("Socket timed out")}
    grow_old(minutes=4)
    assert recovery.recover(zeus, "plgalice") == 1
    assert told(cast, lost)["status"] == "failed"
    assert "Socket timed out" in told(cast, lost)["error_message"]
    assert post(cast.alice).status_code == 201


@pytest.mark.parametrize("exc", [Unreachable("down"), Failed("sacct"), Malformed("?")])
def test_a_search_that_failed_changes_nothing(cast: Cast, fake: FakeGateway, zeus: Cluster, exc: Exception) -> None:
    fake.outcome = TimedOut("30 s")
    cast.alice("POST", "/api/jobs", ORDER)
    fake.outcome = exc
    grow_old(minutes=4)
    tasks.recover_account(zeus.pk, "plgalice")
    assert Job.objects.get().submission_status == SubmissionStatus.PENDING


def test_an_outcome_that_cannot_be_kept_leaves_its_traces(
    cast: Cast, fake: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_values: Any) -> bool:
        raise OperationalError("the database restarts")

    monkeypatch.setattr(submission, "_write_accepted", fail)
    answer = cast.alice("POST", "/api/jobs", ORDER)
    assert answer.status_code == 408
    assert answer["Submission-Id"] in answer.json()["error_message"]
    assert fake.calls == ["submit"]
    assert Job.objects.get().submission_status == SubmissionStatus.PENDING


def test_a_recovery_and_its_own_request_do_not_undo_each_other(cast: Cast, fake: FakeGateway, zeus: Cluster) -> None:
    def recovered() -> None:
        fake.during = lambda: None
        grow_old(minutes=4)
        fake.lost = {Job.objects.get().id.hex: Accepted(100)}
        recovery.recover(zeus, "plgalice")

    fake.during = recovered
    assert cast.alice("POST", "/api/jobs", ORDER).json()["job_id"] == "100.batch.grid.cyf-kr.edu.pl"
    assert Job.objects.get().slurm_id == 100
