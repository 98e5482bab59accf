"""The list of jobs: found, aborted and refreshed by the many, taken away as CSV."""

import csv
import io
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User

from clusters import gateway
from clusters.errors import TimedOut, Unreachable
from clusters.models import Cluster
from jobs import actions, bulk_operations, tasks
from jobs.models import BulkAction, BulkOperation, BulkOperationItem, Event, Job, Source
from jobs.states import Status
from tests.api.admin.conftest import LIST, Enter
from tests.api.gateway import FakeGateway
from tests.api.test_end import record
from tests.api.test_polling import registered, unsaved

# ruff: noqa: ARG001 - fixtures that make rows or stand in for the clusters are asked for their effect

pytestmark = pytest.mark.django_db


def chosen(jobs: list[Job], action: str, **more: str) -> dict[str, Any]:
    return {"action": action, "_selected_action": [str(job.pk) for job in jobs], **more}


@pytest.mark.parametrize(("group", "may"), [("read-only operator", False), ("operator", True), ("administrator", True)])
def test_only_who_may_act_is_offered_to_abort(
    enter: Enter, group: str, may: bool, jobs: list[Job], no_celery: list[str]
) -> None:
    browser = enter(group)
    assert ("abort_jobs" in browser.get(LIST).text) is may
    browser.post(LIST, chosen(jobs, "abort_jobs", confirmed="yes"))
    assert len(no_celery) == (1 if may else 0)


def test_an_abort_of_many_counts_them_first_and_does_nothing_yet(
    enter: Enter, jobs: list[Job], no_celery: list[str]
) -> None:
    Job.objects.filter(pk=jobs[2].pk).update(status=Status.FINISHED)
    page = enter("operator").post(LIST, chosen(jobs, "abort_jobs"))
    assert "Yes, abort 2 jobs" in page.text
    assert (no_celery, BulkOperation.objects.count()) == ([], 0)


def test_a_confirmed_abort_cancels_each_and_says_in_its_history_who_did_it(
    enter: Enter, jobs: list[Job], no_celery: list[str], fake: FakeGateway
) -> None:
    browser = enter("operator")
    page = browser.post(LIST, chosen(jobs, "abort_jobs", confirmed="yes"))
    before = browser.get(page.headers["Location"] + "progress/").json()
    fake.queued = [
        record("COMPLETING", job=job.slurm_id, user=job.account, submitted_at=job.submitted_at, ended_at=None)
        for job in jobs
    ]
    tasks.run_bulk_operation(no_celery[0])
    after = browser.get(page.headers["Location"] + "progress/").json()
    assert before == {"total": 3, "done": 0, "failed": 0, "over": False}
    assert after == {"total": 3, "done": 3, "failed": 0, "over": True}
    assert {(e.source, e.by) for e in Event.objects.all()} == {(Source.OPERATOR, "operator")}
    assert set(Job.objects.values_list("status", flat=True)) == {Status.ABORTED}
    assert LogEntry.objects.filter(object_id=str(jobs[0].pk), user__username="operator").count() == 1
    assert "abort from 127.0.0.1: done, ABORTED" in browser.get(f"{LIST}{jobs[0].pk}/change/").text


def test_confirmation_page_sends_the_same_action_on_the_same_jobs_back(
    enter: Enter, jobs: list[Job], no_celery: list[str]
) -> None:
    browser = enter("operator")
    page = browser.post(LIST, chosen(jobs[:2], "abort_jobs"))
    inputs = re.findall(r'<input type="hidden" name="(?!csrf)([^"]+)" value="([^"]*)"', page.text)
    sent = {name: [value for other, value in inputs if other == name] for name, _value in inputs}
    assert browser.post(LIST, sent).status_code == 302
    assert len(no_celery) == 1
    assert set(BulkOperationItem.objects.values_list("job", flat=True)) == {job.pk for job in jobs[:2]}


def test_a_cluster_that_does_not_answer_fails_its_step_and_no_other(
    enter: Enter, jobs: list[Job], no_celery: list[str], fake: FakeGateway
) -> None:
    browser = enter("operator")
    page = browser.post(LIST, chosen(jobs[:1], "refresh_jobs", confirmed="yes"))
    fake.outcome = Unreachable("down")
    tasks.run_bulk_operation(no_celery[0])
    assert browser.get(page.headers["Location"] + "progress/").json()["failed"] == 1
    assert "Unreachable: down" in browser.get(page.headers["Location"]).text


def test_bulk_operation_goes_on_after_its_slice_and_after_its_worker_has_died(
    jobs: list[Job], fake: FakeGateway
) -> None:
    user = User.objects.create_user("op")
    operation = bulk_operations.create(BulkAction.REFRESH, jobs, user, "")
    assert bulk_operations.run_slice(operation.pk, seconds=0) is True
    assert bulk_operations.unfinished() == [operation.pk]
    assert bulk_operations.run_slice(operation.pk) is False
    assert (bulk_operations.unfinished(), BulkOperationItem.objects.exclude(state="waiting").count()) == ([], 3)


def test_a_slice_leaves_the_jobs_of_a_login_that_does_not_answer_to_the_end(
    fake: FakeGateway, zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = ["plgalice"] * 6 + ["plgbob"] * 6
    jobs = [registered(zeus, 100 + number, account) for number, account in enumerate(accounts)]
    asked: list[str] = []

    def cancel_together(_cluster: Cluster, account: str, jobs: list[tuple[int, int]]) -> object:
        asked.append(account)
        if account == "plgalice":
            raise TimedOut("no answer within 30 s")
        return fake.cancel_together(_cluster, account, jobs)

    monkeypatch.setattr(gateway, "MOST_JOBS_PER_REQUEST", 2)
    monkeypatch.setattr(gateway, "cancel_together", cancel_together)
    operation = bulk_operations.create(BulkAction.ABORT, jobs, User.objects.create_user("op"), "")
    assert bulk_operations.run_slice(operation.pk) is False
    assert asked == ["plgalice", "plgbob", "plgbob", "plgbob", "plgalice", "plgalice"]


def test_bulk_abort_of_a_thousand_jobs_is_one_exchange_for_each_32_of_an_account(
    fake: FakeGateway, zeus: Cluster
) -> None:
    accounts = ("plgalice", "plgbob")
    jobs = Job.objects.bulk_create([unsaved(zeus, 1_000 + number, accounts[number % 2]) for number in range(1_000)])
    operation = bulk_operations.create(BulkAction.ABORT, jobs, User.objects.create_user("op"), "")
    assert any(not bulk_operations.run_slice(operation.pk) for _slice in range(100))
    assert fake.calls == ["cancel"] * 32, "500 jobs of each of two accounts, 32 at a time"
    assert sorted(fake.cancelled) == [job.slurm_id for job in jobs]
    assert bulk_operations.progress(operation) == bulk_operations.Progress(total=1_000, done=1_000, failed=0)


def test_an_abort_of_a_job_that_goes_on_fails_its_step_and_keeps_the_order(
    fake: FakeGateway, zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_PAUSES", (0.0,))
    jobs = [registered(zeus, 100 + number, account) for number, account in enumerate(["plgalice"] * 2 + ["plgbob"])]
    fake.queued = [record("RUNNING", job=job.slurm_id, user=job.account) for job in jobs[:1]]
    operation = bulk_operations.create(BulkAction.ABORT, jobs, User.objects.create_user("op"), "")
    assert bulk_operations.run_slice(operation.pk) is False
    assert fake.cancelled == [100, 101, 102]
    assert [item.state for item in operation.items.order_by("id")] == ["failed", "done", "done"]
    assert "Failed: SLURM did not cancel 100.x, which is still RUNNING" in operation.items.earliest("id").outcome
    jobs[0].refresh_from_db()
    assert (jobs[0].status, jobs[0].abort_requested_at) == ("QUEUED", None)


def test_bulk_refresh_of_many_jobs_is_one_exchange_for_each_32_of_an_account(fake: FakeGateway, zeus: Cluster) -> None:
    jobs = [registered(zeus, 1_000 + number) for number in range(70)]
    fake.queued = [record("RUNNING", job=job.slurm_id, ended_at=None) for job in jobs]
    operation = bulk_operations.create(BulkAction.REFRESH, jobs, User.objects.create_user("op"), "")
    assert bulk_operations.run_slice(operation.pk) is False
    assert fake.calls == ["inspect"] * 3
    assert set(Job.objects.values_list("status", flat=True)) == {Status.RUNNING}
    assert set(operation.items.values_list("state", "outcome")) == {("done", "RUNNING")}


def test_bulk_abort_leaves_alone_a_job_whose_number_is_a_later_jobs_by_now(fake: FakeGateway, zeus: Cluster) -> None:
    jobs = [registered(zeus, 100, "plgalice"), registered(zeus, 101, "plgalice")]
    Job.objects.filter(pk=jobs[0].pk).update(slurm_id_reused=True)
    operation = bulk_operations.create(BulkAction.ABORT, jobs, User.objects.create_user("op"), "")
    assert bulk_operations.run_slice(operation.pk) is False
    assert fake.cancelled == [101]
    assert [item.state for item in operation.items.order_by("id")] == ["failed", "done"]
    assert "SLURM has given its number to a later job" in operation.items.earliest("id").outcome


def test_the_export_has_the_filtered_jobs_and_no_formula(enter: Enter, jobs: list[Job]) -> None:
    Job.objects.filter(pk=jobs[0].pk).update(tag="=cmd()")
    answer = enter("read-only operator").get(f"{LIST}csv/?as=plgalice")
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert {(row["account"], row["tag"]) for row in rows} == {("plgalice", "'=cmd()"), ("plgalice", "tag2")}
    assert list(rows[0])[-1] == "signal", "a new column comes last: programs may count them"
    assert all(line.startswith('"') and line.endswith('"') for line in answer.getvalue().decode().splitlines())
    assert LogEntry.objects.get().change_message == "Exported as CSV: as=plgalice"


@pytest.mark.parametrize(
    ("kept", "told"), [((7, 0), ("7", "")), ((None, 9), ("", "9")), ((None, None), ("", "")), ((0, 0), ("0", ""))]
)
def test_operators_are_told_of_an_end_what_the_api_tells(
    enter: Enter, jobs: list[Job], kept: tuple[int | None, int | None], told: tuple[str, str]
) -> None:
    Job.objects.filter(pk=jobs[0].pk).update(exit_code=kept[0], signal=kept[1])
    browser = enter("read-only operator")
    [row] = csv.DictReader(io.StringIO(browser.get(f"{LIST}csv/?q=1").getvalue().decode()))
    assert (row["exit_code"], row["signal"]) == told
    page = browser.get(f"{LIST}{jobs[0].pk}/change/").text
    shown = re.search(r"field-exited.*?readonly\">(.*?)<", page, re.DOTALL)
    assert shown
    assert shown[1] == (told[0] or (f"ended by signal {told[1]}" if told[1] else ""))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=1", [1]), ("q=2.batch.grid.cyf-kr.edu.pl", [2]), ("q=tag3", [3]), ("q=plgbob", [3]),
        ("q=/CN%3Dplgalice", [1, 2]), ("tagged=tag1", [1]), ("as=plgbob", [3]), ("status__exact=QUEUED", []),
        ("slurm_state=PENDING", []), ("period=1h", [1, 2, 3]),
        ("since=2020-01-01", [1, 2, 3]), ("until=2020-01-01", []), ("until=nonsense", []), ("q=nothing", []),
    ],
)  # fmt: skip
def test_the_list_finds_what_is_asked_for(enter: Enter, jobs: list[Job], query: str, found: list[int]) -> None:
    page = enter("read-only operator").get(f"{LIST}?{query}")
    assert page.status_code == 200
    assert sorted(job.slurm_id for job in page.context["cl"].result_list) == found


def test_times_are_told_to_the_second(enter: Enter, jobs: list[Job]) -> None:
    page = enter("read-only operator").get(f"{LIST}{jobs[0].pk}/change/")
    assert f"{jobs[0].submitted_at:%Y-%m-%d %H:%M:%S}" in page.text
