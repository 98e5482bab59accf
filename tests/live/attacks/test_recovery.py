"""Submissions whose answers were lost, and a login that sleeps over the question what became of them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually
from tests.live.attacks.attacker import Attacker
from tests.live.attacks.conftest import TakeClusters
from tests.live.attacks.forgery import sleeping
from tests.live.attacks.victim import Victim


@contextmanager
def lost_submissions(instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster]) -> Iterator[list[str]]:
    """Lose the answer to a submission on each of `clusters`, and let whoever asks for it wait."""
    with ThreadPoolExecutor(len(clusters)) as crowd:
        lost = list(crowd.map(attacker.client.lose, clusters))
    for cluster in clusters:
        cluster.restore()
    with sleeping(attacker, *clusters, upon="squeue"):
        instance.registry.age([posted.tag for posted in lost])
        instance.send("jobs.tasks.recover_submissions")
        eventually(lambda: attacker.strikes, "a login sleeps over the search")
        yield [posted.tag for posted in lost]


def test_recovery_that_a_login_never_answers_delays_nobody_elses_statuses(
    instance: Instance,
    attacker: Attacker,
    victim: Victim,
    clusters: Sequence[FaultCluster],
    take_clusters: TakeClusters,
) -> None:
    with lost_submissions(instance, attacker, [*clusters, *take_clusters(), *take_clusters()]) as tags:
        victim.watch()
        instance.send("jobs.tasks.recover_submissions")  # as beat does all the time
        victim.watch()
        assert instance.registry.pending(tags) == len(tags), "there is still something to search"
