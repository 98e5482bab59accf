"""Logins that never answer: the poll, or whatever the account is asked."""

import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually
from tests.live.attacks.attacker import STRIKE, Attacker
from tests.live.attacks.crowd import Crowd
from tests.live.attacks.forgery import sleeping
from tests.live.attacks.victim import Victim


@contextmanager
def silence(
    instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster], logins: AbstractContextManager[None]
) -> Iterator[None]:
    """Have jobs of which SLURM has to be asked, more of them all the time, while the attacker's `logins` misbehave."""
    jobs = attacker.hold_each(clusters, 3)
    requests = [attacker.request("GET", f"/api/jobs/{job}?refresh=true") for job in jobs]
    with logins, Crowd(instance.port, requests + [attacker.order(cluster) for cluster in clusters], 8):
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
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster], *, always: bool
) -> None:
    asleep = (
        attacker.starting_up(f"{STRIKE}; exec sleep 600\n") if always else sleeping(attacker, *clusters, upon="squeue")
    )
    with silence(instance, attacker, clusters, asleep):
        victim.watch()


def test_home_directory_that_hangs_delays_nobody_elses_statuses(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster]
) -> None:
    with silence(instance, attacker, clusters, attacker.starting_up(hanging_home(attacker))):
        victim.watch()
