"""Callers who keep what others need as well: answers that nobody reads, calls that wait for a login that sleeps."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually
from tests.live.attacks.attacker import Attacker
from tests.live.attacks.crowd import Crowd, Reading
from tests.live.attacks.forgery import sleeping
from tests.live.attacks.victim import Victim

_MANY = 40
_BIG = 256 * 1024 * 1024  # bytes of a file with holes, more than all the buffers on the way hold


@contextmanager
def unread_output(instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster]) -> Iterator[Crowd]:
    """Ask for a large output on many connections, and read nothing of it."""
    with attacker.folder("unread") as folder:
        jobs = attacker.hold_each(clusters, 1, "#SBATCH -o large-%j", directory=str(folder))
        for job in jobs:
            large = folder / f"large-{job.partition('.')[0]}"
            large.touch()
            os.truncate(large, _BIG)
        requests = [attacker.request("GET", f"/api/jobs/{job}/stdout") for job in jobs]
        with Crowd(instance.port, requests, _MANY, reading=Reading.NOT) as crowd:
            yield crowd


@contextmanager
def calls_that_wait(
    instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster], method: str
) -> Iterator[Crowd]:
    """Have many calls wait for SLURM in a login that sleeps, each about another job."""
    jobs = attacker.hold_each(clusters, _MANY // 2)
    refresh, body = ("?refresh=true", b"") if method == "GET" else ("", b'{"action": "abort"}')
    requests = [
        attacker.request(method, f"/api/jobs/{job}{refresh}", b"" if method == "DELETE" else body) for job in jobs
    ]
    with sleeping(attacker, *clusters, upon="squeue"), Crowd(instance.port, requests, _MANY) as crowd:
        eventually(lambda: attacker.strikes, "a call waits")
        yield crowd


def test_output_that_nobody_reads_leaves_everybody_else_their_answers(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster]
) -> None:
    with unread_output(instance, attacker, clusters) as crowd:
        victim.watch()
        assert crowd.sent >= _MANY


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"], ids=["refresh", "abort", "delete"])
def test_call_that_waits_for_a_login_leaves_everybody_else_their_answers(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster], method: str
) -> None:
    with calls_that_wait(instance, attacker, clusters, method) as crowd:
        victim.watch()
        assert crowd.sent >= _MANY
