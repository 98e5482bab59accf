"""The login node of zeus as a process of the service meets it: its own pool, agents, and programs in SLURM's place."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import paramiko
import pytest

from clusters.calls.pool import Pool
from clusters.models import Cluster
from clusters.remote import Request
from clusters.ssh.agent import AgentSettings, Reply
from clusters.ssh.connection import Connection
from clusters.ssh.endpoint import Endpoint
from clusters.ssh.shared_connection import Limits
from tests.harness.sandbox_env import processes_with

ACCOUNT = "plgalice"
LONG = 60.0  # seconds
NAME = Request("name")  # runs scontrol, and nothing else


def zeus(**values: Any) -> Endpoint:
    """Return the login node of zeus."""
    key = " ".join(Path(os.environ["ZEUS_HOST_KEY"]).read_text().split()[:2])
    return replace(Endpoint("127.0.0.1", int(os.environ["ZEUS_SSH_PORT"]), (key,)), **values)


@dataclass
class EveryLogin:
    """Tries each login, and remembers the threads that did."""

    is_suspect = False
    threads: list[str] = field(default_factory=list)

    def attempt(self, _endpoint: Endpoint, _account: str, _patience: float) -> "EveryLogin":
        self.threads.append(threading.current_thread().name)
        return self

    def accepted(self) -> None: ...

    def broken_off(self) -> None: ...

    def refused(self, _message: str) -> None: ...

    def unfinished(self) -> None: ...


@contextmanager
def a_pool(logins: EveryLogin | None = None, **limits: float) -> Iterator[Pool]:
    """Have the connections of a process."""
    pool = Pool(Limits(**limits), logins or EveryLogin())
    yield pool
    pool.close()


@dataclass(frozen=True)
class Programs:
    """A directory in the place of SLURM's, and what was run there: each program notes that it begins."""

    directory: Path

    @property
    def setting(self) -> AgentSettings:
        return AgentSettings(str(self.directory))

    def write(self, name: str, body: str) -> None:
        """Have `name` be a shell script."""
        file = self.directory / name
        file.write_text(f'#!/bin/sh\necho "$*" >>{self.directory}/{name}.log\n{body}\n')
        file.chmod(0o755)
        log = self.directory / f"{name}.log"
        log.touch()
        log.chmod(0o666)

    def runs(self, name: str) -> list[str]:
        """Return the arguments of each run of `name`."""
        return (self.directory / f"{name}.log").read_text().splitlines()

    def cluster(self, endpoint: Endpoint) -> Cluster:
        """Return zeus, as it is registered, with these programs."""
        return Cluster(
            pk=1, name="zeus", address=endpoint.address, port=endpoint.port, host_keys=list(endpoint.host_keys),
            callers_per_account=endpoint.callers_per_account,
            channels=endpoint.channels, slurm_bin=str(self.directory), command_timeout=20,
        )  # fmt: skip


@contextmanager
def some_programs() -> Iterator[Programs]:
    """Have an scontrol that says whose it is, and nothing else; every account may run it."""
    directory = Path(tempfile.mkdtemp(prefix="programs-"))
    directory.chmod(0o777)
    programs = Programs(directory)
    programs.write("scontrol", "id -un")
    yield programs
    shutil.rmtree(directory)


@dataclass
class Traffic:
    """The channels that were opened and the messages with data that were sent, by this process."""

    channels: list[paramiko.Channel] = field(default_factory=list)
    messages: int = 0
    most_open: int = 0

    def forget(self) -> None:
        """Begin to count anew."""
        self.channels.clear()
        self.messages = 0


def counted(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """Count meanwhile."""
    traffic, lock = Traffic(), threading.Lock()
    open_session, send = paramiko.Transport.open_session, paramiko.Channel.send

    def opening(*args: Any, **options: Any) -> paramiko.Channel:
        channel = open_session(*args, **options)
        with lock:
            traffic.channels.append(channel)
            traffic.most_open = max(traffic.most_open, sum(not each.closed for each in traffic.channels))
        return channel

    def sending(channel: paramiko.Channel, data: bytes) -> int:
        traffic.messages += 1
        return send(channel, data)

    monkeypatch.setattr(paramiko.Transport, "open_session", opening)
    monkeypatch.setattr(paramiko.Channel, "send", sending)
    return traffic


def ask(
    pool: Pool, setting: AgentSettings, request: Request = NAME, *, timeout: float = LONG, at: Endpoint | None = None,
    account: str = ACCOUNT,
) -> tuple[str, Reply]:  # fmt: skip
    """Return the answer to a request, and the marker of the agent that gave it."""
    with pool.agent(at or zeus(), account, setting, timeout=LONG) as lent:
        return lent.marker, lent.ask(request, timeout=timeout)


def answered_by(pool: Pool, programs: Programs) -> str:
    """Return the marker of an agent that answers as it should."""
    marker, reply = ask(pool, programs.setting)
    assert ([section.text for section in reply.sections], reply.ended) == ([f"{ACCOUNT}\n"], "")
    return marker


def agent_process(marker: str) -> int:
    """Return the process of the agent with this marker."""
    [process] = processes_with(marker)
    return process


def connections(pool: Pool) -> set[Connection]:
    return {held.connection for session in pool._sessions.values() for held in session._waiting}
