"""What the registry makes of records that are unclear, doubled, of another job, or of the tasks of an array."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from clusters.models import Cluster, Poll
from jobs.models import Job
from jobs.states import Status
from jobs.sync import polling
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway
from tests.api.remote import Remote
from tests.api.test_end import record
from tests.api.test_polling import registered
from tests.bench import one_cycle


def test_one_line_that_is_not_understood_is_reported_and_the_others_count(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    fake.accounted = [record("COMPLETED", from_accounting=True)]
    fake.unread = ("sacct: 'garbage'",)
    assert polling.poll(zeus) == 1
    poll = Poll.objects.get()
    assert "garbage" in poll.error
    assert (poll.failures, poll.succeeded_at is not None) == (0, True)


QUEUED_LINE = "100|plgalice|{state}|{then}|{then}|{then}|{used}|{nodes}|{cores}|n1|None\n"
ACCOUNTED_LINE = "100|plgalice|{state}|{code}|{then}|{then}|{end}|{used}|{nodes}|{cores}|n1\n"


def test_what_cannot_be_read_of_a_job_does_not_overwrite_what_is_known(
    zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Remote.instead_of_ssh(monkeypatch)
    now = timezone.now().replace(microsecond=0)
    then = int(now.timestamp())
    registered(zeus, submitted_at=now)
    known = {"then": then, "end": then + 9, "used": "0:09", "nodes": "2", "cores": "24", "code": "3:0"}
    remote.queue = [QUEUED_LINE.format(state="RUNNING", **known)]
    polling.poll(zeus)
    remote.queue = [QUEUED_LINE.format(state="RUNNING", **known | {"used": "INVALID", "nodes": "?", "cores": "1K"})]
    assert polling.poll(zeus) == 1
    job = Job.objects.get()
    assert (job.status, job.nodes, job.cores, job.started_at) == (Status.RUNNING, 2, 1024, now)
    error = Poll.objects.get().error
    assert error.startswith("2 columns not understood, the first: squeue: run time 'INVALID' of 100")
    remote.queue = []
    remote.history = [ACCOUNTED_LINE.format(state="FAILED", **known | {"used": "?", "nodes": "", "cores": "x"})]
    polling.poll(zeus)
    job = Job.objects.get()
    assert (job.status, job.nodes, job.cores, job.wall_seconds) == (Status.ERROR, 2, 1024, None)
    assert (job.exit_code, job.ended_at, job.accounting_confirmed) == (3, now + dt.timedelta(seconds=9), True)


def test_an_abort_keeps_what_is_known_where_it_cannot_be_read(fake: FakeGateway, zeus: Cluster, cast: Cast) -> None:
    now = timezone.now()
    registered(zeus, status=Status.RUNNING, started_at=now, nodes=2, cores=24)
    fake.queued = [record("CANCELLED", started_at=None, nodes=None, unread=frozenset({"started_at", "nodes"}))]
    assert cast.alice("PUT", "/api/jobs/100.x", {"action": "abort"}).status_code == 204
    job = Job.objects.get()
    assert (job.status, job.started_at, job.nodes, job.cores) == (Status.ABORTED, now, 2, 1)


def test_the_controller_tells_the_exit_code_before_accounting_does(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    fake.queued = [record("FAILED")]
    fake.wait_statuses = {100: 3 << 8}
    polling.poll(zeus)
    job = Job.objects.get()
    assert (job.status, job.exit_code, job.accounting_confirmed) == (Status.ERROR, 3, False)


@pytest.mark.parametrize(("status", "told"), [(3 << 8, (3, 0)), (137 << 8, (137, 0)), (9, (None, 9))])
def test_what_the_controller_told_of_an_end_stands(
    fake: FakeGateway, zeus: Cluster, status: int, told: tuple[int | None, int]
) -> None:
    registered(zeus)
    ended = record("FAILED")
    fake.queued, fake.wait_statuses = [ended], {100: status}
    polling.poll(zeus)
    fake.wait_statuses = {}
    polling.poll(zeus)
    job = Job.objects.get()
    assert (job.exit_code, job.signal) == told, "a look that tells no code takes none away"
    code, signal = (status >> 8) % 128, status & 0x7F
    fake.queued, fake.accounted = [], [replace(ended, from_accounting=True, exit_code=code, signal=signal)]
    polling.poll(zeus)
    job.refresh_from_db()
    assert (job.exit_code, job.signal, job.accounting_confirmed) == (*told, True)


def test_the_exit_code_of_a_run_before_is_forgotten(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    ended = record("FAILED")
    fake.queued, fake.wait_statuses = [ended], {100: 137 << 8}
    polling.poll(zeus)
    again = ended.ended_at + dt.timedelta(seconds=5) if ended.ended_at else None
    fake.queued, fake.accounted = [], [replace(ended, ended_at=again, from_accounting=True, exit_code=9, signal=0)]
    polling.poll(zeus)
    assert Job.objects.get().exit_code == 9


def test_the_tasks_of_an_array_are_counted_for_its_owner(fake: FakeGateway, zeus: Cluster, cast: Cast) -> None:
    registered(zeus)
    fake.queued = [record("RUNNING", task="1"), record("PENDING", task="[2-9]"), record("COMPLETED", task="0")]
    polling.poll(zeus)
    answer = cast.alice("GET", "/api/jobs/100.x").json()
    assert (answer["status"], answer["tasks"]) == ("RUNNING", {"QUEUED": 8, "RUNNING": 1, "FINISHED": 1})


def test_two_jobs_with_one_id_get_each_its_own_end(fake: FakeGateway, zeus: Cluster) -> None:
    now = timezone.now().replace(microsecond=0)
    long_ago = now - dt.timedelta(days=40)
    old = registered(zeus, slurm_id_reused=True, created_at=long_ago, submitted_at=long_ago)
    new = registered(zeus, submitted_at=now)
    elsewhere = Cluster.objects.create(name="other", job_domain="o", address="127.0.0.1", host_keys=[])
    registered(
        elsewhere, submitted_at=long_ago - dt.timedelta(seconds=1), created_at=long_ago + dt.timedelta(seconds=1)
    )
    fake.queued = [record("RUNNING", submitted_at=now)]
    fake.accounted = [
        record("FAILED", from_accounting=True, submitted_at=long_ago, ended_at=long_ago, exit_code=1),
        record("RUNNING", from_accounting=True, submitted_at=now, ended_at=None),
    ]
    polling.poll(zeus)
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.status, old.exit_code, old.accounting_confirmed) == (Status.ERROR, 1, True)
    assert (new.status, new.accounting_confirmed) == (Status.RUNNING, False)


@pytest.mark.parametrize("number", [10, 6_000])
def test_a_look_costs_two_questions_however_many_jobs_there_are(fake: FakeGateway, zeus: Cluster, number: int) -> None:
    Job.objects.bulk_create(
        Job(cluster=zeus, account="plgalice", submission_status="SUBMITTED", slurm_id=n, job_id=f"{n}.x")
        for n in range(1, number + 1)
    )
    asked: list[Any] = []
    fake.during = lambda: asked.append(fake.calls[-1])
    polling.poll(zeus)
    assert asked == ["queue everybody=True", "history"]


def test_over_the_end_of_daylight_saving_time_durations_are_real(fake: FakeGateway, zeus: Cluster, cast: Cast) -> None:
    Cluster.objects.update(time_zone="Europe/Warsaw")
    began, ended = (dt.datetime(2026, 10, 25, hour, 30, tzinfo=dt.UTC) for hour in (0, 1))
    submitted = began - dt.timedelta(minutes=5)
    registered(zeus, created_at=submitted)
    fake.accounted = [
        record("COMPLETED", from_accounting=True, submitted_at=submitted, started_at=began, ended_at=ended,
               wall_seconds=3600, exit_code=0)
    ]  # fmt: skip
    polling.poll(zeus)
    job = cast.alice("GET", "/api/jobs/100.x").json()
    assert (job["start_time"], job["end_time"]) == ("2026-10-25 02:30:00", "2026-10-25 02:30:00")
    assert (job["queue_time"], job["wall_time"]) == ("00:05:00", "01:00:00")


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_cluster_whose_clock_is_off_tells_true_durations(
    fake: FakeGateway, zeus: Cluster, cast: Cast, minutes: int
) -> None:
    registered(zeus)
    there = timezone.now().replace(microsecond=0) + dt.timedelta(minutes=minutes)
    fake.accounted = [
        record("COMPLETED", from_accounting=True, submitted_at=there, started_at=there + dt.timedelta(seconds=3),
               ended_at=there + dt.timedelta(seconds=10), wall_seconds=7, exit_code=0)
    ]  # fmt: skip
    polling.poll(zeus)
    job = cast.alice("GET", "/api/jobs/100.x").json()
    assert (job["status"], job["queue_time"], job["wall_time"]) == ("FINISHED", "00:00:03", "00:00:07")


def test_a_garbage_line_among_ten_thousand_is_reported_and_the_others_count(
    monkeypatch: pytest.MonkeyPatch, zeus: Cluster
) -> None:
    remote = Remote.instead_of_ssh(monkeypatch)
    one_cycle.fill(zeus.pk, 10_000, 50)
    lines = one_cycle.squeue(10_000, 50, moved=False).splitlines(keepends=True)
    remote.queue = [*lines[:5_000], "slurm_load_jobs: a warning in between\n", *lines[5_001:]]
    assert polling.poll(zeus) == 9_999
    poll = Poll.objects.get()
    assert "a warning in between" in poll.error
    assert (poll.failures, poll.succeeded_at is not None) == (0, True)


def test_accounting_that_comes_an_hour_late_is_asked_until_it_comes(
    monkeypatch: pytest.MonkeyPatch, zeus: Cluster
) -> None:
    remote = Remote.instead_of_ssh(monkeypatch)
    began = timezone.now().replace(microsecond=0) - dt.timedelta(minutes=61)
    job = registered(zeus, created_at=began, submitted_at=began, status=Status.RUNNING, started_at=began)
    for _ in range(3):
        assert polling.poll(zeus) == 0, "neither the controller nor accounting knows it"
    at = int(began.timestamp())
    remote.history = [f"100|plgalice|FAILED|3:0|{at}|{at + 2}|{at + 3}|1|1|12|n1\n"]
    assert polling.poll(zeus) == 1
    job.refresh_from_db()
    assert (job.status, job.exit_code, job.wall_seconds, job.accounting_confirmed) == (Status.ERROR, 3, 1, True)
    windows = [int(request.fields[0]) for request in remote.asked("history")]
    assert len(windows) == 4
    assert min(windows) > 3660, "the window reaches back to it"
    assert polling.clusters_to_poll() == []
