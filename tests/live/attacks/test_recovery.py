"""Submissions whose answers were lost, and a login that sleeps over the question what became of them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.live.attacks.attacker import Attacker
from tests.live.attacks.conftest import TakeLanes
from tests.live.attacks.forgery import sleeping
from tests.live.attacks.victim import Victim
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane
from tests.live.faults.waiting import eventually


@contextmanager
def lost_submissions(instance: Instance, attacker: Attacker, lanes: Sequence[Lane]) -> Iterator[list[str]]:
    """Lose the answer to a submission on each of `lanes`, and let whoever asks for it wait."""
    with ThreadPoolExecutor(len(lanes)) as crowd:
        lost = list(crowd.map(attacker.client.lose, lanes))
    for lane in lanes:
        lane.restore()
    with sleeping(attacker, *lanes, upon="squeue"):
        instance.registry.age([posted.tag for posted in lost])
        instance.send("jobs.tasks.recover_submissions")
        eventually(lambda: attacker.strikes, "a login sleeps over the search")
        yield [posted.tag for posted in lost]


def test_recovery_that_a_login_never_answers_delays_nobody_elses_statuses(
    instance: Instance, attacker: Attacker, victim: Victim, lanes: Sequence[Lane], take_lanes: TakeLanes
) -> None:
    with lost_submissions(instance, attacker, [*lanes, *take_lanes(), *take_lanes()]) as tags:
        victim.watch()
        instance.send("jobs.tasks.recover_submissions")  # as beat does all the time
        victim.watch()
        assert instance.registry.pending(tags) == len(tags), "there is still something to search"
