"""A login whose start-up files answer in the place of the agent: whatever a test wants, behind the right marker."""

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import paramiko
import pytest

from clusters.calls import pool
from clusters.models import Cluster
from clusters.ssh.agent import Agent, AgentSettings
from clusters.submitting import SubmissionSlot

CLUSTER = Cluster(name="zeus", address="login.example.org", host_keys=[], job_domain="example.org", command_timeout=5)

Printed = tuple[bytes, int | None]
"""What comes upon a request, and then the status with which the login ends; None where it does not end."""
KILLED = -1  # as paramiko has it where there is no exit status
Answering = Callable[[bytes], Printed]


def printed(*outputs: bytes, statuses: Sequence[int] = ()) -> Answering:
    """Return what an agent prints: these outputs, each with its status, which is 0 unless `statuses` has another."""
    numbers = [*statuses, *[0] * (len(outputs) - len(statuses))]

    def answer(marker: bytes) -> Printed:
        parts = [b"%s\n%s %d\n" % (output, marker, number) for output, number in zip(outputs, numbers, strict=True)]
        return b"".join(parts).removesuffix(b"\n") + b" end\n", None

    return answer


@dataclass
class Clock:
    """A monotonic clock on which the time passes that is waited for in vain, and no other."""

    now: float = field(default_factory=time.monotonic)

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Channel:
    """A channel on which the login node prints what `prints` makes of its marker, upon each request.

    `begins`: what comes in the place of the marker with which an agent begins. `piece`: bytes that come at once.
    `clock`: on it passes the time in which nothing comes.
    """

    prints: Answering
    begins: Callable[[bytes], bytes] = lambda marker: marker + b"\n"
    piece: int = 1 << 16
    out: bytes = b""
    sent: list[bytes] = field(default_factory=list)
    lost: bool = False
    clock: Clock = field(default_factory=Clock)
    timeout: float = 0.0
    marker: bytes = b""
    exit_status: int = -1
    closed: bool = False
    status_event: threading.Event = field(default_factory=threading.Event)

    def recv_stderr_ready(self) -> bool:
        return False

    def settimeout(self, timeout: float) -> None:
        """Wait so many seconds, on the clock."""
        self.timeout = timeout

    def exec_command(self, command: str) -> None:
        marker = re.search(r"--[0-9a-f]{32}--", command)
        assert marker
        self.marker = marker[0].encode()
        self.out = self.begins(self.marker)

    @property
    def eof_received(self) -> bool:
        return self.status_event.is_set() and not self.out

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)
        if len(self.sent) > 1:  # the first is the agent's program
            answer, status = self.prints(self.marker)
            self.out += answer
            if status is not None:
                self.exit_status = status
                self.status_event.set()

    def recv_ready(self) -> bool:
        return bool(self.out)

    def recv(self, size: int) -> bytes:
        if not self.out and not self.status_event.is_set():
            self.clock.wait(self.timeout)
            raise TimeoutError
        size = min(size, self.piece)
        taken, self.out = self.out[:size], self.out[size:]
        return taken

    def get_transport(self) -> "Channel":
        return self

    def open_session(self, timeout: float) -> "Channel":
        """Prove that the connection is alive."""
        assert timeout > 0
        if self.lost:
            raise paramiko.SSHException("Timeout opening channel.")
        return Channel(self.prints)

    def close(self) -> None:
        self.closed = True


def agent(channel: Channel, setting: AgentSettings | None = None) -> Agent:
    """Return an agent that was started on `channel`."""
    return Agent(cast("paramiko.Channel", channel), setting or AgentSettings(), timeout=5)


@dataclass
class Pool:
    """The pool, for such a login; what is ordered for later is done at once."""

    prints: Answering
    channels: list[Channel] = field(default_factory=list)
    tokens: list[uuid.UUID] = field(default_factory=list)
    lost: int = 0  # how many of the first channels are on connections that are lost
    clock: Clock = field(default_factory=Clock)

    @contextmanager
    def agent(self, _endpoint: object, _account: str, setting: AgentSettings, **_options: object) -> Iterator[Agent]:
        self.channels.append(Channel(self.prints, lost=len(self.channels) < self.lost, clock=self.clock))
        yield agent(self.channels[-1], setting)

    @contextmanager
    def caller(self, _endpoint: object, _account: str) -> Iterator[None]:
        yield

    def run_in_background(self, _owner: object, work: Callable[[], None]) -> None:
        work()

    def add_prepared(self, _endpoint: object, _account: str, tokens: Sequence[uuid.UUID]) -> None:
        self.tokens += tokens


@contextmanager
def answering(prints: Answering) -> Iterator[Pool]:
    """Have every request meet such a login meanwhile; all that is above its channels is real, but for the time."""
    with pytest.MonkeyPatch.context() as patch:
        instead: Any = Pool(prints)
        patch.setattr(pool, "current", lambda: instead)
        patch.setattr(time, "monotonic", instead.clock.monotonic)
        yield instead


def new_slot(token: uuid.UUID | None = None) -> SubmissionSlot:
    """Return a slot for a submission of plgalice."""
    return SubmissionSlot(CLUSTER, "plgalice", token or uuid.uuid4())
