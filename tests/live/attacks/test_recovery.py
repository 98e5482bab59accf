"""Submissions whose answers were lost, and a login that sleeps over the question what became of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.live.attacks.attacker import Attacker
from tests.live.attacks.conftest import TakeLane
from tests.live.attacks.forgery import sleeping
from tests.live.attacks.victim import Victim
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane
from tests.live.faults.waiting import eventually


@contextmanager
def lost_submissions(instance: Instance, attacker: Attacker, lanes: Sequence[Lane]) -> Iterator[list[str]]:
    """Lose the answer to a submission on each of `lanes`, and let whoever asks for it wait."""
    lost = [attacker.client.lose(lane) for lane in lanes]
    for lane in lanes:
        lane.restore()
    with sleeping(attacker, *lanes, upon="squeue"):
        instance.registry.age([posted.tag for posted in lost])
        instance.send("jobs.tasks.recover_submissions")
        eventually(lambda: attacker.strikes, "a login sleeps over the search")
        yield [posted.tag for posted in lost]


def test_recovery_that_a_login_never_answers_delays_nobody_elses_statuses(
    instance: Instance, attacker: Attacker, victim: Victim, lane: Lane, take_lane: TakeLane
) -> None:
    with lost_submissions(instance, attacker, [lane, *(take_lane() for _ in range(5))]) as tags:
        victim.watch(20)  # beat orders recovery meanwhile, too
        assert instance.registry.pending(tags) == len(tags), "there is still something to search"
