"""Logins that answer for SLURM: rubbish, other people's jobs, far too much, without an end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually
from tests.live.attacks import memory
from tests.live.attacks.attacker import Attacker
from tests.live.attacks.crowd import Crowd
from tests.live.attacks.forgery import altered, forged, in_turn
from tests.live.attacks.victim import Job, Victim, slurm_id

# Fields, as squeue is asked for them: id, user, state, submit, start, end, time, nodes, cores, node list, reason.
_RUNS = '$3 = "RUNNING"; $5 = $4; $10 = "n1"; '
_ENDED = '$3 = "COMPLETED"; $5 = $4; $6 = $4; $10 = "n1"; '
_ODD = {
    "a submission at an epoch of twenty digits": '$4 = "99999999999999999999"',
    "a start at an epoch of twenty digits": _RUNS + '$5 = "99999999999999999999"',
    "a state of forty letters": f'$3 = "{"ABCDEFGHIJ" * 4}"',
    "eleven digits of nodes": _RUNS + '$8 = "99999999999"',
    "four thousand digits of cores": _RUNS + 'while (length($9) < 4000) $9 = $9 "9999999999"',
    "a run time of twenty digits": _ENDED + '$7 = "99999999999999999999:00:00"',
    "a NUL in the reason": r'$11 = "because\001of"',
    "a NUL in the state": r'$3 = "RUN\001NING"',
    "tasks by steps of zero": '$1 = $1 "_[0-9:0]"',
}
_NOBODYS = "4711|nobody|PENDING|1700000000|N/A|N/A|0:00|1|1||" + "x" * 60
_FLOODS = {
    "60 MB": f"nice yes '{_NOBODYS}' | head -c 60000000",
    "60 MB without a line break": "head -c 60000000 /dev/zero | tr '\\0' x",
    "without an end": f"exec timeout 60 nice yes '{_NOBODYS}'",
}


@contextmanager
def answering(
    instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster], **bodies: str
) -> Iterator[Crowd]:
    """Have jobs of which SLURM has to be asked, and let `bodies` answer for SLURM in the attacker's logins.

    That is where polls ask as each owner; where another account asks about everybody, the attacker asks by `refresh`.
    """
    jobs = attacker.hold_each(clusters, 3)
    asked = [attacker.request("GET", f"/api/jobs/{job}?refresh=true") for job in jobs]
    with forged(attacker, *clusters, **bodies), Crowd(instance.port, asked, 4) as crowd:
        eventually(lambda: attacker.strikes, "a forged command has answered")
        yield crowd


def test_values_that_are_none_are_the_trouble_of_their_own_account(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster]
) -> None:
    odd = in_turn([altered(program) for program in _ODD.values()])
    with answering(instance, attacker, clusters, squeue=odd) as crowd:
        victim.watch(until=lambda: attacker.strikes > 5 * len(_ODD))
        assert 500 not in crowd.codes, crowd.codes


@pytest.mark.parametrize("body", _FLOODS.values(), ids=_FLOODS.keys())
def test_answer_of_any_length_takes_neither_memory_nor_time_of_others(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster], body: str
) -> None:
    for daemon in (instance.worker, instance.web):
        memory.forget_peaks(daemon)
    before = max(memory.peaks(instance.worker).values())
    with answering(instance, attacker, clusters, squeue=body):
        victim.watch()
    for daemon in (instance.worker, instance.web):
        peaks = memory.peaks(daemon)
        assert max(peaks.values()) < before + 150, f"MiB by process: {peaks}"


def test_record_of_somebody_elses_job_changes_nothing_of_theirs(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster]
) -> None:
    theirs = [victim.submit(cluster, "#SBATCH --hold") for cluster in clusters]
    owners = [account.name for account in instance.accounts]
    bodies = {
        "squeue": _claims(theirs, owners, "$now|$now|$now|0:01|1|1|n1|None"),
        "sacct": _claims(theirs, owners, "7:0|$now|$now|$now|1|1|1|n1"),
    }
    with answering(instance, attacker, clusters, **bodies):
        victim.watch()
        for job in theirs:
            victim.finds_untouched(job)


def _claims(jobs: Sequence[Job], owners: Sequence[str], rest: str) -> str:
    """Return a command that answers, and then tells of the end of `jobs` under either name, which nobody has asked."""
    states = ("RUNNING", "COMPLETED", "FAILED")
    lines = [f"{slurm_id(job)}|{owner}|{state}|{rest}" for job in jobs for owner in owners for state in states]
    return '"$real" "$@"; now=$(date +%s); ' + "; ".join(f'echo "{line}"' for line in lines)
