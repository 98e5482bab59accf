"""A login whose start-up files answer in the place of the scripts: whatever a test wants, behind the right marker."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import paramiko
import pytest

from clusters import gateway
from clusters.gateway import Place
from clusters.models import Cluster
from clusters.run import Script
from clusters.session import Lease

CLUSTER = Cluster(name="zeus", address="login.example.org", host_keys=[], job_domain="example.org", command_timeout=5)
Printed = tuple[bytes, bytes, int]  # standard output, standard error and exit status


@dataclass
class Channel:
    """A channel on which a command prints what `prints` makes of its marker, and ends."""

    prints: Callable[[bytes], Printed]
    out: bytes = b""
    err: bytes = b""
    exit_status: int = -1
    closed: bool = False
    status_event: threading.Event = field(default_factory=threading.Event)
    ends: tuple[int, int] = field(default_factory=os.pipe)

    def exec_command(self, command: str) -> None:
        marker = re.search(r"--[0-9a-f]{32}--", command)
        assert marker
        self.out, self.err, self.exit_status = self.prints(marker[0].encode())
        self.status_event.set()
        os.write(self.ends[1], b".")

    @property
    def eof_received(self) -> bool:
        return self.status_event.is_set()

    def sendall(self, data: bytes) -> None:
        """Take it."""

    def shutdown_write(self) -> None:
        """Take no more."""

    def recv_ready(self) -> bool:
        return bool(self.out)

    def recv_stderr_ready(self) -> bool:
        return bool(self.err)

    def recv(self, size: int) -> bytes:
        taken, self.out = self.out[:size], self.out[size:]
        return taken

    def recv_stderr(self, size: int) -> bytes:
        taken, self.err = self.err[:size], self.err[size:]
        return taken

    def fileno(self) -> int:
        return self.ends[0]

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            for end in self.ends:
                os.close(end)


class Connection:
    """The connection of such a channel."""

    def retire(self) -> None:
        """Be used no more."""


@contextmanager
def answering(prints: Callable[[bytes], Printed]) -> Iterator[None]:
    """Have every call of the gateway meet such a login meanwhile; all of the gateway above its channels is real."""

    @contextmanager
    def channel(_cluster: Cluster, _account: str) -> Iterator[Any]:
        one = Channel(prints)
        try:
            yield one
        finally:
            one.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway, "_channel", channel)
        yield


def place(prints: Callable[[bytes], Printed]) -> Place:
    """Return a place where such a login waits for a submission."""
    channel = cast("paramiko.Channel", Channel(prints))
    run = Script("true").start(channel)
    return Place(CLUSTER, "plgalice", run.token, Lease(channel, cast("Any", Connection()), run))
