"""Warm SSH connections, one per (login node, account) and process, each with a bounded number of channels."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import paramiko

from clusters.errors import Refused, Unreachable
from clusters.ssh import Connection, Endpoint

_PAUSE = 0.05  # seconds between two attempts where sshd has no room


@dataclass(frozen=True)
class Limits:
    """Channels a connection (below sshd's MaxSessions of 10, which other tools of the user share), times in seconds."""

    channels: int = 8
    idle: float = 120.0
    lifetime: float = 1800.0
    refusal: float = 10.0  # how long a refused login is not tried again: sshd penalises who insists


@dataclass(frozen=True)
class Stats:
    """What a pool holds now: sessions, and channels lent or waited for."""

    sessions: int
    channels: int


class _Session:
    """The connection of one account to one login node: opened when needed, replaced when dead or old."""

    def __init__(self, endpoint: Endpoint, account: str, limits: Limits) -> None:
        self.slots = threading.BoundedSemaphore(limits.channels)
        self.users = 0  # guarded by the pool's lock, as is last_used
        self.last_used = time.monotonic()
        self._endpoint = endpoint
        self._account = account
        self._limits = limits
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._leases: Counter[Connection] = Counter()
        self._refused: tuple[float, str] | None = None

    def lease(self, timeout: float) -> Connection:
        """Return a live connection, to be given back; one thread opens it while the others wait.

        Raises Unreachable or Refused.
        """
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

    def give_back(self, connection: Connection) -> None:
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

    def close(self) -> None:
        """Close everything, in use or not."""
        for connection in {self._connection, *self._leases}:
            if connection:
                connection.close()


class Pool:
    """All sessions of this process. Thread-safe; after a fork the child begins with an empty one."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._sessions: dict[tuple[Endpoint, str], _Session] = {}
        self._lock = threading.Lock()
        self._sweeper: threading.Thread | None = None

    @contextmanager
    def channel(self, endpoint: Endpoint, account: str, *, timeout: float) -> Iterator[paramiko.Channel]:
        """Lend an unused channel of a warm connection, waiting up to `timeout` seconds for one.

        Raises Unreachable (nothing was started) or Refused. The channel is closed on return.
        """
        deadline = time.monotonic() + timeout
        with self._using(endpoint, account) as session:
            if not session.slots.acquire(timeout=timeout):
                raise Unreachable(f"all {self._limits.channels} channels of {account} were busy for {timeout:g} s")
            try:
                with _opened(session, deadline) as channel:
                    yield channel
            finally:
                session.slots.release()

    def stats(self) -> Stats:
        """Return what is open now."""
        with self._lock:
            return Stats(len(self._sessions), sum(session.users for session in self._sessions.values()))

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()

    @contextmanager
    def _using(self, endpoint: Endpoint, account: str) -> Iterator[_Session]:
        with self._lock:
            key = (endpoint, account)
            session = self._sessions.get(key) or _Session(endpoint, account, self._limits)
            self._sessions[key] = session
            session.users += 1
            self._start_sweeper()
        try:
            yield session
        finally:
            with self._lock:
                session.users -= 1
                session.last_used = time.monotonic()

    def _start_sweeper(self) -> None:
        if self._sweeper is None:
            self._sweeper = threading.Thread(target=self._sweep, name="ssh-pool-sweeper", daemon=True)
            self._sweeper.start()

    def _sweep(self) -> None:
        """Close idle sessions until none is left."""
        while True:
            time.sleep(self._limits.idle / 4)
            with self._lock:
                oldest = time.monotonic() - self._limits.idle
                idle = [key for key, s in self._sessions.items() if not s.users and s.last_used < oldest]
                closing = [self._sessions.pop(key) for key in idle]
                if not self._sessions:
                    self._sweeper = None
            for session in closing:
                session.close()
            if self._sweeper is not threading.current_thread():
                return


@contextmanager
def _opened(session: _Session, deadline: float) -> Iterator[paramiko.Channel]:
    """Open a channel, on a new connection where the present one turns out dead; wait where sshd has no room for one.

    Nothing has been started yet, so trying again cannot do anything twice.
    """
    connection, channel = _open(session, deadline)
    try:
        yield channel
    finally:
        channel.close()
        session.give_back(connection)


def _open(session: _Session, deadline: float) -> tuple[Connection, paramiko.Channel]:
    reconnects = 1
    while True:
        left = max(deadline - time.monotonic(), _PAUSE)
        connection = session.lease(left)
        try:
            return connection, connection.open_channel(left)
        except paramiko.ChannelException as exc:
            session.give_back(connection)
            if time.monotonic() + _PAUSE > deadline:
                raise Unreachable(f"the login node opens no further channel: {exc}") from exc
            time.sleep(_PAUSE)
        except Unreachable:
            session.give_back(connection)
            reconnects -= 1
            if reconnects < 0:
                raise


_of_this_process = Pool()


def current() -> Pool:
    """Return the pool of this process."""
    return _of_this_process


def _forget_inherited_sessions() -> None:
    """Leave the parent's sockets to the parent: the threads that serve them did not survive the fork."""
    global _of_this_process  # noqa: PLW0603 - the one place that replaces it
    _of_this_process = Pool()


os.register_at_fork(after_in_child=_forget_inherited_sessions)
