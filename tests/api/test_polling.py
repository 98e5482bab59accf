"""What a poll writes, what it leaves alone, and what it costs."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection, connections

from clusters.errors import Failed, Malformed, TimedOut, Unreachable
from clusters.gateway import HistoryAnswer
from clusters.models import Cluster, Poll
from jobs import locks
from jobs.models import Job
from jobs.states import Status
from jobs.sync import polling
from tests.api.gateway import FakeGateway, FakeSession
from tests.api.test_end import record


def registered(cluster: Cluster, slurm_id: int = 100, account: str = "plgalice", **values: Any) -> Job:
    job = unsaved(cluster, slurm_id, account, **values)
    job.save(force_insert=True)
    return job


def unsaved(cluster: Cluster, slurm_id: int = 100, account: str = "plgalice", **values: Any) -> Job:
    return Job(
        cluster=cluster,
        account=account,
        submission_status="SUBMITTED",
        slurm_id=slurm_id,
        job_id=f"{slurm_id}.x",
        **values,
    )


def test_what_slurm_says_is_written(fake: FakeGateway, zeus: Cluster) -> None:
    job = registered(zeus)
    fake.queued = [record("RUNNING", cores=12)]
    assert polling.poll(zeus) == 1
    job.refresh_from_db()
    assert (job.status, job.slurm_state, job.cores) == (Status.RUNNING, "RUNNING", 12)


def test_a_second_look_that_says_the_same_writes_nothing(
    fake: FakeGateway, zeus: Cluster, django_assert_num_queries: Any
) -> None:
    registered(zeus)
    fake.queued = [record("RUNNING")]
    polling.poll(zeus)
    with django_assert_num_queries(3):  # rows, the poll's own line read and written
        assert polling.poll(zeus) == 0


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("status", list(Status))
def test_a_job_that_slurm_does_not_list_keeps_its_status(zeus: Cluster, status: Status) -> None:
    registered(zeus, status=status)
    assert polling.poll(zeus) == 0
    assert Job.objects.get().status == status


@pytest.mark.parametrize("exc", [Unreachable("down"), TimedOut("30 s"), Failed("squeue"), Malformed("'?'")])
def test_a_failed_poll_changes_nothing_and_is_shown(fake: FakeGateway, zeus: Cluster, exc: Exception) -> None:
    registered(zeus, status=Status.RUNNING)
    fake.outcome = exc
    assert polling.poll(zeus) == 0
    assert Job.objects.get().status == Status.RUNNING
    poll = Poll.objects.get()
    assert str(exc) in poll.error
    assert poll.failed_at
    assert not poll.succeeded_at


def test_a_success_clears_the_error(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    fake.outcome = Unreachable("down")
    polling.poll(zeus)
    fake.outcome = None
    polling.poll(zeus)
    poll = Poll.objects.get()
    assert (poll.error, bool(poll.succeeded_at)) == ("", True)


def test_accounting_is_asked_only_about_jobs_that_the_controller_does_not_hold(
    fake: FakeGateway, zeus: Cluster
) -> None:
    registered(zeus)
    fake.queued = [record("RUNNING")]
    polling.poll(zeus)
    assert fake.calls == ["queue everybody=True"]
    fake.queued = []
    polling.poll(zeus)
    assert fake.calls[1:] == ["queue everybody=True", "history"]


def test_late_accounting_completes_the_row_and_then_nobody_asks_again(fake: FakeGateway, zeus: Cluster) -> None:
    job = registered(zeus)
    fake.queued = [record("FAILED", reason="NonZeroExitCode")]
    polling.poll(zeus)
    job.refresh_from_db()
    assert (job.status, job.exit_code, job.accounting_confirmed) == (Status.ERROR, None, False)
    fake.accounted = [record("FAILED", from_accounting=True, exit_code=3, signal=0, reason=None)]
    polling.poll(zeus)
    job.refresh_from_db()
    assert (job.status, job.exit_code, job.accounting_confirmed, job.reason) == (
        Status.ERROR,
        3,
        True,
        "NonZeroExitCode",
    )
    assert polling.clusters_to_poll() == []


def test_why_a_job_waited_is_not_told_of_its_end(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    fake.queued = [record("PENDING", reason="JobHeldUser")]
    polling.poll(zeus)
    fake.queued, fake.accounted = [], [record("COMPLETED", from_accounting=True, exit_code=0, reason=None)]
    polling.poll(zeus)
    assert (Job.objects.get().status, Job.objects.get().reason) == (Status.FINISHED, "")


def test_somebody_elses_job_with_the_same_id_is_not_ours(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    fake.queued = [record("COMPLETED", user="plgbob")]
    assert polling.poll(zeus) == 0
    assert Job.objects.get().status == Status.QUEUED


def test_an_earlier_job_with_the_same_id_is_not_ours(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    long_ago = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    fake.accounted = [record("COMPLETED", from_accounting=True, submitted_at=long_ago)]
    assert polling.poll(zeus) == 0
    assert Job.objects.get().status == Status.QUEUED


def test_a_requeued_job_goes_back_and_keeps_its_first_submission(fake: FakeGateway, zeus: Cluster) -> None:
    first = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(minutes=5)
    registered(zeus)
    fake.queued = [record("RUNNING", submitted_at=first)]
    polling.poll(zeus)
    fake.queued = [record("PENDING")]
    polling.poll(zeus)
    job = Job.objects.get()
    assert (job.status, job.submitted_at, job.started_at, job.nodes) == (Status.QUEUED, first, None, None)


def test_a_job_that_was_preempted_and_is_held_again_is_not_over(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus, status=Status.ERROR, slurm_state="PREEMPTED")
    fake.queued = [record("PENDING")]
    polling.poll(zeus)
    assert Job.objects.get().status == Status.QUEUED


def test_accounting_that_lags_behind_does_not_turn_the_clock_back(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus, status=Status.RUNNING)
    fake.accounted = [record("PENDING", from_accounting=True)]
    polling.poll(zeus)
    assert Job.objects.get().status == Status.RUNNING
    Job.objects.update(status=Status.FINISHED)
    fake.accounted = [record("RUNNING", from_accounting=True)]
    polling.poll(zeus)
    assert Job.objects.get().status == Status.FINISHED


def test_an_aborted_job_that_is_still_dying_stays_aborted(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus, status=Status.ABORTED, abort_requested_at=dt.datetime.now(dt.UTC))
    fake.queued = [record("COMPLETING")]
    polling.poll(zeus)
    assert Job.objects.get().status == Status.ABORTED
    fake.queued = [record("COMPLETED")]
    polling.poll(zeus)
    assert Job.objects.get().status == Status.FINISHED


def test_an_unknown_word_is_shown_and_moves_nothing(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus, status=Status.RUNNING)
    fake.queued = [record("NEW_IN_SLURM_30")]
    polling.poll(zeus)
    assert (Job.objects.get().status, Job.objects.get().slurm_state) == (Status.RUNNING, "NEW_IN_SLURM_30")


def test_without_a_poll_account_each_owner_asks_for_themselves(fake: FakeGateway, zeus: Cluster) -> None:
    zeus.poll_account = ""
    zeus.save()
    registered(zeus)
    registered(zeus, 101)
    registered(zeus, 102, "plgbob")
    fake.queued = [record("RUNNING"), record("RUNNING", job=101), record("RUNNING", job=102, user="plgbob")]
    polling.poll(zeus)
    assert fake.calls == ["queue everybody=False"] * 2
    assert set(Job.objects.values_list("status", flat=True)) == {Status.RUNNING}
    assert sorted(Poll.objects.values_list("account", flat=True)) == ["plgalice", "plgbob"]


def test_a_thousand_jobs_are_asked_about_at_once(fake: FakeGateway, zeus: Cluster) -> None:
    Job.objects.bulk_create([unsaved(zeus, number + 1) for number in range(1000)])
    fake.queued = [record("RUNNING", job=number + 1) for number in range(1000)]
    assert polling.poll(zeus) == 1000
    assert fake.calls == ["queue everybody=True"]


def test_only_enabled_clusters_with_open_jobs_are_polled(zeus: Cluster) -> None:
    assert polling.clusters_to_poll() == []
    registered(zeus)
    assert polling.clusters_to_poll() == [zeus]
    Cluster.objects.update(enabled=False)
    assert polling.clusters_to_poll() == []


@pytest.mark.django_db(transaction=True)
def test_poll_as_asks_nobody_whom_another_process_asks(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    number = locks.key(locks.Subject.POLL, f"{zeus.pk}:plgpoll")
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [number])
            assert polling.poll(zeus) == 0
            assert fake.calls == []
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
    finally:
        other.close()
    fake.queued = [record("RUNNING")]
    assert polling.poll(zeus) == 1
    assert connection.is_usable()


def test_what_the_controller_said_stands_where_accounting_is_away(
    fake: FakeGateway, zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(zeus)
    fake.queued = [record("FAILED")]

    def away(*_args: Any) -> HistoryAnswer:
        return HistoryAnswer(error=Failed("sacct: connection refused"))

    monkeypatch.setattr(FakeSession, "history", away)
    assert polling.poll(zeus) == 1
    assert (Job.objects.get().status, Job.objects.get().accounting_confirmed) == (Status.ERROR, False)
    assert "sacct" in Poll.objects.get().error
