"""Processes of the service are killed or restarted at each step of a submission."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.harness.accounts import nothing_left_of
from tests.harness.client import Client, Posted, answers, new_tag
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually

Settled = Callable[[Sequence[Posted]], None]
Step = Callable[[Instance, FaultCluster], AbstractContextManager[Callable[[], None]]]


@contextmanager
def row_written(instance: Instance, cluster: FaultCluster) -> Iterator[Callable[[], None]]:
    """The row is committed, the login node has not been reached."""
    before = len(instance.registry.execute("SELECT id FROM jobs_job"))
    with instance.node.frozen():
        cluster.relay.cut()
        yield lambda: _more_rows_than(instance, before)


def _more_rows_than(instance: Instance, before: int) -> None:
    eventually(lambda: len(instance.registry.execute("SELECT id FROM jobs_job")) > before, "the row is written")


@contextmanager
def sbatch_called(_instance: Instance, cluster: FaultCluster) -> Iterator[Callable[[], None]]:
    """The login node is about to run sbatch."""
    gate = cluster.hold_before("sbatch")
    yield gate.reached
    gate.open()


@contextmanager
def job_made(_instance: Instance, cluster: FaultCluster) -> Iterator[Callable[[], None]]:
    """SLURM has the job, and nobody was told."""
    gate = cluster.hold_after("sbatch")
    yield gate.reached
    gate.open()


@contextmanager
def id_known(instance: Instance, cluster: FaultCluster) -> Iterator[Callable[[], None]]:
    """The service has the id and has not committed it."""
    gate = cluster.hold_after("sbatch")

    def reach() -> None:
        gate.reached()
        lock = instance.registry.locked()
        blocked = lock.__enter__()
        locks.append(lock)
        gate.open()
        blocked()

    locks: list[AbstractContextManager[Callable[[], None]]] = []
    yield reach
    for lock in locks:
        lock.__exit__(None, None, None)


@contextmanager
def id_committed(instance: Instance, cluster: FaultCluster) -> Iterator[Callable[[], None]]:
    """The id is committed, the caller has no answer yet: the answer waits for the output files' paths."""
    instance.registry.change(cluster.host, download_url="https://data.test/{path}")
    gate = cluster.hold_before("scontrol")
    yield gate.reached
    gate.open()


STEPS = [row_written, sbatch_called, job_made, id_known, id_committed]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_web_server_killed_at_any_step_costs_no_job_and_doubles_none(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance, step: Step
) -> None:
    assert caller.post(cluster).code == 201
    tag = new_tag()
    with ThreadPoolExecutor(1) as aside:
        with step(instance, cluster) as reach:
            call = aside.submit(caller.post, cluster, tag=tag, key=tag)
            reach()
            instance.web.kill()
        lost = call.result(60)
    instance.web.start()
    assert lost.code is None
    settled([lost])
    again = caller.post(cluster, tag=tag, key=tag)
    assert again.code == 201, again.body
    settled([again])


def test_everything_killed_at_once_costs_no_job_and_doubles_none(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    gate = cluster.hold_after("sbatch")
    parts = [instance.web, instance.worker, instance.beat, instance.redis.daemon, instance.postgres.daemon]
    with ThreadPoolExecutor(4) as crowd:
        calls = [crowd.submit(caller.post, cluster) for _ in range(4)]
        gate.reached()
        for part in parts:
            part.kill()
        posts = [call.result(60) for call in calls]
    gate.open()
    for part in reversed(parts):
        part.start()
    assert {posted.code for posted in posts} == {None}
    nothing_left_of("sbatch --parsable", instance.accounts)
    settled(posts)


def test_a_worker_killed_while_it_recovers_is_followed_by_another(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    lost = caller.lose(cluster)
    asking = cluster.hold_before("squeue")
    instance.registry.age([lost.tag])
    instance.send("jobs.tasks.recover_submissions")
    asking.reached()
    instance.worker.kill()
    asking.open()
    instance.worker.start()
    settled([lost])
    assert caller.told(lost)["status"] == "submitted"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_restart_under_load_loses_no_request_in_flight(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance, number: signal.Signals
) -> None:
    """What came to no answer never came to the service: neither the registry nor SLURM has heard of it."""
    posts: list[Posted] = []
    over = threading.Event()

    def keep_posting() -> None:
        while not over.is_set():
            posted = caller.post(cluster)
            posts.append(posted)
            if posted.code is None:
                over.wait(0.05)

    with ThreadPoolExecutor(6) as crowd:
        for _ in range(6):
            crowd.submit(keep_posting)
        try:
            eventually(lambda: len(posts) > 12, "requests under way")
            instance.web.send(number)
            if number is signal.SIGTERM:
                assert instance.web.await_end(60) == 0
                instance.web.start()
            reached = len(posts)
            eventually(lambda: len(posts) > reached + 12, "requests under way again")
        finally:
            over.set()
    assert set(answers(posts)) <= {201, None}, answers(posts)
    unanswered = [posted.tag for posted in posts if posted.code is None]
    assert instance.registry.rows(unanswered) == {}
    settled(posts)
