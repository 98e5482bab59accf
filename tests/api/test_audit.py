"""The audit log: one line for each call that asks for a change, and no way to change a line."""

import base64
import json
import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.forms import model_to_dict
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from audit import callers, ledger, operators, storage
from audit.admin_history import AuditedAdmin
from audit.models import Entry
from clusters.errors import Failed, Interrupted, Malformed, TimedOut, Unreachable
from clusters.models import Cluster
from clusters.slurm.sbatch import Rejected
from clusters.submitting import WorkingDirectoryError
from jobs.api import audit
from jobs.models import Job, SubmissionStatus
from submitter.http.request_id import with_request_id
from tests.api.conftest import DNS, Cast
from tests.api.gateway import FakeGateway

ORDER = {"host": "zeus.cyfronet.pl", "script": "#!/bin/sh\n# a secret word: xyzzy\n", "tag": "xyzzy"}
JOB = "/api/jobs/100.batch.grid.cyf-kr.edu.pl"

pytestmark = pytest.mark.usefixtures("zeus")


def told() -> list[tuple[str, str, int | None, str]]:
    return [(e.action, e.outcome, e.code, e.subject) for e in Entry.objects.order_by("id")]


def test_each_call_leaves_exactly_one_line(cast: Cast, fake: FakeGateway) -> None:
    assert cast.alice("POST", "/api/jobs", ORDER).status_code == 201
    cast.alice("PUT", JOB, {"action": "abort"})
    cast.alice("DELETE", JOB)
    cast.alice("DELETE", JOB)
    job_id = "100.batch.grid.cyf-kr.edu.pl"
    assert fake.calls.count("cancel") >= 1
    assert told() == [
        ("submit", "done", 201, job_id),
        ("abort", "done", 204, job_id),
        ("delete", "done", 204, job_id),
        ("delete", "refused", 404, job_id),
    ]
    first = Entry.objects.earliest("id")
    assert (first.account, first.dn, first.cluster) == ("plgalice", DNS["plgalice"], "zeus.cyfronet.pl")
    assert first.submission == Job.objects.get().pk


@pytest.mark.parametrize(
    ("outcome", "code", "word"),
    [
        (Rejected(1, "", "sbatch: error: xyzzy"), 422, "refused"),
        (Unreachable("no route"), 503, "failed"),
        (Interrupted("lost"), 408, "unknown"),
    ],
)
def test_a_submission_that_came_to_nothing_is_told_with_its_outcome(
    cast: Cast, fake: FakeGateway, outcome: Any, code: int, word: str
) -> None:
    fake.outcome = outcome
    cast.alice("POST", "/api/jobs", ORDER)
    assert told() == [("submit", word, code, "")]
    assert Entry.objects.get().submission == Job.objects.get().pk


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"host": "xyzzy"}, "host: unknown host; known hosts: zeus.cyfronet.pl; script: This field is required."),
        (ORDER | {"tag": ""}, "tag: must be 1 to 255 printable characters"),
        (
            ORDER | {"#!/bin/sh\nxyzzy": "xyzzy"},
            "another field: unknown field; this call takes: host, script, working_directory, tag",
        ),
    ],
)
def test_a_refusal_is_told_with_its_reason(cast: Cast, body: dict[str, str], reason: str) -> None:
    assert cast.alice("POST", "/api/jobs", body).status_code == 422
    entry = Entry.objects.get()
    assert (entry.outcome, entry.code, entry.detail) == ("refused", 422, reason)


_SBATCH = "sbatch: error: Batch job submission failed: "


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Rejected(1, "xyzzy", f"xyzzy\n{_SBATCH}Invalid qos"), "sbatch refused the job, exit code 1: Invalid qos"),
        (Rejected(1, "", "sbatch: unrecognized option '--xyzzy'"), "sbatch refused the job, exit code 1"),
        (Rejected(1, "", f"{_SBATCH}{'x' * 201}"), "sbatch refused the job, exit code 1"),
        (WorkingDirectoryError("sh: cd: xyzzy: Permission denied"), "working_directory: Permission denied"),
        (WorkingDirectoryError("xyzzy " * 100_000), "working_directory"),
        (Unreachable("no route"), "no route"),
        (Interrupted("given up on the cluster (1): xyzzy"), "the connection was lost while the command ran"),
        (TimedOut("xyzzy"), "the cluster did not answer in time"),
        (Malformed("xyzzy"), "the cluster's answer was not understood"),
        (Failed("xyzzy"), "a command of SLURM failed on the cluster"),
    ],
)
def test_the_reason_of_a_cluster_repeats_nothing_that_could_be_the_script(
    cast: Cast, fake: FakeGateway, outcome: Any, reason: str
) -> None:
    fake.outcome = outcome
    cast.alice("POST", "/api/jobs", ORDER)
    assert Entry.objects.get().detail == reason


def test_bad_input_is_told_and_what_only_reads_is_not(cast: Cast, fake: FakeGateway) -> None:
    cast.alice("POST", "/api/jobs", {"host": "xyzzy"})
    cast.alice("GET", "/api/jobs")
    cast.alice("GET", JOB)
    cast.alice("PATCH", JOB)
    assert fake.calls == []
    assert told() == [("submit", "refused", 422, "")]


def test_a_stranger_who_asks_for_somebodys_job_is_told_as_the_stranger(cast: Cast, fake: FakeGateway) -> None:
    cast.alice("POST", "/api/jobs", ORDER)
    cast.bob("DELETE", JOB)
    assert fake.cancelled == []
    last = Entry.objects.latest("id")
    assert (last.account, last.outcome, last.code, last.submission) == ("plgbob", "refused", 404, None)


@pytest.mark.django_db(transaction=True)
def test_a_repeated_key_is_a_line_of_its_own(cast: Cast, fake: FakeGateway) -> None:
    for _ in range(2):
        assert cast.alice("POST", "/api/jobs", ORDER, HTTP_IDEMPOTENCY_KEY="once").status_code == 201
    assert fake.calls.count("submit") == 1
    assert [action for action, *_ in told()] == ["submit", "submit-again"]


def test_who_is_not_let_in_leaves_no_line_and_neither_does_who_is_too_fast(
    cast: Cast, fake: FakeGateway, settings: Any
) -> None:
    cast.carol("POST", "/api/jobs", ORDER)
    cast.nobody("DELETE", JOB)
    settings.THROTTLE_PER_ADDRESS = 1
    address = f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1"
    codes = [cast.alice("DELETE", JOB, REMOTE_ADDR=address).status_code for _ in range(2)]
    assert codes == [404, 429]
    assert fake.calls == []
    assert len(told()) == 1


def test_no_secret_is_in_any_line(cast: Cast, fake: FakeGateway, proxies: tuple[Path, dict[str, bytes]]) -> None:
    fake.outcome = Rejected(1, "xyzzy", "xyzzy")
    cast.alice("POST", "/api/jobs", ORDER)
    cast.alice("POST", "/api/jobs", ORDER | {"xyzzy": "xyzzy"})
    cast.alice("PUT", JOB, {"action": "xyzzy"})
    written = json.dumps([model_to_dict(entry) for entry in Entry.objects.all()], default=str)
    assert len(told()) == 3
    assert "xyzzy" not in written
    assert base64.b64encode(proxies[1]["plgalice"])[:40].decode() not in written
    assert "PRIVATE KEY" not in written


def test_the_line_has_the_requests_id_and_the_clients_address(cast: Cast, fake: FakeGateway) -> None:
    def view(_environ: dict[str, Any], start: Any) -> list[bytes]:
        cast.alice("POST", "/api/jobs", ORDER)
        start("200 OK", [])
        return []

    environ = RequestFactory().get("/", HTTP_X_REQUEST_ID="from-outside-1", REMOTE_ADDR="192.0.2.7").environ
    with_request_id(view)(environ, lambda *_: None)
    assert fake.calls
    entry = Entry.objects.get()
    assert (entry.request_id, entry.address) == ("from-outside-1", "192.0.2.7")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_entry SET outcome = 'refused'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"],
)
def test_the_database_refuses_to_change_a_line(statement: str) -> None:
    callers.record(callers.Call(action="submit", outcome="done", account="plgalice"))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry ENABLE TRIGGER audit_log_stays")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(statement)
    assert [(action, outcome) for action, outcome, *_ in told()] == [("submit", "done")]


def test_what_an_operator_does_in_the_admin_is_told_with_the_name(zeus: Cluster) -> None:
    user = User.objects.create(username="op")
    with bound_contextvars(request_id="r-12345678", client="192.0.2.9"):
        operators.record(operators.Act(operator=user, action="disable", message="Disabled", obj=zeus))
    entry = Entry.objects.get()
    assert (entry.operator, entry.action, entry.detail) == ("op", "disable", "Disabled")
    assert entry.subject == "cluster zeus.cyfronet.pl"
    assert (entry.request_id, entry.address) == ("r-12345678", "192.0.2.9")


def test_acts_of_an_operator_take_as_many_statements_as_one_does(zeus: Cluster) -> None:
    user = User.objects.create(username="op")

    def queries(count: int) -> int:
        act = operators.Act(operator=user, action="abort", message="abort: DONE", obj=zeus, account="plgalice")
        with CaptureQueriesContext(connection) as asked:
            operators.record(*[act] * count)
        return len(asked)

    queries(1)  # it looks up the row's kind, which is remembered
    assert queries(30) == queries(1)
    assert (Entry.objects.count(), LogEntry.objects.count()) == (32, 32)
    assert Entry.objects.latest("id").account == "plgalice"


def test_an_act_is_in_both_histories_or_in_none(zeus: Cluster) -> None:
    user, key = User.objects.create(username="op"), uuid.uuid4()
    act = operators.Act(operator=user, action="submit", message="", obj=zeus, submission=key)
    with pytest.raises(DatabaseError):
        operators.record(act, act)  # a submission has one line
    assert (Entry.objects.count(), LogEntry.objects.count()) == (0, 0)


def test_every_page_of_the_admin_writes_its_changes_into_the_audit_log() -> None:
    assert len(admin.site._registry) > 5
    assert [page for page in admin.site._registry.values() if not isinstance(page, AuditedAdmin)] == []


def test_a_submission_whose_process_died_gets_its_line_from_the_registry(zeus: Cluster) -> None:
    old = {"cluster": zeus, "account": "plgbob", "owner_dn": "/CN=b", "created_at": timezone.now() - timedelta(hours=1)}
    Job.objects.create(**old, submission_status=SubmissionStatus.SUBMITTED, slurm_id=8, job_id="8.x")
    told_before = Job.objects.create(**old, submission_status=SubmissionStatus.FAILED)
    Job.objects.create(**old, submission_status=SubmissionStatus.FAILED, failure={"message": "no such directory"})
    callers.record(callers.Call(action="submit", outcome="refused", submission=told_before.pk))
    Job.objects.create(**(old | {"created_at": timezone.now()}))
    assert audit.backfill() == 2
    assert audit.backfill() == 0
    assert sorted(told()[1:]) == [("submit", "done", None, "8.x"), ("submit", "refused", None, "")]
    assert Entry.objects.latest("detail").detail.endswith("died; no such directory")


def test_a_line_that_cannot_be_stored_goes_to_the_log_and_changes_no_answer(
    cast: Cast, fake: FakeGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(storage, "_STORE", "SELECT 'no space left'::int -- {rows}")
    assert cast.alice("POST", "/api/jobs", ORDER).status_code == 201
    assert fake.calls
    assert "audit-line-not-stored" in caplog.text
    assert "plgalice" in caplog.text


@pytest.mark.parametrize("bad", [{"account": "x" * 33}, {"cluster": "a\0b"}], ids=["too long", "a NUL"])
def test_a_line_that_the_database_does_not_take_takes_no_other_along(
    bad: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    lines = [Entry(action="submit", outcome="done", subject=f"{n}.x", **(bad if n == 2 else {})) for n in (1, 2, 3)]
    assert storage.store(lines) is False
    assert set(Entry.objects.values_list("subject", flat=True)) == {"1.x", "3.x"}
    assert [line.message.count("2.x") for line in caplog.records if "audit-line-not-stored" in line.message] == [1]


def test_no_more_lines_wait_for_the_database_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    there, stored = threading.Event(), list[str]()

    def slow(lines: list[Entry]) -> bool:
        stored.extend(line.subject for line in lines)
        return there.wait(30)

    monkeypatch.setattr(ledger, "store", slow)
    monkeypatch.setattr(ledger, "_MOST", 5)
    waiting = ledger.Ledger()
    for number in range(8):
        waiting.later(Entry(action="submit", outcome="refused", subject=f"{number}.x"))
    there.set()
    assert waiting.flush(30)
    assert stored == [f"{number}.x" for number in range(5)]
    logged = [line.message for line in caplog.records if "too many lines wait" in line.message]
    assert ["5.x" in logged[0], "6.x" in logged[1], "7.x" in logged[2], len(logged)] == [True, True, True, 3]


def test_lines_that_come_one_after_another_are_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = list[list[str]]()
    monkeypatch.setattr(ledger, "store", lambda lines: stored.append([line.subject for line in lines]))
    monkeypatch.setattr(ledger, "_GATHERING", 30, raising=False)
    waiting = ledger.Ledger()
    for number in range(3):
        waiting.later(Entry(action="submit", outcome="done", subject=f"{number}.x"))
        time.sleep(0.2)
    assert waiting.flush(20)
    assert stored == [["0.x", "1.x", "2.x"]]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("audit_lines_are_stored_by_a_thread")
def test_lines_are_stored_behind_the_answers_back_in_another_thread() -> None:
    keys = [uuid.uuid4() for _ in range(300)]
    for key in keys:
        callers.record_later(callers.Call(action="submit", outcome="done", submission=key))
    assert ledger.flush()
    assert set(Entry.objects.values_list("submission", flat=True)) == set(keys)


def test_nobody_changes_a_line_in_the_admin(admin_client: Any) -> None:
    callers.record(callers.Call(action="submit", outcome="done", account="plgalice", subject="1.x"))
    entry = Entry.objects.get()
    assert "plgalice" in admin_client.get("/admin/audit/entry/?q=plgalice").content.decode()
    assert admin_client.get(f"/admin/audit/entry/{entry.pk}/change/").status_code == 200
    for page in ("add/", f"{entry.pk}/delete/"):
        assert admin_client.get(f"/admin/audit/entry/{page}").status_code == 403
    assert admin_client.post(f"/admin/audit/entry/{entry.pk}/change/", {"account": "x"}).status_code == 403
    assert Entry.objects.get().account == "plgalice"


def test_the_callers_thread_asks_nothing_of_the_audit_log_for_a_submission(
    cast: Cast, fake: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[Entry] = []
    monkeypatch.setattr(ledger, "later", waiting.append)
    with CaptureQueriesContext(connection) as asked:
        assert cast.alice("POST", "/api/jobs", ORDER).status_code == 201
    assert fake.calls
    assert len(waiting) == 1
    assert asked.captured_queries
    assert not [query for query in asked.captured_queries if "audit_entry" in query["sql"]]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?action=submit",
        "?outcome=done&q=plgalice",
        "?q=r-12345678",
        "?action=abort",
        "?outcome=failed",
        "?who=operators",
        "?who=operators&action=test",
        "?q=12.x",
        "?q=2f1c1ad5-8a36-4f5c-9d1b-111111111111",
    ],
)
def test_the_list_is_read_from_indexes(admin_client: Any, query: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_entry (at, account, dn, operator, address, action, cluster, subject, outcome, detail,"
            " request_id) SELECT now() - n * interval '1 minute', 'plg' || n % 100, '/CN=x', '', '', 'submit', 'zeus',"
            " n || '.x', 'done', '', 'r-' || n FROM generate_series(1, 20000) n"
        )
        cursor.execute("ANALYZE audit_entry")
    with CaptureQueriesContext(connection) as asked:
        assert admin_client.get(f"/admin/audit/entry/{query}").status_code == 200
    statements = [q["sql"] for q in asked.captured_queries if 'FROM "audit_entry"' in q["sql"]]
    assert statements
    for statement in statements:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Seq Scan" not in plan, f"{statement}\n{plan}"


def test_many_deletions_at_once_are_not_offered_since_the_audit_log_would_miss_them(admin_client: Any) -> None:
    page = admin_client.get("/admin/auth/user/").content.decode()
    assert "delete_selected" not in page
    User.objects.create(username="gone", is_staff=True)
    gone = User.objects.get(username="gone")
    admin_client.post(f"/admin/auth/user/{gone.pk}/delete/", {"post": "yes"})
    entry = Entry.objects.get(action="remove")
    assert (entry.operator, entry.subject) == ("admin", "user gone")
