"""More callers who wait than there are threads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.live.attacks.attacker import Attacker
from tests.live.attacks.conftest import TakeLanes
from tests.live.attacks.crowd import Crowd
from tests.live.attacks.forgery import sleeping
from tests.live.attacks.victim import Victim
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane
from tests.live.faults.waiting import eventually

_MANY = 140  # two processes have 128 threads


@contextmanager
def waiters(instance: Instance, attacker: Attacker, lanes: Sequence[Lane]) -> Iterator[Crowd]:
    """Have many connections wait for a job to move that does not move."""
    jobs = attacker.hold_each(lanes, 1)
    requests = [attacker.request("GET", f"/api/jobs/{job}", headers={"Prefer": "wait=60"}) for job in jobs]
    with Crowd(instance.port, requests, _MANY) as crowd:
        yield crowd


@contextmanager
def submissions_that_wait(instance: Instance, attacker: Attacker, lanes: Sequence[Lane]) -> Iterator[Crowd]:
    """Have many connections submit jobs, on each of `lanes`, while the login sleeps over it."""
    orders = [attacker.order(lane) for lane in lanes]
    with sleeping(attacker, *lanes, upon="sbatch"), Crowd(instance.port, orders, _MANY) as crowd:
        eventually(lambda: attacker.strikes, "a login sleeps over a submission")
        yield crowd


def test_long_poll_of_one_user_on_every_thread_leaves_everybody_else_theirs(
    instance: Instance, attacker: Attacker, victim: Victim, lanes: Sequence[Lane]
) -> None:
    with waiters(instance, attacker, lanes) as crowd:
        victim.watch()
        assert crowd.sent >= _MANY


def test_submission_of_one_user_on_every_thread_leaves_everybody_else_theirs(
    instance: Instance, attacker: Attacker, victim: Victim, lanes: Sequence[Lane], take_lanes: TakeLanes
) -> None:
    with submissions_that_wait(instance, attacker, [*lanes, *take_lanes(), *take_lanes()]) as crowd:
        victim.watch()
        assert crowd.sent >= _MANY
