"""The connection of one account to one login node, and its agents: started when needed, replaced when worn out."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import paramiko

from clusters.errors import (
    Busy,
    ClusterError,
    Interrupted,
    Malformed,
    NoRoom,
    TimedOut,
    Unreachable,
    Unresponsive,
)
from clusters.ssh import metrics
from clusters.ssh.agent import Agent, Setting
from clusters.ssh.connecting import Logins, connect
from clusters.ssh.connection import Connection
from clusters.ssh.endpoint import Endpoint
from clusters.ssh.tokens import Prepared

# Seconds between two attempts where sshd has no room; it counts a closed channel until its loop comes round.
_PAUSE, _LONGEST_PAUSE = 0.005, 0.1
_SPARE = 60.0  # seconds without a request, after which an agent ends
_WORN = 0.75  # of its lifetime, after which a connection in use is replaced in the background

NewConnection = TypeVar("NewConnection", Connection, None)


@dataclass(frozen=True)
class Limits:
    """How this process keeps connections. Times in seconds."""

    idle: float = 120.0
    lifetime: float = 240.0


@dataclass(frozen=True)
class Leased:
    """An unused channel, and the connection that it belongs to."""

    channel: paramiko.Channel
    connection: Connection


@dataclass(frozen=True)
class _Held:
    """An agent, and the connection that it runs on."""

    agent: Agent
    connection: Connection


class Session:
    """The connection of one account to one login node with its agents. Thread-safe.

    Agents and other channels together are at most the endpoint's `channels`; agents that wait make room for whoever
    needs a channel.
    """

    def __init__(self, endpoint: Endpoint, account: str, limits: Limits, logins: Logins) -> None:
        self.callers = 0  # guarded by the pool's lock, as is last_used
        self.last_used = time.monotonic()
        self.prepared = Prepared()  # guarded by the pool's lock, too
        self._endpoint = endpoint
        self._account = account
        self._limits = limits
        self._logins = logins
        self._connecting = threading.Lock()  # held while somebody logs in
        self._changed = threading.Condition()  # guards what follows, and is never held while anybody is waited for
        self._waiting: list[_Held] = []
        self._channels = 0
        self._connection: Connection | None = None
        self._leases: Counter[Connection] = Counter()
        self._renewed: Connection | None = None  # for which a new one was ordered

    @property
    def standby(self) -> int:
        """How many agents wait for a request."""
        return len(self._waiting)

    def wants_renewal(self) -> bool:
        """Return, once for each connection, that it comes near the age at which it is used no more."""
        with self._changed:
            if not self._is_worn() or self._renewed is self._connection:
                return False
            self._renewed = self._connection
            return True

    @contextmanager
    def agent(self, setting: Setting, timeout: float, patience: float | None = None) -> Iterator[Agent]:
        """Lend an agent of `setting`, after at most `timeout` seconds.

        Where all channels are in use, it is waited for as long, or for `patience` seconds. Raises Unreachable, Refused:
        nothing was asked. After an error its channel is closed; and a connection on which no answer came in time is not
        used again.
        """
        with metrics.WAITS.time():
            held = self._agent(setting, timeout, timeout if patience is None else patience)
        try:
            yield held.agent
        except BaseException as exc:
            _retire(held.connection, exc)
            raise
        finally:
            self._give_back(held)

    @contextmanager
    def channel(self, timeout: float) -> Iterator[Leased]:
        """Lend an unused channel, closed on return, after at most `timeout` seconds. Raises Unreachable, Refused."""
        deadline = time.monotonic() + timeout
        with metrics.WAITS.time():
            with self._changed:
                while not self._has_room():
                    self._wait(deadline, timeout)
                dropped = self._take_room()
            self._end(dropped)
            leased = self._opened(deadline)
        try:
            yield leased
        except BaseException as exc:
            _retire(leased.connection, exc)
            raise
        finally:
            self._closed(leased)

    def renew(self, setting: Setting) -> None:
        """Replace a worn connection, before it ends, by a new one with an agent that waits. Raises ClusterError."""
        if not self._connecting.acquire(blocking=False):
            return  # somebody does
        try:
            with self._changed:
                if not self._is_worn():
                    return
            self._adopt(connect(self._endpoint, self._account, self._logins))
        except ClusterError:
            self._renewed = None
            raise
        finally:
            self._connecting.release()
        with self._changed:
            has_room = self._channels < self._endpoint.channels
            self._channels += has_room
        if has_room:
            self._give_back(self._started(setting, time.monotonic() + self._endpoint.connect_timeout))

    def drop_old(self) -> None:
        """Close what is older than a connection may be and waits for nobody, and agents that a crowd has left over."""
        self._close_waiting(lambda held: not self._is_good(held) or held.agent.idle_for > _SPARE)
        with self._changed:
            old = self._connection
            if old is None or old.age <= self._limits.lifetime:
                return
            self._connection = None
            unused = not self._leases[old]
        if unused:
            old.close()

    def close(self) -> None:
        """Close everything, in use or not."""
        self._close_waiting(lambda _held: True)
        with self._changed:
            connections = {self._connection, *self._leases}
        for connection in connections:
            if connection:
                connection.close()

    def _agent(self, setting: Setting, timeout: float, patience: float) -> _Held:
        """Return a waiting agent, or a new one where there is room for it."""
        began = time.monotonic()
        while True:
            with self._changed:
                while (held := self._pop_waiting(setting)) is None and not self._has_room():
                    self._wait(began + patience, patience)
                dropped = self._take_room() if held is None else None
            if held is None:
                self._end(dropped)
                return self._started(setting, began + timeout)
            if self._is_good(held):
                return held
            self._close(held)

    def _pop_waiting(self, setting: Setting) -> _Held | None:
        """Return the agent of `setting` that was used last, so that those that are not needed wear out."""
        for number in reversed(range(len(self._waiting))):
            if self._waiting[number].agent.setting == setting:
                metrics.STANDBY.dec()
                return self._waiting.pop(number)
        return None

    def _has_room(self) -> bool:
        return self._channels < self._endpoint.channels or bool(self._waiting)

    def _take_room(self) -> _Held | None:
        """Count one channel more; where there are enough, an agent that waits has to end for it, and is returned."""
        if self._channels < self._endpoint.channels:
            self._channels += 1
            return None
        metrics.STANDBY.dec()
        return self._waiting.pop(0)

    def _wait(self, deadline: float, timeout: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Busy(f"all {self._endpoint.channels} channels of {self._account} were busy for {timeout:g} s")
        self._changed.wait(left)

    def _started(self, setting: Setting, deadline: float) -> _Held:
        """Start an agent on a new channel, which has been counted; that has the time of a connection at least."""
        leased = self._opened(deadline)
        timeout = max(deadline - time.monotonic(), self._endpoint.connect_timeout)
        try:
            return _Held(Agent(leased.channel, setting, timeout), leased.connection)
        except BaseException as exc:
            _retire(leased.connection, exc)
            self._closed(leased)
            if isinstance(exc, TimedOut | Malformed):  # nothing was begun that the caller asked for
                raise Unresponsive(f"the login of {self._account} runs no command: {exc}") from exc
            raise

    def _give_back(self, held: _Held) -> None:
        if not self._is_good(held):
            self._close(held)
            return
        with self._changed:
            self._waiting.append(held)
            metrics.STANDBY.inc()
            self._changed.notify()

    def _is_good(self, held: _Held) -> bool:
        return held.agent.usable and self._may_be_used(held.connection)

    def _may_be_used(self, connection: Connection) -> bool:
        return connection.usable and connection.age <= self._limits.lifetime

    def _close_waiting(self, which: Callable[[_Held], bool]) -> None:
        with self._changed:
            closing = [held for held in self._waiting if which(held)]
            self._waiting = [held for held in self._waiting if held not in closing]
            metrics.STANDBY.dec(len(closing))
        for held in closing:
            self._close(held)

    def _close(self, held: _Held) -> None:
        self._end(held)
        self._uncount()

    def _end(self, held: _Held | None) -> None:
        """End an agent whose channel stays counted: it makes room for another one."""
        if held:
            held.agent.close()
            self._release(held.connection)

    def _closed(self, leased: Leased) -> None:
        with suppress(paramiko.SSHException, OSError, EOFError):  # a dead connection has no channel to close
            leased.channel.close()
        self._release(leased.connection)
        self._uncount()

    def _uncount(self) -> None:
        with self._changed:
            self._channels -= 1
            self._changed.notify()

    def _opened(self, deadline: float) -> Leased:
        """Open a channel, on a new connection if the present one is of no use; wait where sshd has no room for one.

        Nothing has been started yet, so trying again cannot do anything twice. The channel has been counted, and is
        not any more where this raises Unreachable or Refused.
        """
        try:
            return self._open(deadline)
        except BaseException:
            self._uncount()
            raise

    def _open(self, deadline: float) -> Leased:
        reconnects, pause = 1, _PAUSE
        while True:
            left = max(deadline - time.monotonic(), _LONGEST_PAUSE)
            connection = self._lease(left)
            try:
                return Leased(connection.open_channel(min(left, self._endpoint.connect_timeout)), connection)
            except NoRoom:
                self._release(connection)
                with self._changed:
                    dropped = self._waiting.pop(0) if self._waiting else None
                if dropped:
                    metrics.STANDBY.dec()
                    self._close(dropped)
                elif time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except Unreachable:
                self._release(connection)
                reconnects -= 1
                if reconnects < 0:
                    raise

    def _lease(self, timeout: float) -> Connection:
        """Return a live connection, to be released; one thread opens it while the others wait."""
        if connection := self._leased():
            return connection
        if not self._connecting.acquire(timeout=timeout):
            raise Busy("another request is still connecting")
        try:
            if connection := self._leased():
                return connection
            self._adopt(None)
            return self._adopt(connect(self._endpoint, self._account, self._logins), leases=1)
        finally:
            self._connecting.release()

    def _leased(self) -> Connection | None:
        """Return the present connection, to be released, if it may be used."""
        with self._changed:
            connection = self._connection
            if connection is None or not self._may_be_used(connection):
                return None
            self._leases[connection] += 1
            return connection

    def _release(self, connection: Connection) -> None:
        """End a lease; a connection that was replaced meanwhile is closed with its last one."""
        with self._changed:
            self._leases[connection] -= 1
            if self._leases[connection]:
                return
            del self._leases[connection]
            replaced = connection is not self._connection
        if replaced:
            connection.close()

    def _adopt(self, new: NewConnection, leases: int = 0) -> NewConnection:
        """Use `new` from now on, and close the one before it as soon as nobody uses that."""
        with self._changed:
            old, self._connection = self._connection, new
            if new is not None and leases:
                self._leases[new] += leases
            unused = old is not None and not self._leases[old]
        if old and unused:
            old.close()
        return new

    def _is_worn(self) -> bool:
        return self._connection is not None and self._connection.age > _WORN * self._limits.lifetime


def _retire(connection: Connection, exc: BaseException) -> None:
    """Have `connection` not used again after `exc`: no answer came on it in time."""
    if isinstance(exc, TimedOut) and not isinstance(exc, Interrupted):
        connection.retire()
