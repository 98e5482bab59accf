"""When lost submissions are looked for: one attempt for an account at a time, and later each time that one fails."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from clusters import submitting
from clusters.errors import TimedOut
from clusters.models import Cluster
from clusters.slurm.description import NewJob
from jobs import locks, recovery, tasks
from jobs.models import Job, RecoveryAttempt
from tests.api.gateway import FakeGateway
from tests.api.test_polling import registered


def lose(cluster: Cluster, account: str = "plgalice", number: int = 1) -> None:
    """Register submissions of five minutes ago that have no outcome."""
    created = timezone.now() - timedelta(minutes=5)
    Job.objects.bulk_create([Job(cluster=cluster, account=account, created_at=created) for _ in range(number)])


def pass_time(seconds: float) -> None:
    RecoveryAttempt.objects.update(due_at=F("due_at") - timedelta(seconds=seconds))


def test_orders_gives_each_account_once_until_it_is_carried_out_or_expires(zeus: Cluster) -> None:
    lose(zeus)
    lose(zeus, "plgbob")
    both = [(zeus.pk, "plgalice"), (zeus.pk, "plgbob")]
    assert sorted(recovery.orders()) == both
    assert list(recovery.orders()) == []
    pass_time(recovery.ORDERED_FOR.total_seconds())
    assert sorted(recovery.orders()) == both


def test_a_description_without_a_time_leaves_the_one_that_is_known(
    fake: FakeGateway, zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = timezone.now() - timedelta(minutes=4)
    registered(zeus, stdout="", created_at=then, submitted_at=then)
    new = NewJob("/home/plgalice/out", "/home/plgalice/out", None, is_array=False)
    monkeypatch.setattr(submitting, "describe", lambda *_: fake.answer("describe", new))
    tasks.recover_account(zeus.pk, "plgalice")
    job = Job.objects.get()
    assert (job.stdout, job.submitted_at) == ("/home/plgalice/out", then)


def test_orders_costs_two_statements_however_many_accounts_have_lost_something(
    zeus: Cluster, django_assert_num_queries: Any
) -> None:
    for number in range(20):
        lose(zeus, f"plg{number}")
    with django_assert_num_queries(2):
        assert len(list(recovery.orders())) == 20


def test_attempt_that_fails_is_made_again_later_and_later(fake: FakeGateway, zeus: Cluster) -> None:
    lose(zeus)
    fake.outcome = TimedOut("no answer within 30 s")
    pauses = []
    for _ in range(12):
        tasks.recover_account(zeus.pk, "plgalice")
        pauses.append((RecoveryAttempt.objects.get().due_at - timezone.now()).total_seconds())
        assert list(recovery.orders()) == []
    assert pauses[:6] == sorted(pauses[:6])
    assert pauses[0] < 25
    assert 250 < pauses[-1] <= 300


def test_attempt_that_breaks_on_an_answer_is_put_off_like_one_without_answer(fake: FakeGateway, zeus: Cluster) -> None:
    lose(zeus)
    fake.outcome = ValueError("what nobody has foreseen")
    tasks.recover_account(zeus.pk, "plgalice")
    assert RecoveryAttempt.objects.get().failures == 1


def test_attempt_that_succeeds_forgets_the_failures_before_it(fake: FakeGateway, zeus: Cluster) -> None:
    lose(zeus)
    fake.outcome = TimedOut("no answer")
    tasks.recover_account(zeus.pk, "plgalice")
    fake.outcome = None
    tasks.recover_account(zeus.pk, "plgalice")
    assert RecoveryAttempt.objects.count() == 0


@pytest.mark.usefixtures("db")
def test_attempt_is_not_made_while_another_one_is_for_the_same_account(fake: FakeGateway, zeus: Cluster) -> None:
    lose(zeus)
    with locks.try_lock(locks.Subject.RECOVERY, f"{zeus.pk}:plgalice"):
        tasks.recover_account(zeus.pk, "plgalice")
        assert fake.calls == []
    tasks.recover_account(zeus.pk, "plgalice")
    assert fake.calls == ["lookup sbatch_is_over=True"]


def test_recover_asks_about_a_bounded_number_of_submissions_at_once(
    fake: FakeGateway, zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(zeus, number=45)
    asked: list[int] = []
    real = fake.find_lost_submissions

    def counting(cluster: Cluster, account: str, tokens: list[str], since: int, *, sbatch_is_over: bool) -> object:
        asked.append(len(tokens))
        return real(cluster, account, tokens, since, sbatch_is_over=sbatch_is_over)

    monkeypatch.setattr(submitting, "find_lost_submissions", counting)
    recovery.recover(zeus, "plgalice")
    assert asked == [20, 20, 5]


def test_attempt_is_made_less_often_for_a_job_whose_files_slurm_does_not_name(fake: FakeGateway, zeus: Cluster) -> None:
    registered(zeus, created_at=timezone.now() - timedelta(minutes=5))
    fake.outcome = NewJob("", "", None, is_array=False)
    for attempts in (1, 2, 3):
        tasks.recover_account(zeus.pk, "plgalice")
        assert RecoveryAttempt.objects.get().failures == attempts
    fake.outcome = None
    tasks.recover_account(zeus.pk, "plgalice")
    assert (RecoveryAttempt.objects.count(), Job.objects.get().stdout) == (0, "/home/plgalice/slurm-100.out")
