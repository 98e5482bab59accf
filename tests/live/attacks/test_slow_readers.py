"""Callers who keep what others need as well: answers that nobody reads, calls that wait for a login that sleeps."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.live.attacks.attacker import Attacker
from tests.live.attacks.crowd import Crowd, Reading
from tests.live.attacks.forgery import sleeping
from tests.live.attacks.victim import Victim
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane
from tests.live.faults.waiting import eventually

_MANY = 40
_BIG = 256 * 1024 * 1024  # bytes of a file with holes, more than all the buffers on the way hold


@contextmanager
def unread_output(instance: Instance, attacker: Attacker, lanes: Sequence[Lane]) -> Iterator[Crowd]:
    """Ask for a large output on many connections, and read nothing of it."""
    with attacker.folder("unread") as folder:
        jobs = attacker.hold_each(lanes, 1, "#SBATCH -o large-%j", directory=str(folder))
        for job in jobs:
            large = folder / f"large-{job.partition('.')[0]}"
            large.touch()
            os.truncate(large, _BIG)
        requests = [attacker.request("GET", f"/api/jobs/{job}/stdout") for job in jobs]
        with Crowd(instance.port, requests, _MANY, reading=Reading.NOT) as crowd:
            yield crowd


@contextmanager
def calls_that_wait(instance: Instance, attacker: Attacker, lanes: Sequence[Lane], method: str) -> Iterator[Crowd]:
    """Have many calls wait for SLURM in a login that sleeps, each about another job."""
    jobs = attacker.hold_each(lanes, _MANY // 2)
    refresh, body = ("?refresh=true", b"") if method == "GET" else ("", b'{"action": "abort"}')
    requests = [
        attacker.request(method, f"/api/jobs/{job}{refresh}", b"" if method == "DELETE" else body) for job in jobs
    ]
    with sleeping(attacker, *lanes, upon="squeue"), Crowd(instance.port, requests, _MANY) as crowd:
        eventually(lambda: attacker.strikes, "a call waits")
        yield crowd


def test_output_that_nobody_reads_leaves_everybody_else_their_answers(
    instance: Instance, attacker: Attacker, victim: Victim, lanes: Sequence[Lane]
) -> None:
    with unread_output(instance, attacker, lanes) as crowd:
        victim.watch()
        assert crowd.sent >= _MANY


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"], ids=["refresh", "abort", "delete"])
def test_call_that_waits_for_a_login_leaves_everybody_else_their_answers(
    instance: Instance, attacker: Attacker, victim: Victim, lanes: Sequence[Lane], method: str
) -> None:
    with calls_that_wait(instance, attacker, lanes, method) as crowd:
        victim.watch()
        assert crowd.sent >= _MANY
