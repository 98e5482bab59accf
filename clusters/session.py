"""The connection of one account to one login node: opened when needed, replaced when dead, silent or old."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import paramiko

from clusters import poolmetrics
from clusters.errors import BrokenOff, Busy, Interrupted, NoRoom, Refused, TimedOut, Unreachable
from clusters.run import Run, Script
from clusters.ssh import Connection, Endpoint

# Seconds between two attempts where sshd has no room; it counts a closed channel until its loop comes round.
_PAUSE, _LONGEST_PAUSE = 0.005, 0.1

Starting = Callable[[paramiko.Channel], Run]


@dataclass(frozen=True)
class Limits:
    """How this process keeps connections. Times in seconds. Of an endpoint's channels `standby` ones wait for input."""

    standby: int = 2
    idle: float = 120.0
    lifetime: float = 240.0


class Attempt(Protocol):
    """A login that is being tried; its methods are called with what came of it.

    `is_suspect`: the last one was refused.
    """

    is_suspect: bool

    def accepted(self) -> None:
        """The account was let in; `refused` may still follow, where the service itself does not use it."""

    def broken_off(self) -> None:
        """The login was broken off, and is tried once more."""

    def refused(self, message: str) -> None:
        """It was not, and `message` says why."""

    def unfinished(self) -> None:
        """The login node could not be reached, or did not answer."""


class Logins(Protocol):
    """Decides which logins are tried: login nodes penalise an address from which too many fail."""

    def attempt(self, endpoint: Endpoint, account: str, patience: float) -> Attempt:
        """Return an attempt, after at most `patience` seconds. Raises Refused or Busy where none may be made now."""


@dataclass
class Lease:
    """An unused channel, or with `run` one on which a script waits for its input. Closing gives it back, once."""

    channel: paramiko.Channel
    connection: Connection
    run: Run | None = None
    give_back: list[Callable[[], None]] = field(default_factory=list)
    count_out: list[Callable[[], None]] = field(default_factory=list)

    @property
    def started(self) -> Run:
        """The script that waits on it. Raises ValueError where none was asked for."""
        if self.run is None:
            raise ValueError("no script was started on this channel")
        return self.run

    def leave(self) -> None:
        """Count the caller out, who has an answer; what is left to do on the channel is nobody's waiting."""
        while self.count_out:
            self.count_out.pop()()

    def fail(self, exc: BaseException) -> None:
        """Close it after `exc`: a connection on which no answer came in time is not used again."""
        if isinstance(exc, TimedOut) and not isinstance(exc, Interrupted):
            self.connection.retire()
        self.close()

    def close(self) -> None:
        """Close the channel and make room for the next caller."""
        self.leave()
        try:
            with suppress(paramiko.SSHException, OSError, EOFError):  # a dead connection has no channel to close
                self.channel.close()
        finally:
            while self.give_back:
                self.give_back.pop()()


class Session:
    """The connection of one account to one login node: opened when needed, replaced when dead, silent or old."""

    def __init__(self, endpoint: Endpoint, account: str, limits: Limits, logins: Logins) -> None:
        standby = min(limits.standby, endpoint.channels - 1)
        self._channels = endpoint.channels - standby
        self.slots = threading.BoundedSemaphore(self._channels)
        self.callers = 0  # guarded by the pool's lock, as is last_used
        self.last_used = time.monotonic()
        self.standby: deque[tuple[Script, Lease]] = deque()
        self._standby_slots = threading.BoundedSemaphore(standby)
        self._endpoint = endpoint
        self._account = account
        self._limits = limits
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._leases: Counter[Connection] = Counter()
        self._logins = logins

    def wait_for_slot(self, timeout: float) -> None:
        """Take the right to one channel, to be given back to `slots`. Raises Busy."""
        if not self.slots.acquire(timeout=timeout):
            raise Busy(f"all {self._channels} channels of {self._account} were busy for {timeout:g} s")

    def open(self, deadline: float, start: Starting | None, *, in_advance: bool = False) -> Lease:
        """Open a channel and `start` a script on it, if one is given. Raises as `_open`, and what `start` raises."""
        lease = self._open(deadline, in_advance=in_advance)
        try:
            lease.run = start(lease.channel) if start else None
        except BaseException as exc:
            lease.fail(exc)
            raise
        return lease

    def _open(self, deadline: float, *, in_advance: bool) -> Lease:
        """Open a channel, on a new connection if the present one is of no use; wait where sshd has no room for one.

        Nothing has been started yet, so trying again cannot do anything twice. One that is opened `in_advance` takes no
        room from anybody: where there is none, it gives up. Raises Unreachable, Refused.
        """
        reconnects, pause = 1, _PAUSE
        while True:
            left = max(deadline - time.monotonic(), _LONGEST_PAUSE)
            connection = self._lease(left)
            try:
                patience = min(left, self._endpoint.connect_timeout)
                return Lease(connection.open_channel(patience), connection, None, [partial(self._release, connection)])
            except NoRoom:
                self._release(connection)
                if in_advance or (not self._drop_standby() and time.monotonic() + pause > deadline):
                    raise
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except Unreachable:
                self._release(connection)
                reconnects -= 1
                if reconnects < 0:
                    raise

    def start_standby(self, script: Script) -> None:
        """Start `script` for the next caller, unless enough wait already. Raises ClusterError."""
        if not self._standby_slots.acquire(blocking=False):
            return
        try:
            lease = self.open(time.monotonic() + self._endpoint.connect_timeout, script.start, in_advance=True)
        except BaseException:
            self._standby_slots.release()
            raise
        self.standby.append((script, lease))
        poolmetrics.STANDBY.inc()

    def take_standby(self, script: Script) -> Lease | None:
        """Return a channel on which `script` waits for its input, if there is one."""
        while (waiting := self._pop_standby()) is not None:
            started, lease = waiting
            if started == script and self._is_good(lease.connection) and lease.started.alive:
                return lease
            lease.close()
        return None

    def _drop_standby(self) -> bool:
        """Give up one waiting script for a caller who needs its channel; False if there is none."""
        waiting = self._pop_standby()
        if waiting is None:
            return False
        waiting[1].close()
        return True

    def _pop_standby(self) -> tuple[Script, Lease] | None:
        try:
            waiting = self.standby.popleft()
        except IndexError:
            return None
        self._standby_slots.release()
        poolmetrics.STANDBY.dec()
        return waiting

    def drop_old(self) -> None:
        """Close what is older than a connection may be, and waits for nobody: scripts for the next caller included."""
        if not self._lock.acquire(blocking=False):
            return  # it is being replaced
        try:
            old = self._connection
            if old is None or old.age <= self._limits.lifetime:
                return
            self._connection = None
            unused = not self._leases[old]
        finally:
            self._lock.release()
        for _ in range(len(self.standby)):
            waiting = self._pop_standby()
            if waiting:
                waiting[1].close()
        if unused:
            old.close()

    def close(self) -> None:
        """Close everything, in use or not."""
        while self._drop_standby():
            pass
        for connection in {self._connection, *self._leases}:
            if connection:
                connection.close()

    def _lease(self, timeout: float) -> Connection:
        """Return a live connection, to be released; one thread opens it while the others wait."""
        if not self._lock.acquire(timeout=timeout):
            raise Busy("another request is still connecting")
        try:
            connection = self._connection
            if connection is None or not self._is_good(connection):
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

    def _is_good(self, connection: Connection) -> bool:
        return connection.usable and connection.age <= self._limits.lifetime

    def _connect(self) -> Connection:
        """Log in; once more where the login was broken off without a word, as it also is where the network was cut."""
        try:
            return self._log_in(again=True)
        except BrokenOff as exc:
            if exc.explained:
                raise
        return self._log_in()

    def _log_in(self, *, again: bool = False) -> Connection:
        """Try one login and report what came of it; `again`: one that was broken off without a word is tried again."""
        attempt = self._logins.attempt(self._endpoint, self._account, self._endpoint.connect_timeout)
        try:
            return Connection(self._endpoint, self._account, attempt.accepted)
        except Refused as exc:
            if again and isinstance(exc, BrokenOff) and not (exc.explained or attempt.is_suspect):
                attempt.broken_off()
            else:
                attempt.refused(str(exc))
            raise
        except BaseException:
            attempt.unfinished()
            raise
