"""What following jobs costs: remote commands and statements, however many jobs, owners, workers and beats there are."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from clusters.models import Cluster
from jobs import tasks
from jobs.models import Event, Job
from jobs.sync import polling
from tests.api.remote import Remote
from tests.bench import one_cycle

WORKERS = 8
STATEMENTS = 3  # rows, the poll's own line read and written; the lock has a session of its own


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Remote:
    """The login node."""
    return Remote.instead_of_ssh(monkeypatch)


@pytest.fixture
def owners(zeus: Cluster) -> Cluster:
    """A cluster that each owner asks about their own jobs."""
    zeus.poll_account = ""
    zeus.save()
    return zeus


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """What beat has ordered: the clusters (keys) to poll, and as which accounts."""
    given: list[tuple[int, str]] = []
    monkeypatch.setattr(tasks.poll_account, "apply_async", lambda words, **_: given.append(words))
    return given


def active(cluster: Cluster, remote: Remote, number: int, accounts: int) -> None:
    """Let the cluster have so many waiting jobs, of so many accounts, and the registry know them."""
    one_cycle.fill(cluster.pk, number, accounts)
    remote.queue = one_cycle.squeue(number, accounts, moved=False).splitlines(keepends=True)


def at_once(work: Callable[[], object], workers: int = WORKERS) -> None:
    """Have so many workers do it at the same time, each with a database session of its own."""
    start = Barrier(workers)

    def worker() -> None:
        start.wait(10)
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(worker) for _ in range(workers)]:
            done.result(60)


@pytest.mark.parametrize("accounts", [1, 50])
@pytest.mark.parametrize("number", [10, 10_000])
def test_a_cycle_is_one_remote_command_where_one_account_asks_for_all(
    remote: Remote, zeus: Cluster, number: int, accounts: int
) -> None:
    active(zeus, remote, number, accounts)
    assert polling.poll(zeus) == number
    assert remote.accounts == ["plgpoll"]


@pytest.mark.parametrize("accounts", [1, 50])
@pytest.mark.parametrize("number", [50, 10_000])
def test_a_cycle_is_one_remote_command_for_each_owner_where_they_ask_for_themselves(
    remote: Remote, owners: Cluster, number: int, accounts: int
) -> None:
    active(owners, remote, number, accounts)
    assert polling.poll(owners) == number
    assert sorted(remote.accounts) == sorted(f"user{n}" for n in range(accounts))


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["zeus", "owners"])
def test_jobs_that_are_over_cost_no_remote_command(
    remote: Remote, mode: str, request: pytest.FixtureRequest, orders: list[tuple[int, str]]
) -> None:
    cluster = request.getfixturevalue(mode)
    active(cluster, remote, 1_000, 50)
    Job.objects.update(status="FINISHED", accounting_confirmed=True)
    tasks.poll_clusters()
    assert orders == []
    tasks.poll_account(cluster.pk, cluster.poll_account or "user1")
    assert remote.accounts == []


@pytest.mark.parametrize("number", [10, 10_000])
def test_where_nothing_changed_nothing_is_written_and_a_look_costs_the_same_statements(
    remote: Remote, zeus: Cluster, number: int
) -> None:
    active(zeus, remote, number, 50)
    polling.poll(zeus)
    seen = Event.objects.count()
    with CaptureQueriesContext(connections["default"]) as captured:
        assert polling.poll(zeus) == 0
    assert len(captured) == STATEMENTS
    assert [query["sql"] for query in captured if "jobs_job" in query["sql"] and "SELECT" not in query["sql"]] == []
    assert Event.objects.count() == seen


def test_a_thousand_changes_are_one_statement(remote: Remote, zeus: Cluster) -> None:
    active(zeus, remote, 10_000, 50)
    polling.poll(zeus)
    remote.queue = one_cycle.squeue(10_000, 50, moved=True).splitlines(keepends=True)
    with CaptureQueriesContext(connections["default"]) as captured:
        assert polling.poll(zeus) == 1_000
    assert len(captured) == STATEMENTS + 1
    assert Event.objects.filter(status="RUNNING").count() == 1_000


def test_a_job_that_somebody_else_has_moved_meanwhile_is_left_to_the_next_look(remote: Remote, zeus: Cluster) -> None:
    active(zeus, remote, 2, 1)
    first = Job.objects.order_by("slurm_id")[0]
    remote.during = lambda: Job.objects.filter(pk=first.pk).update(status="ABORTED")
    assert polling.poll(zeus) == 1
    first.refresh_from_db()
    assert (first.status, first.slurm_state, first.events.count()) == ("ABORTED", "", 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("mode", "commands"), [("zeus", 1), ("owners", 50)])
def test_eight_workers_and_two_beats_ask_no_more_than_one(
    remote: Remote,
    mode: str,
    commands: int,
    request: pytest.FixtureRequest,
    orders: list[tuple[int, str]],
    settings: Any,
) -> None:
    settings.POLL_INTERVAL = 3_600  # seconds: on however slow a machine, no account is due twice
    cluster = request.getfixturevalue(mode)
    active(cluster, remote, 1_000, 50)
    for _tick in range(WORKERS):  # nobody has taken the orders yet
        at_once(tasks.poll_clusters, workers=2)
    assert len(orders) == commands, "each account is ordered once"
    twice = [*orders, *orders]  # a broker may deliver an order again
    shares = [twice[start::WORKERS] for start in range(WORKERS)]
    at_once(lambda: [tasks.poll_account(*order) for order in shares.pop()])
    assert len(remote.accounts) == commands
    assert Job.objects.filter(slurm_state="PENDING").count() == 1_000
