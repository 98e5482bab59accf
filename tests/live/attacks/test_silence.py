"""Logins that never answer: the poll, or whatever the account is asked."""

import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.live.attacks.attacker import STRIKE, Attacker
from tests.live.attacks.crowd import Crowd
from tests.live.attacks.forgery import sleeping
from tests.live.attacks.victim import Victim
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane
from tests.live.faults.waiting import eventually


@contextmanager
def silence(
    instance: Instance, attacker: Attacker, lanes: Sequence[Lane], logins: AbstractContextManager[None]
) -> Iterator[None]:
    """Have jobs of which SLURM has to be asked, more of them all the time, while the attacker's `logins` misbehave."""
    jobs = attacker.hold_each(lanes, 3)
    requests = [attacker.request("GET", f"/api/jobs/{job}?refresh=true") for job in jobs]
    with logins, Crowd(instance.port, requests + [attacker.order(lane) for lane in lanes], 8):
        eventually(lambda: attacker.strikes, "a login is silent")
        yield


def hanging_home(attacker: Attacker) -> str:
    """Return a start-up file that reads one which is never there, as in a home directory whose server is gone."""
    pipe = attacker.account.home / "gone"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    os.chown(pipe, (user := pwd.getpwnam(attacker.account.name)).pw_uid, user.pw_gid)
    return f"{STRIKE}; . ~/gone\n"


@pytest.mark.parametrize("always", [False, True], ids=["upon the poll", "always"])
def test_login_that_sleeps_delays_nobody_elses_statuses(
    instance: Instance, attacker: Attacker, victim: Victim, lanes: Sequence[Lane], *, always: bool
) -> None:
    asleep = (
        attacker.starting_up(f"{STRIKE}; exec sleep 600\n") if always else sleeping(attacker, *lanes, upon="squeue")
    )
    with silence(instance, attacker, lanes, asleep):
        victim.watch()


def test_home_directory_that_hangs_delays_nobody_elses_statuses(
    instance: Instance, attacker: Attacker, victim: Victim, lanes: Sequence[Lane]
) -> None:
    with silence(instance, attacker, lanes, attacker.starting_up(hanging_home(attacker))):
        victim.watch()
