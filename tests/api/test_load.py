"""How often a cluster is asked: looks counted over ticks of beat, with a clock that stands still between them."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from clusters import gateway, schedule
from clusters.errors import Unreachable
from clusters.gateway import HistoryAnswer
from clusters.models import Cluster, Poll
from jobs import tasks
from jobs.models import Job
from jobs.states import Status
from jobs.sync import polling
from tests.api.gateway import FakeGateway, FakeSession
from tests.api.test_end import record
from tests.api.test_polling import registered

MINUTE = 60  # ticks
BY_CALLS = 45  # looks of two calls in a minute, of which each account has 90


class Look(FakeSession):
    """One look, which notes for which exit codes it was asked."""

    def __init__(self, grid: "Grid", everybody: bool) -> None:
        super().__init__(grid.fake, everybody)
        self._codes = grid.codes

    def history(self, jobs: Sequence[int], since: int, ended: Sequence[int] = ()) -> HistoryAnswer:
        """Answer as the fake does."""
        self._codes += ended
        return super().history(jobs, since, ended)


class Grid:
    """The gateway behind a clock: a look takes as long as the test says, and is counted by account.

    Workers are as many as are needed: each look has the time for itself, and none delays the clock of beat.
    """

    def __init__(self, fake: FakeGateway) -> None:
        self.fake = fake
        self.now = timezone.now()
        self.takes: dict[str, float] = {}
        self.looks: Counter[str] = Counter()
        self.codes: list[int] = []  # of which jobs the controller was asked for the exit code
        self.messages = 1  # how often the broker delivers each order
        self.beats = 1
        self.at_look: Callable[[], None] = lambda: None

    @contextmanager
    def look(self, _cluster: Cluster, account: str, *, everybody: bool) -> Iterator[FakeSession]:
        """Count it, and let the time pass that it takes."""
        self.looks[account] += 1
        self.at_look()
        self.now += dt.timedelta(seconds=self.takes.get(account, 0.1))
        yield Look(self, everybody)

    def monotonic(self) -> float:
        """Return the time that has passed since some moment, in seconds."""
        return self.now.timestamp()

    def run(self, ticks: int) -> Counter[str]:
        """Have beat tick so many times, and workers carry out what it orders; return the looks by account."""
        self.looks.clear()
        for _tick in range(ticks):
            began = self.now
            for cluster, account, due_at in [order for _beat in range(self.beats) for order in polling.orders()]:
                for _message in range(self.messages):
                    self.now = max(began, due_at)
                    polling.poll_as(cluster, account, due=True)
            self.now = began + dt.timedelta(seconds=1)
        return self.looks

    def spent(self) -> float:
        """Return the seconds that the looks have taken together."""
        return sum(looks * self.takes.get(account, 0.1) for account, looks in self.looks.items())


@pytest.fixture
def grid(fake: FakeGateway, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Grid:
    settings.POLL_INTERVAL = settings.DISPATCH_INTERVAL = 1.0
    grid = Grid(fake)
    monkeypatch.setattr(timezone, "now", lambda: grid.now)
    monkeypatch.setattr(polling, "time", SimpleNamespace(monotonic=grid.monotonic))
    monkeypatch.setattr(gateway, "poll_session", grid.look)
    return grid


def everybody_moves(grid: Grid) -> None:
    """Have each look find that something has changed: each job waits for another reason."""
    numbers = iter(range(1_000_000))

    def another_reason() -> None:
        reason = f"Reason{next(numbers)}"
        jobs = Job.objects.values_list("slurm_id", "account")
        grid.fake.queued = [record("PENDING", job=job, user=user, reason=reason) for job, user in jobs if job]

    grid.at_look = another_reason


def test_a_cluster_on_which_something_happens_is_asked_each_second_or_two(grid: Grid, zeus: Cluster) -> None:
    registered(zeus)
    everybody_moves(grid)
    assert 38 <= grid.run(MINUTE)["plgpoll"] <= BY_CALLS


def test_an_account_that_asks_about_its_own_jobs_leaves_calls_to_its_owner(grid: Grid, zeus: Cluster) -> None:
    [account] = owners(zeus, 1)
    everybody_moves(grid)
    assert 26 <= grid.run(MINUTE)[account] <= 30


def ended(grid: Grid, state: str) -> None:
    """Have each look tell the end of the jobs, of which accounting has not heard."""
    grid.fake.queued = [record(state, job=job.slurm_id, user=job.account) for job in Job.objects.all()]


@pytest.mark.parametrize(("state", "code"), [("COMPLETED", 0), ("CANCELLED", None), ("TIMEOUT", None)])
def test_who_has_not_failed_is_not_asked_for_an_exit_code(
    grid: Grid, zeus: Cluster, state: str, code: int | None
) -> None:
    job = registered(zeus, status=Status.RUNNING)
    ended(grid, state)
    polling.poll(zeus)
    job.refresh_from_db()
    assert (Status(job.status).final, job.exit_code) == (True, code)
    assert grid.codes == []


def test_who_has_failed_is_asked_once_for_an_exit_code(grid: Grid, zeus: Cluster) -> None:
    job = registered(zeus, status=Status.RUNNING)
    ended(grid, "FAILED")
    grid.fake.wait_statuses = {100: 3 << 8}
    for _look in range(3):
        polling.poll(zeus)
    job.refresh_from_db()
    assert (job.exit_code, grid.codes) == (3, [100])


def test_a_look_that_asks_for_exit_codes_is_followed_later(grid: Grid, zeus: Cluster) -> None:
    registered(zeus, status=Status.RUNNING)
    ended(grid, "FAILED")
    for state, seconds in (("FAILED", 4 / 1.5), ("COMPLETED", 2 / 1.5)):
        ended(grid, state)
        polling.poll(zeus)
        assert Poll.objects.get().interval == pytest.approx(seconds)


@pytest.mark.parametrize(("takes", "most"), [(0.4, 31), (2.0, 7), (10.0, 2)])
def test_looks_take_at_most_a_fifth_of_the_time(grid: Grid, zeus: Cluster, takes: float, most: int) -> None:
    registered(zeus)
    everybody_moves(grid)
    grid.takes["plgpoll"] = takes
    assert most * 0.8 <= grid.run(MINUTE)["plgpoll"] <= most


@pytest.mark.parametrize(("interval", "most"), [(0.25, BY_CALLS), (5.0, 13), (30.0, 3)])
def test_no_cluster_is_asked_more_often_than_the_operator_has_set(
    grid: Grid, zeus: Cluster, settings: Any, interval: float, most: int
) -> None:
    settings.POLL_INTERVAL = interval
    registered(zeus)
    everybody_moves(grid)
    grid.takes["plgpoll"] = 0.01
    assert grid.run(MINUTE)["plgpoll"] <= most


def quiet(zeus: Cluster, looks: int) -> None:
    """Have nothing changed in so many looks in a row."""
    Poll.objects.update_or_create(cluster=zeus, account="plgpoll", defaults={"unchanged_polls": looks, "due_at": None})


def test_a_job_that_waits_long_is_looked_at_less_and_less(grid: Grid, zeus: Cluster) -> None:
    registered(zeus)
    grid.fake.queued = [record("PENDING", reason="Priority")]
    looks = [grid.run(MINUTE)["plgpoll"] for _minute in range(3)]
    quiet(zeus, 1_000)
    looks.append(grid.run(MINUTE)["plgpoll"])
    assert looks[0] <= 40
    assert looks == sorted(looks, reverse=True)
    assert 2 <= looks[-1] <= 4


def test_a_cluster_where_something_moves_again_is_asked_as_often_as_before(grid: Grid, zeus: Cluster) -> None:
    registered(zeus)
    quiet(zeus, 1_000)
    everybody_moves(grid)
    grid.run(1)
    assert grid.run(MINUTE)["plgpoll"] >= 38


def test_the_end_of_a_job_that_runs_long_is_never_far(grid: Grid, zeus: Cluster) -> None:
    registered(zeus, status=Status.RUNNING)
    grid.fake.queued = [record("RUNNING")]
    grid.run(MINUTE)
    quiet(zeus, 1_000)
    assert 27 <= grid.run(MINUTE)["plgpoll"] <= 31


def test_a_job_that_the_controller_no_longer_holds_does_not_count_as_running(grid: Grid, zeus: Cluster) -> None:
    registered(zeus, status=Status.RUNNING)
    quiet(zeus, 1_000)
    assert grid.run(MINUTE)["plgpoll"] <= 4


def test_two_beats_and_orders_that_come_twice_cost_no_look(grid: Grid, zeus: Cluster) -> None:
    registered(zeus)
    everybody_moves(grid)
    grid.beats = grid.messages = 2
    assert 38 <= grid.run(MINUTE)["plgpoll"] <= BY_CALLS


def owners(zeus: Cluster, number: int) -> list[str]:
    """Have so many accounts with a job each, and none that may see them all; return their names."""
    zeus.poll_account = ""
    zeus.save()
    accounts = [f"plg{n:03}" for n in range(number)]
    for slurm_id, account in enumerate(accounts, start=100):
        registered(zeus, slurm_id, account)
    return accounts


def test_accounts_that_are_asked_one_by_one_take_a_fifth_of_the_time_together(grid: Grid, zeus: Cluster) -> None:
    accounts = owners(zeus, 6)
    everybody_moves(grid)
    grid.run(MINUTE)
    looks = grid.run(MINUTE)
    assert grid.spent() <= MINUTE / 5 * 1.05
    assert all(17 <= looks[account] <= 21 for account in accounts), looks


def test_many_accounts_are_asked_each_five_seconds_all_the_same(grid: Grid, zeus: Cluster) -> None:
    accounts = owners(zeus, 15)
    everybody_moves(grid)
    grid.run(MINUTE)
    looks = grid.run(MINUTE)
    assert all(10 <= looks[account] <= 13 for account in accounts), looks


def test_an_account_whose_looks_take_long_costs_the_others_nothing(grid: Grid, zeus: Cluster) -> None:
    slow, *others = owners(zeus, 3)
    everybody_moves(grid)
    grid.run(MINUTE)
    usual = dict(grid.run(MINUTE))
    grid.takes[slow] = 3.0
    grid.run(MINUTE)
    looks = grid.run(MINUTE)
    assert looks[slow] <= 4
    assert all(looks[account] >= usual[account] - 3 for account in others), (usual, looks)


def test_submissions_in_a_row_do_not_hurry_a_look(grid: Grid, zeus: Cluster) -> None:
    accounts = owners(zeus, 6)
    everybody_moves(grid)
    grid.run(MINUTE)
    looks: Counter[str] = Counter()
    for _tick in range(MINUTE):
        for account in accounts:
            schedule.expedite(zeus, account)
        looks += grid.run(1)
    assert all(looks[account] <= 21 for account in accounts), looks


def test_a_cluster_that_is_down_is_not_tried_each_second(grid: Grid, zeus: Cluster) -> None:
    registered(zeus)
    grid.fake.outcome = Unreachable("no route")
    assert grid.run(MINUTE)["plgpoll"] <= 5


def test_an_order_is_given_ahead_and_says_from_when_on(
    grid: Grid, zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(zeus)
    due_at = grid.now + dt.timedelta(seconds=0.7)
    Poll.objects.create(cluster=zeus, account="plgpoll", due_at=due_at)
    sent: list[Any] = []
    monkeypatch.setattr(tasks.poll_account, "apply_async", lambda args, **options: sent.append((args, options)))
    tasks.poll_clusters()
    tasks.poll_clusters()
    assert sent == [((zeus.pk, "plgpoll"), {"eta": due_at, "expires": 30.0})]


def test_an_order_that_comes_too_early_is_given_again(grid: Grid, zeus: Cluster) -> None:
    registered(zeus)
    due_at = grid.now + dt.timedelta(seconds=0.7)
    Poll.objects.create(cluster=zeus, account="plgpoll", due_at=due_at)
    assert [order[1:] for order in polling.orders()] == [("plgpoll", due_at)]
    tasks.poll_account(zeus.pk, "plgpoll")
    assert not grid.looks
    assert [order[1:] for order in polling.orders()] == [("plgpoll", due_at)]


def test_an_order_for_whom_there_is_nothing_to_ask_leaves_the_next_job_its_own(grid: Grid, zeus: Cluster) -> None:
    job = registered(zeus)
    list(polling.orders())
    job.delete()
    tasks.poll_account(zeus.pk, "plgpoll")
    registered(zeus, 101)
    assert len(list(polling.orders())) == 1
    assert not grid.looks
