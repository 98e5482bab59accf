"""What an answer costs beside its work: exchanges with PostgreSQL and with Redis, counted."""

from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis.connection import AbstractConnection

from audit import ledger
from audit.models import Entry
from clusters.models import Cluster
from clusters.submitting import SubmissionUpdate
from jobs import after_response
from jobs.models import Job
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway, new_job
from tests.api.test_end import record

PATH = "/api/jobs/7.batch.grid.cyf-kr.edu.pl"
ORDER = {"host": "zeus.cyfronet.pl", "script": "#!/bin/bash\n"}


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Redis is sent, one entry for each time that its answer is waited for."""
    sent: list[str] = []
    send: Any = AbstractConnection.send_packed_command

    def note(self: Any, command: Any, *words: Any, **options: Any) -> None:
        sent.append(str(command))
        send(self, command, *words, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", note)
    return sent


@pytest.fixture
def job(zeus: Cluster) -> Job:
    """A running job of alice's, who has asked for it before: connections are open, her proxy is known."""
    return Job.objects.create(
        cluster=zeus, account="plgalice", owner_dn="/CN=a", slurm_id=7, status="RUNNING", slurm_state="RUNNING",
        job_id="7.batch.grid.cyf-kr.edu.pl", submission_status="SUBMITTED",
    )  # fmt: skip


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    ("path", "queries"), [(PATH, 1), (f"{PATH}/events", 2), ("/api/jobs", 2), ("/api/jobs?limit=10", 2)]
)
def test_reading_costs_one_exchange_with_redis_and_few_queries(
    cast: Cast, exchanges: list[str], path: str, queries: int
) -> None:
    assert cast.alice("GET", path).status_code == 200
    exchanges.clear()
    with CaptureQueriesContext(connection) as asked:
        assert cast.alice("GET", path).status_code == 200
    assert len(exchanges) == 1, exchanges
    assert len(asked) == queries, [query["sql"] for query in asked]


def test_who_is_refused_costs_no_query(cast: Cast, exchanges: list[str], zeus: Cluster) -> None:  # noqa: ARG001 - a row
    cast.nobody("GET", PATH, HTTP_PROXY="garbage")
    exchanges.clear()
    with CaptureQueriesContext(connection) as asked:
        assert cast.nobody("GET", PATH, HTTP_PROXY="garbage").status_code == 401
    assert (len(exchanges), len(asked)) == (2, 0)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    """Lines of the audit log that are stored behind the answer's back, many at a time."""
    found: list[Entry] = []
    monkeypatch.setattr(ledger, "later", found.append)
    return found


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("zeus")
@pytest.mark.parametrize(("headers", "queries"), [({}, 2), ({"HTTP_IDEMPOTENCY_KEY": "a-key"}, 3)])
def test_a_submission_is_one_statement_for_its_row_and_one_for_its_outcome(
    cast: Cast, fake: FakeGateway, exchanges: list[str], lines: list[Entry], headers: dict[str, str], queries: int
) -> None:
    fake.settled = []
    assert cast.alice("POST", "/api/jobs", ORDER).status_code == 201
    exchanges.clear()
    with CaptureQueriesContext(connection) as asked:
        assert cast.alice("POST", "/api/jobs", ORDER, **headers).status_code == 201
    assert len(exchanges) == 1, exchanges
    assert len(asked) == queries, [query["sql"] for query in asked]
    assert (fake.calls.count("submit"), len(lines)) == (2, 2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("zeus")
@pytest.mark.parametrize("number", [1, 5])
def test_what_slurm_says_of_many_new_jobs_is_two_statements(cast: Cast, fake: FakeGateway, number: int) -> None:
    fake.settled = []
    for _ in range(number):
        assert cast.alice("POST", "/api/jobs", ORDER).status_code == 201
    slots = [slot for slot, _accepted, _tell in fake.settled]
    tell = fake.settled[0][2]
    with CaptureQueriesContext(connection) as asked:
        tell([SubmissionUpdate(slot, new_job(slot.account, number)) for number, slot in enumerate(slots)])
    assert len(asked) == 2, "one for the rows, one for the next poll"
    with CaptureQueriesContext(connection) as asked:
        tell([SubmissionUpdate(slot, cleared=True) for slot in slots])
    assert len(asked) == 1
    rows = Job.objects.filter(pk__in=[slot.token for slot in slots])
    assert rows.count() == number
    assert all(job.stdout and job.acknowledged for job in rows)


@pytest.mark.django_db(transaction=True)
def test_an_abort_is_one_statement_to_find_the_job_one_to_move_it_and_one_for_the_audit_log(
    cast: Cast, fake: FakeGateway, exchanges: list[str], job: Job
) -> None:
    fake.queued = [record("CANCELLED", job=7)]
    assert cast.alice("GET", PATH).status_code == 200
    exchanges.clear()
    with CaptureQueriesContext(connection) as asked:
        assert cast.alice("PUT", PATH, {"action": "abort"}).status_code == 204
    assert len(exchanges) == 1, exchanges
    assert len(asked) == 3, [query["sql"] for query in asked]
    job.refresh_from_db()
    assert (job.status, job.slurm_state, fake.cancelled) == ("ABORTED", "CANCELLED", [7])
    assert [*job.events.values_list("status", "slurm_state", "source")] == [("ABORTED", "CANCELLED", "user")]
    assert [*Entry.objects.values_list("action", "outcome", "subject")] == [("abort", "done", job.job_id)]


PAGES = [
    "django.contrib.auth.middleware.AuthenticationMiddleware.process_request",
    "django.contrib.messages.middleware.MessageMiddleware.process_request",
]


@pytest.mark.usefixtures("zeus")
@pytest.mark.parametrize("middleware", PAGES)
def test_a_call_of_the_api_passes_by_what_pages_need(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, middleware: str
) -> None:
    asked: list[str] = []

    def broken(*_given: Any) -> None:
        asked.append(middleware)
        raise ValueError("on purpose")

    monkeypatch.setattr(middleware, broken)
    assert [caller("GET", "/api/jobs").status_code for caller in (cast.alice, cast.nobody)] == [200, 401]
    assert asked == []
    assert [cast.alice("GET", page).status_code for page in ("/admin/", "/api/docs")] == [500, 500]
    assert asked == [middleware] * 2


@pytest.mark.django_db(transaction=True)
def test_what_is_done_once_the_answer_is_out_leaves_no_connection_with_the_thread() -> None:
    request_started.send(None)
    after_response.run_after_response(Job.objects.exists)
    request_finished.send(None)
    assert connection.connection is None
