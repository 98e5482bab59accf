"""The connection of one account to one login node: opened when needed, replaced when dead or old."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import paramiko

from clusters.errors import Refused, Unreachable
from clusters.run import Run, Script
from clusters.ssh import Connection, Endpoint

_PAUSE = 0.05  # seconds between two attempts where sshd has no room


@dataclass(frozen=True)
class Limits:
    """How much one process takes. Times in seconds.

    `channels` in use and `standby` ones together stay below sshd's MaxSessions (10 by default). More callers than
    `callers_per_account` or `callers_per_node`, at work or waiting, are turned away at once: a slow cluster takes its
    own callers only.
    """

    channels: int = 7
    standby: int = 2
    callers_per_account: int = 32
    callers_per_node: int = 48
    idle: float = 120.0
    lifetime: float = 1800.0
    refusal: float = 10.0  # how long a refused login is not tried again: sshd penalises who insists


@dataclass
class Lease:
    """An unused channel, or with `run` one on which a script waits for its input. Closing gives it back, once."""

    channel: paramiko.Channel
    connection: Connection
    run: Run | None = None
    give_back: list[Callable[[], None]] = field(default_factory=list)

    @property
    def started(self) -> Run:
        """The script that waits on it. Raises ValueError where none was asked for."""
        if self.run is None:
            raise ValueError("no script was started on this channel")
        return self.run

    def close(self) -> None:
        """Close the channel and make room for the next caller."""
        self.channel.close()
        while self.give_back:
            self.give_back.pop()()


class Session:
    """The connection of one account to one login node: opened when needed, replaced when dead or old."""

    def __init__(self, endpoint: Endpoint, account: str, limits: Limits) -> None:
        self.slots = threading.BoundedSemaphore(limits.channels)
        self.callers = 0  # guarded by the pool's lock, as is last_used
        self.last_used = time.monotonic()
        self.standby: deque[tuple[Script, Lease]] = deque()
        self._endpoint = endpoint
        self._account = account
        self._limits = limits
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._leases: Counter[Connection] = Counter()
        self._refused: tuple[float, str] | None = None

    def wait_for_slot(self, timeout: float) -> None:
        """Take the right to one channel, to be given back to `slots`. Raises Unreachable."""
        if not self.slots.acquire(timeout=timeout):
            raise Unreachable(f"all {self._limits.channels} channels of {self._account} were busy for {timeout:g} s")

    def open(self, deadline: float) -> Lease:
        """Open a channel, on a new connection if the present one turns out dead; wait where sshd has no room for one.

        Nothing has been started yet, so trying again cannot do anything twice. Raises Unreachable, Refused.
        """
        reconnects = 1
        while True:
            left = max(deadline - time.monotonic(), _PAUSE)
            connection = self._lease(left)
            try:
                return Lease(connection.open_channel(left), connection, None, [partial(self._release, connection)])
            except paramiko.ChannelException as exc:
                self._release(connection)
                if not self.drop_standby() and time.monotonic() + _PAUSE > deadline:
                    raise Unreachable(f"the login node opens no further channel: {exc}") from exc
                time.sleep(_PAUSE)
            except Unreachable:
                self._release(connection)
                reconnects -= 1
                if reconnects < 0:
                    raise

    def take_standby(self, script: Script) -> Lease | None:
        """Return a channel on which `script` waits for its input, if there is one."""
        while True:
            try:
                started, lease = self.standby.popleft()
            except IndexError:
                return None
            if started == script and lease.connection.alive and lease.run and lease.run.alive:
                return lease
            lease.close()

    def drop_standby(self) -> bool:
        """Give up one waiting script for a caller who needs its channel; False if there is none."""
        with suppress(IndexError):
            self.standby.popleft()[1].close()
            return True
        return False

    def close(self) -> None:
        """Close everything, in use or not."""
        for connection in {self._connection, *self._leases}:
            if connection:
                connection.close()

    def _lease(self, timeout: float) -> Connection:
        """Return a live connection, to be released; one thread opens it while the others wait."""
        if not self._lock.acquire(timeout=timeout):
            raise Unreachable("another request is still connecting")
        try:
            connection = self._connection
            if connection is None or not connection.alive or connection.age > self._limits.lifetime:
                connection = self._replace(connection)
            self._leases[connection] += 1
            return connection
        finally:
            self._lock.release()

    def _release(self, connection: Connection) -> None:
        """End a lease; a connection that was replaced meanwhile is closed with its last one."""
        with self._lock:
            self._leases[connection] -= 1
            if self._leases[connection]:
                return
            del self._leases[connection]
            replaced = connection is not self._connection
        if replaced:
            connection.close()

    def _replace(self, old: Connection | None) -> Connection:
        self._connection = None
        if old and not self._leases[old]:
            old.close()
        self._connection = self._connect()
        return self._connection

    def _connect(self) -> Connection:
        if self._refused and time.monotonic() - self._refused[0] < self._limits.refusal:
            raise Refused(self._refused[1])
        try:
            return Connection(self._endpoint, self._account)
        except Refused as exc:
            self._refused = (time.monotonic(), str(exc))
            raise
