"""More callers who wait than there are threads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually
from tests.live.attacks.attacker import Attacker
from tests.live.attacks.conftest import TakeClusters
from tests.live.attacks.crowd import Crowd
from tests.live.attacks.forgery import sleeping
from tests.live.attacks.victim import Victim

_MANY = 140  # two processes have 128 threads


@contextmanager
def waiters(instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster]) -> Iterator[Crowd]:
    """Have many connections wait for a job to move that does not move."""
    jobs = attacker.hold_each(clusters, 1)
    requests = [attacker.request("GET", f"/api/jobs/{job}", headers={"Prefer": "wait=60"}) for job in jobs]
    with Crowd(instance.port, requests, _MANY) as crowd:
        yield crowd


@contextmanager
def submissions_that_wait(instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster]) -> Iterator[Crowd]:
    """Have many connections submit jobs, on each of `clusters`, while the login sleeps over it."""
    orders = [attacker.order(cluster) for cluster in clusters]
    with sleeping(attacker, *clusters, upon="sbatch"), Crowd(instance.port, orders, _MANY) as crowd:
        eventually(lambda: attacker.strikes, "a login sleeps over a submission")
        yield crowd


def test_long_poll_of_one_user_on_every_thread_leaves_everybody_else_theirs(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster]
) -> None:
    with waiters(instance, attacker, clusters) as crowd:
        victim.watch()
        assert crowd.sent >= _MANY


def test_submission_of_one_user_on_every_thread_leaves_everybody_else_theirs(
    instance: Instance,
    attacker: Attacker,
    victim: Victim,
    clusters: Sequence[FaultCluster],
    take_clusters: TakeClusters,
) -> None:
    with submissions_that_wait(instance, attacker, [*clusters, *take_clusters(), *take_clusters()]) as crowd:
        victim.watch()
        assert crowd.sent >= _MANY
