"""Files, directories and requests that say they are larger than any memory."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from sandbox.commands import run
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually
from tests.live.attacks import memory, sftpserver
from tests.live.attacks.attacker import STRIKE, Attacker
from tests.live.attacks.crowd import Crowd, Reading
from tests.live.attacks.forgery import forged
from tests.live.attacks.victim import Victim

_TIB = 2**40
_NAMES = 100_000
_ROOM = 250  # MiB that a process may take in addition
_SFTP_SERVER = "/usr/lib/openssh/sftp-server"

# Whoever asks which tasks have started is told that nobody knows the array.
_SQUEUE = """case "$*" in *"%i|%A|%V|%N"*) echo "slurm_load_jobs error: Invalid job id specified"; exit 1;; esac
exec "$real" "$@\""""
_SACCT = 'case "$*" in *JobIDRaw*) exit 0;; esac; exec "$real" "$@"'


@contextmanager
def asked_for(instance: Instance, attacker: Attacker, jobs: Sequence[str]) -> Iterator[None]:
    """Ask for the output of `jobs`, again and again as soon as it begins to come; on other connections read nothing."""
    requests = [attacker.request("GET", f"/api/jobs/{job}/stdout") for job in jobs]
    with (
        Crowd(instance.port, requests, 4, reading=Reading.HASTY) as hasty,
        Crowd(instance.port, requests, 4, reading=Reading.NOT),
    ):
        yield
        assert hasty.sent >= 4


@contextmanager
def files_with_holes(instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster]) -> Iterator[None]:
    """Have output files of 16 TiB, almost all of it holes."""
    with attacker.folder("holes") as folder:
        jobs = attacker.hold_each(clusters, 1, "#SBATCH -o large-%j", directory=str(folder))
        for job in jobs:
            large = folder / f"large-{job.partition('.')[0]}"
            large.touch()
            os.truncate(large, 16 * _TIB - 4096)  # the most that ext4 takes
        with asked_for(instance, attacker, jobs):
            yield


@contextmanager
def forgotten_arrays(attacker: Attacker, clusters: Sequence[FaultCluster], directory: str = "") -> Iterator[list[str]]:
    """Have arrays that have run, of whose tasks SLURM knows nothing: their files are looked for in the directory."""
    jobs = attacker.hold_each(clusters, 1, "#SBATCH --array=0-3", "#SBATCH -o out-%A-%a.txt", directory=directory)
    for job in jobs:
        run(["scontrol", "release", job.partition(".")[0]], env={"SLURM_CONF": clusters[0].slurm_conf})
    for job in jobs:
        eventually(partial(_has_run, attacker, job), "the array has run")
    with forged(attacker, *clusters, squeue=_SQUEUE, sacct=_SACCT):
        yield jobs


def _has_run(attacker: Attacker, job: str) -> bool:
    return bool(attacker.client.call("GET", f"/api/jobs/{job}").json()["status"] == "FINISHED")


@contextmanager
def crowded_directory(instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster]) -> Iterator[None]:
    """Have a hundred thousand files that are named like the output files of two array jobs' tasks."""
    with attacker.folder("crowded") as folder, forgotten_arrays(attacker, clusters, str(folder)) as jobs:
        for job in jobs:
            for number in range(_NAMES // len(jobs)):
                os.close(os.open(folder / f"out-{job.partition('.')[0]}-{number}.txt", os.O_CREAT))
        with asked_for(instance, attacker, jobs):
            yield


@contextmanager
def own_sftp_server(
    instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster], kind: str
) -> Iterator[None]:
    """Have a start-up file run another SFTP server, where sshd starts its server through the login shell."""
    program = attacker.account.write("sftpserver.py", Path(sftpserver.__file__).read_text())
    with ExitStack() as stack:
        if kind == "directory":
            jobs = stack.enter_context(forgotten_arrays(attacker, clusters))
        else:
            jobs = attacker.hold_each(clusters, 1, "#SBATCH -o one-%j")
        words = f"{program} {kind} {' '.join(job.partition('.')[0] for job in jobs)}"
        instance.node.restart(f"Subsystem sftp {_SFTP_SERVER}")
        stack.callback(instance.node.restart)
        text = f"""_from={_SFTP_SERVER}
case $BASH_EXECUTION_STRING in "$_from"*)
    {STRIKE}; ulimit -v 1000000
    eval "${{BASH_EXECUTION_STRING//"$_from"//usr/bin/python3 {words}}}"; exit;;
esac
"""
        stack.enter_context(attacker.starting_up(text))
        stack.enter_context(asked_for(instance, attacker, jobs))
        eventually(lambda: attacker.strikes, "the other server was started")
        yield


@contextmanager
def large_bodies(instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster]) -> Iterator[Crowd]:
    """Send 24 MiB at once on sixteen connections, again and again: 4 MiB that are no script, each byte as six."""
    bodies = [json.dumps({"host": cluster.host, "script": "\x01" * (4 * 1024 * 1024)}).encode() for cluster in clusters]
    with Crowd(instance.port, [attacker.request("POST", "/api/jobs", body) for body in bodies], 16) as crowd:
        yield crowd


@contextmanager
def within_bounds(instance: Instance) -> Iterator[None]:
    """See that no process of the web server takes much more memory meanwhile than it had before."""
    memory.forget_peaks(instance.web)
    before = max(memory.peaks(instance.web).values())
    yield
    peaks = memory.peaks(instance.web)
    assert max(peaks.values()) < before + _ROOM, f"MiB by process: {peaks}, {before} before"


def test_output_with_holes_of_terabytes_takes_neither_memory_nor_time_of_others(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster]
) -> None:
    with within_bounds(instance), files_with_holes(instance, attacker, clusters):
        victim.watch()


def test_output_among_a_hundred_thousand_names_takes_neither_memory_nor_time_of_others(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster]
) -> None:
    with within_bounds(instance), crowded_directory(instance, attacker, clusters):
        victim.watch()


@pytest.mark.parametrize("kind", ["size", "data", "directory"])
def test_sftp_server_of_a_user_takes_neither_memory_nor_time_of_others(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster], kind: str
) -> None:
    with within_bounds(instance), own_sftp_server(instance, attacker, clusters, kind):
        victim.watch()


def test_request_bodies_of_one_user_take_neither_memory_nor_time_of_others(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster]
) -> None:
    with within_bounds(instance), large_bodies(instance, attacker, clusters) as crowd:
        victim.watch()
        assert crowd.sent >= 16
