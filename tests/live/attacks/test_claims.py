"""Files and requests that say they are larger than any memory."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.attacks import memory, sftpserver
from tests.live.attacks.attacker import STRIKE, Attacker
from tests.live.attacks.crowd import Crowd, Reading
from tests.live.attacks.victim import Victim
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane
from tests.live.faults.waiting import eventually

_TIB = 2**40
_ROOM = 250  # MiB that a process may take in addition
_SFTP_SERVER = "/usr/lib/openssh/sftp-server"


@contextmanager
def asked_for(instance: Instance, attacker: Attacker, job: str) -> Iterator[None]:
    """Ask for the output of `job`, again and again as soon as it begins to come; on other connections read nothing."""
    request = [attacker.request("GET", f"/api/jobs/{job}/stdout")]
    with (
        Crowd(instance.port, request, 4, reading=Reading.HASTY) as hasty,
        Crowd(instance.port, request, 4, reading=Reading.NOT),
    ):
        yield
        assert hasty.sent >= 4


@contextmanager
def file_with_holes(instance: Instance, attacker: Attacker, lane: Lane) -> Iterator[None]:
    """Have an output file of 16 TiB, almost all of it holes."""
    with attacker.folder("holes") as folder:
        job = attacker.hold(lane, "#SBATCH -o large-%j", directory=str(folder))
        large = folder / f"large-{job.partition('.')[0]}"
        large.touch()
        os.truncate(large, 16 * _TIB - 4096)  # the most that ext4 takes
        with asked_for(instance, attacker, job):
            yield


@contextmanager
def own_sftp_server(instance: Instance, attacker: Attacker, lane: Lane, kind: str) -> Iterator[None]:
    """Have a start-up file run another SFTP server, where sshd starts its server through the login shell."""
    program = attacker.account.write("sftpserver.py", Path(sftpserver.__file__).read_text())
    text = f"""_from={_SFTP_SERVER}
case $BASH_EXECUTION_STRING in *"$_from"*)
    {STRIKE}; ulimit -v 1000000
    eval "${{BASH_EXECUTION_STRING//"$_from"//usr/bin/python3 {program} {kind}}}"; exit;;
esac
"""
    job = attacker.hold(lane, "#SBATCH -o one-%j")
    instance.node.restart(f"Subsystem sftp {_SFTP_SERVER}")
    try:
        with attacker.starting_up(text), asked_for(instance, attacker, job):
            eventually(lambda: attacker.strikes, "the other server was started")
            yield
    finally:
        instance.node.restart()


@contextmanager
def large_bodies(instance: Instance, attacker: Attacker, lane: Lane) -> Iterator[Crowd]:
    """Send 24 MiB at once on sixteen connections, again and again: 4 MiB that are no script, each byte as six."""
    body = json.dumps({"host": lane.host, "script": "\x01" * (4 * 1024 * 1024)}).encode()
    with Crowd(instance.port, [attacker.request("POST", "/api/jobs", body)], 16) as crowd:
        yield crowd


@contextmanager
def within_bounds(instance: Instance) -> Iterator[None]:
    """See that no process of the web server takes much more memory meanwhile than it had before."""
    before = max(memory.peaks(instance.web).values())
    yield
    peaks = memory.peaks(instance.web)
    assert max(peaks.values()) < before + _ROOM, f"MiB by process: {peaks}, {before} before"


def test_output_with_holes_of_terabytes_takes_neither_memory_nor_time_of_others(
    instance: Instance, attacker: Attacker, victim: Victim, lane: Lane
) -> None:
    with within_bounds(instance), file_with_holes(instance, attacker, lane):
        victim.watch()


@pytest.mark.parametrize("kind", ["size", "data"])
def test_sftp_server_of_a_user_takes_neither_memory_nor_time_of_others(
    instance: Instance, attacker: Attacker, victim: Victim, lane: Lane, kind: str
) -> None:
    with within_bounds(instance), own_sftp_server(instance, attacker, lane, kind):
        victim.watch()


def test_request_bodies_of_one_user_take_neither_memory_nor_time_of_others(
    instance: Instance, attacker: Attacker, victim: Victim, lane: Lane
) -> None:
    with within_bounds(instance), large_bodies(instance, attacker, lane) as crowd:
        victim.watch()
        assert crowd.sent >= 16
