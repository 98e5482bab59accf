"""When a cluster is asked again."""

import datetime as dt
import threading
from importlib import import_module
from itertools import pairwise
from typing import Any

import pytest
from celery.beat import Scheduler
from django.db import connection
from django.db.models import F
from django.utils import timezone

from clusters import schedule
from clusters.errors import Busy, Failed, Malformed, Refused, TimedOut, Unreachable, Unresponsive
from clusters.models import Cluster, Poll, PollFailure
from jobs import tasks
from jobs.sync import polling
from submitter.celery import app
from tests.api.gateway import FakeGateway
from tests.api.test_end import record
from tests.api.test_polling import registered


@pytest.fixture
def owners(zeus: Cluster) -> Cluster:
    """A cluster that each owner asks about their own jobs."""
    zeus.poll_account = ""
    zeus.save()
    return zeus


@pytest.fixture(autouse=True)
def interval(settings: Any) -> None:
    settings.POLL_INTERVAL = settings.DISPATCH_INTERVAL = 1.0


def wait() -> dt.timedelta:
    """Return how long the one account that has been asked is not asked again."""
    due = Poll.objects.get().due_at
    assert due
    return due - timezone.now()


@pytest.mark.parametrize(
    ("duration", "accounts", "expected"),
    [(0.1, 1, 1), (0.2, 1, 1), (3.0, 1, 15), (0.1, 4, 2), (0.1, 100, 5), (3.0, 100, 15)],
)
def test_the_interval_while_something_happens(duration: float, accounts: int, expected: float) -> None:
    assert schedule.interval_after(schedule.Outcome(duration=duration), accounts) == pytest.approx(expected)


@pytest.mark.parametrize(("duration", "accounts", "expected"), [(0.1, 1, 30), (0.1, 100, 30), (10.0, 1, 50)])
def test_an_operators_interval_is_the_shortest(settings: Any, duration: float, accounts: int, expected: float) -> None:
    settings.POLL_INTERVAL = 30.0
    assert schedule.interval_after(schedule.Outcome(duration=duration), accounts) == expected


@pytest.mark.parametrize(("duration", "expected"), [(0.1, 5), (3.0, 15)])
def test_the_interval_while_accounting_is_away(duration: float, expected: float) -> None:
    assert schedule.interval_after(schedule.Outcome(duration=duration, failure=PollFailure.UNANSWERED), 1) == expected


@pytest.mark.parametrize("calls", [2, 3, 4, 5])
def test_looks_stay_below_the_calls_that_a_controller_gives_back(calls: int) -> None:
    """`rl_refill_rate` is two a second (slurm.conf(5)); a quarter of it is left to what the account submits."""
    assert calls / schedule.interval_after(schedule.Outcome(duration=0.01, calls=calls), 1) <= 1.5


@pytest.mark.parametrize(
    ("least", "unchanged_polls", "running", "expected"),
    [
        (1, 0, False, 1), (1, 12, False, 1), (1, 24, False, 2), (1, 1000, False, 20), (1, 1000, True, 1.5),
        (5, 1000, False, 20), (5, 1000, True, 7.5), (15, 24, False, 30), (15, 1000, False, 60),
    ],
)  # fmt: skip
def test_the_interval_where_nothing_changes(least: float, unchanged_polls: int, running: bool, expected: float) -> None:
    assert expected <= schedule.seconds_to_next(least, unchanged_polls, running=running) <= expected * 1.1


@pytest.mark.parametrize(("failures", "expected"), [(1, 7.5), (3, 16.875), (50, 300)])
def test_the_interval_of_what_is_down(failures: int, expected: float) -> None:
    assert expected * 0.9 <= schedule.seconds_to_retry(failures) <= expected


def test_a_cluster_that_was_just_asked_is_not_due(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    fake.queued = [record("RUNNING")]
    assert polling.poll(zeus, due=True) == 1
    fake.calls.clear()
    assert polling.poll(zeus, due=True) == 0
    assert fake.calls == []
    Poll.objects.update(due_at=timezone.now())
    polling.poll(zeus, due=True)
    assert fake.calls


def three_owners(owners: Cluster) -> None:
    for number, account in enumerate(["plgalice", "plgbob", "plgcarol"]):
        registered(owners, 100 + number, account)


def test_a_login_node_out_of_reach_is_found_by_one_account_for_all(fake: FakeGateway, owners: Cluster) -> None:
    three_owners(owners)
    fake.outcome = Unreachable("no route")
    polling.poll(owners, due=True)
    assert len(fake.calls) == 1
    assert Poll.objects.filter(due_at__gt=timezone.now()).count() == 3
    polling.poll(owners, due=True)
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    "exc",
    [
        TimedOut("no answer within 30 s"), Unresponsive("runs no command"), Busy("all channels were busy"),
        Failed("squeue: Unable to contact slurm controller"), Malformed("squeue: '?'"), Refused("account expired"),
        ValueError("whatever else came of what it printed"),
    ],
    ids=lambda exc: type(exc).__name__,
)  # fmt: skip
def test_what_comes_after_a_login_puts_off_that_account_alone(
    fake: FakeGateway, owners: Cluster, exc: Exception
) -> None:
    three_owners(owners)

    def first_one_fails() -> None:
        if len(fake.calls) == 1:
            raise exc

    fake.during = first_one_fails
    polling.poll(owners, due=True)
    assert len([call for call in fake.calls if call.startswith("queue")]) == 3
    failures = dict(Poll.objects.values_list("account", "failures"))
    assert failures == {"plgalice": 1, "plgbob": 0, "plgcarol": 0}
    assert type(exc).__name__ in Poll.objects.get(account="plgalice").error


def test_due_lists_those_who_failed_after_all_others(owners: Cluster) -> None:
    now = timezone.now()
    for account, minutes, failures in (("plgalice", 9, 1), ("plgbob", 1, 0), ("plgcarol", 3, 0)):
        due_at = now - dt.timedelta(minutes=minutes)
        Poll.objects.create(cluster=owners, account=account, due_at=due_at, failures=failures)
    assert schedule.due(owners, ["plgalice", "plgbob", "plgcarol"]) == ["plgcarol", "plgbob", "plgalice"]


def test_order_gives_an_order_once_until_it_is_carried_out_or_expires(fake: FakeGateway, owners: Cluster) -> None:
    three_owners(owners)
    everybody = polling.accounts(owners)
    assert list(schedule.order(owners, everybody)) == everybody
    assert schedule.order(owners, everybody) == {}
    Poll.objects.filter(account="plgbob").update(ordered_at=timezone.now() - schedule.ORDER_EXPIRES_AFTER)
    assert list(schedule.order(owners, everybody)) == ["plgbob"]
    fake.queued = [record("RUNNING")]
    polling.poll_as(owners, "plgalice")
    Poll.objects.filter(account="plgalice").update(due_at=timezone.now() + dt.timedelta(seconds=2))
    assert schedule.order(owners, everybody) == {}, "it was just polled"
    Poll.objects.filter(account="plgalice").update(due_at=timezone.now())
    assert list(schedule.order(owners, everybody)) == ["plgalice"]


def test_accounts_that_fail_leave_half_of_a_workers_threads_to_the_others(
    fake: FakeGateway, owners: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_owners(owners)
    everybody = polling.accounts(owners)
    Poll.objects.create(cluster=owners, account="plgalice", failures=1)
    monkeypatch.setattr(tasks, "_for_failing", threading.BoundedSemaphore(1))
    assert tasks._for_failing.acquire(blocking=False), "another one that fails is being polled"
    schedule.order(owners, everybody)
    tasks.poll_account(owners.pk, "plgalice")
    assert fake.calls == []
    tasks.poll_account(owners.pk, "plgbob")
    assert fake.calls[:1] == ["queue everybody=False"]
    assert list(schedule.order(owners, everybody)) == ["plgalice"], "it is ordered again"
    tasks._for_failing.release()
    tasks.poll_account(owners.pk, "plgalice")
    assert fake.calls.count("queue everybody=False") == 2


def test_a_dead_cluster_is_tried_less_and_less_often(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    fake.outcome = Unreachable("no route")
    waits = []
    for _ in range(12):
        Poll.objects.update(due_at=timezone.now())
        polling.poll(zeus, due=True)
        waits.append(wait().total_seconds())
    assert waits[0] < 11
    assert all(after > before for before, after in pairwise(waits[:5]))
    assert 250 < waits[-1] <= 300


def test_an_account_that_is_refused_is_not_tried_again_soon_and_the_others_are(
    fake: FakeGateway, owners: Cluster
) -> None:
    registered(owners, 100, "plgalice")
    registered(owners, 101, "plgbob")
    fake.outcome = Refused("account expired")
    polling.poll(owners, due=True)
    assert len(fake.calls) == 2
    assert set(Poll.objects.values_list("failures", flat=True)) == {1}


def without_accounting(fake: FakeGateway) -> None:
    """Have the controller answer alone."""

    def away() -> None:
        if fake.calls[-1] == "history":
            raise Failed("sacct: connection refused")

    fake.during = away


def test_accounting_that_is_away_does_not_slow_the_controllers_word_down(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    registered(zeus, 101)
    fake.queued = [record("RUNNING")]
    without_accounting(fake)
    for _ in range(5):
        polling.poll(zeus)
    poll = Poll.objects.get()
    assert (poll.failures, "sacct" in poll.error) == (5, True)
    assert dt.timedelta(seconds=4) < wait() <= dt.timedelta(seconds=5.5)


def test_a_new_job_ends_the_rest_of_a_quiet_cluster(zeus: Cluster) -> None:
    later = timezone.now() + dt.timedelta(seconds=60)
    Poll.objects.create(cluster=zeus, account=zeus.poll_account, due_at=later, unchanged_polls=80, duration=0.1)
    schedule.expedite(zeus, "plgalice")
    poll = Poll.objects.get()
    assert wait() <= dt.timedelta(seconds=1)
    assert poll.unchanged_polls == 0


def test_a_new_job_ends_the_back_off_of_a_cluster_that_was_down(zeus: Cluster) -> None:
    later = timezone.now() + dt.timedelta(seconds=200)
    Poll.objects.create(cluster=zeus, account=zeus.poll_account, due_at=later, failures=9, duration=30.0)
    Poll.objects.create(cluster=zeus, account="plgalice", due_at=later)  # was put off, and never asked
    schedule.expedite(zeus, "plgalice")
    assert not Poll.objects.filter(due_at__gt=timezone.now() + dt.timedelta(seconds=1)).exists()


def test_a_new_job_does_not_hurry_a_cluster_whose_looks_take_long(zeus: Cluster) -> None:
    now = timezone.now()
    poll = Poll.objects.create(cluster=zeus, account=zeus.poll_account, duration=20.0, interval=100.0)
    for seconds, expected in ((90, 90), (400, 100)):
        Poll.objects.update(due_at=now + dt.timedelta(seconds=seconds))
        schedule.expedite(zeus, "plgalice")
        poll.refresh_from_db()
        assert poll.due_at
        assert (poll.due_at - now).total_seconds() == pytest.approx(expected, abs=5)


def test_a_new_job_moves_the_account_that_asks_about_it_and_nobody_else(zeus: Cluster) -> None:
    later = timezone.now() + dt.timedelta(seconds=60)
    for account in (zeus.poll_account, "plgalice", "plgbob"):
        Poll.objects.create(cluster=zeus, account=account, due_at=later)
    schedule.expedite(zeus, "plgalice")
    assert list(Poll.objects.filter(due_at=later).values_list("account", flat=True)) == ["plgbob"]


def test_an_empty_queue_without_accounting_is_an_answer(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    without_accounting(fake)
    for _ in range(5):
        polling.poll(zeus)
    assert wait() <= dt.timedelta(seconds=5.5)


def test_nobody_is_sent_to_a_cluster_that_was_just_asked(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus)
    assert polling.clusters_to_poll(due=True) == [zeus]
    fake.queued = [record("RUNNING")]
    polling.poll(zeus)
    Poll.objects.update(due_at=timezone.now() + dt.timedelta(seconds=2))
    assert polling.clusters_to_poll(due=True) == []
    assert polling.clusters_to_poll() == [zeus]


def test_owners_who_ask_for_themselves_are_always_looked_for(fake: FakeGateway, owners: Cluster) -> None:
    registered(owners)
    fake.queued = [record("RUNNING")]
    polling.poll(owners)
    assert polling.clusters_to_poll(due=True) == [owners]


def test_after_ten_minutes_without_beat_each_account_is_asked_once(
    fake: FakeGateway, owners: Cluster, settings: Any
) -> None:
    settings.POLL_INTERVAL = 60.0
    for number, account in enumerate(["plgalice", "plgbob"]):
        registered(owners, 100 + number, account)
    fake.queued = [record("RUNNING"), record("RUNNING", job=101, user="plgbob")]
    polling.poll(owners, due=True)
    ten_minutes = dt.timedelta(minutes=10)
    Poll.objects.update(due_at=F("due_at") - ten_minutes, succeeded_at=F("succeeded_at") - ten_minutes)
    fake.calls.clear()
    for _order in range(600):  # one a second, were they kept
        polling.poll(owners, due=True)
    assert fake.calls == ["queue everybody=False"] * 2


def test_a_beat_that_was_away_for_ten_minutes_gives_each_order_once(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Scheduler(app, schedule={}, lazy=True)
    beat.merge_inplace(app.conf.beat_schedule)
    for entry in beat.schedule.values():
        entry.last_run_at = app.now() - dt.timedelta(minutes=10, seconds=1)
    orders: list[str] = []
    monkeypatch.setattr(beat, "apply_async", lambda entry, **_: orders.append(entry.name))
    for _tick in range(100):
        if beat.tick() > 0:  # the seconds until something is due
            break
    assert sorted(orders) == sorted(set(app.conf.beat_schedule) - {"tidy-homes"})


@pytest.mark.parametrize(
    ("error", "failures", "failure"),
    [
        ("Refused: not let in", 3, "refused"),
        ("BrokenOff: not let in", 1, "refused"),
        ("Unreachable: no route", 1, "unreachable"),
        ("TimedOut: no answer within 30 s", 1, "unanswered"),
        ("1 lines not understood, the first: 'Refused: '", 0, ""),
    ],
)
def test_migration_gives_older_polls_the_kind_of_their_failure(
    zeus: Cluster, error: str, failures: int, failure: str
) -> None:
    poll = Poll.objects.create(cluster=zeus, account="plgpoll", error=error, failures=failures)
    with connection.cursor() as cursor:
        cursor.execute(import_module("clusters.migrations.0008_poll_failure").FAILURES)
    poll.refresh_from_db()
    assert poll.failure == failure
