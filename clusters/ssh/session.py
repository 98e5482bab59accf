"""The agents of one account on one login node: started when needed, lent to one caller at a time, ended when worn."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import paramiko

from clusters.errors import Busy, Interrupted, Malformed, NoRoom, TimedOut, Unreachable, Unresponsive
from clusters.ssh import metrics
from clusters.ssh.agent import Agent, AgentSettings
from clusters.ssh.connecting import Logins
from clusters.ssh.connection import Connection
from clusters.ssh.endpoint import Endpoint
from clusters.ssh.shared_connection import Limits, SharedConnection
from clusters.ssh.tokens import PreparedTokens

# Seconds between two attempts where sshd has no room; it counts a closed channel until its loop comes round.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1
_LONGEST_STANDBY = 60.0  # seconds without a request, after which an agent ends


@dataclass(frozen=True)
class LeasedChannel:
    """An unused channel, and the connection that it belongs to, on which there is a lease."""

    channel: paramiko.Channel
    connection: Connection


@dataclass(frozen=True)
class _RunningAgent:
    """An agent, and the connection that it runs on."""

    agent: Agent
    connection: Connection


class Session:
    """The agents and the connection of one account on one login node. Thread-safe.

    Agents and other channels together are at most the endpoint's `channels`; agents that wait make room for whoever
    needs a channel.
    """

    def __init__(self, endpoint: Endpoint, account: str, limits: Limits, logins: Logins) -> None:
        self.callers = 0  # guarded by the pool's lock, as are the next two
        self.last_used = time.monotonic()
        self.prepared = PreparedTokens()
        self._endpoint = endpoint
        self._account = account
        self._connection = SharedConnection(endpoint, account, limits, logins)
        self._changed = threading.Condition()  # guards what follows, and is never held while anybody is waited for
        self._waiting: list[_RunningAgent] = []
        self._channels = 0

    @property
    def standby(self) -> int:
        """How many agents wait for a request."""
        return len(self._waiting)

    def wants_renewal(self) -> bool:
        """Return, once for each connection, that it comes near the age at which it is used no more."""
        return self._connection.wants_renewal()

    @contextmanager
    def agent(self, setting: AgentSettings, timeout: float, patience: float | None = None) -> Iterator[Agent]:
        """Lend an agent of `setting`, after at most `timeout` seconds.

        Where all channels are in use, it is waited for as long, or for `patience` seconds. Raises Unreachable, Refused:
        nothing was asked. After an error its channel is closed; and a connection on which no answer came in time is not
        used again.
        """
        with metrics.WAITS.time():
            running = self._take_agent(setting, timeout, timeout if patience is None else patience)
        try:
            yield running.agent
        except BaseException as exc:
            _retire(running.connection, exc)
            raise
        finally:
            self._give_back(running)

    @contextmanager
    def channel(self, timeout: float) -> Iterator[LeasedChannel]:
        """Lend an unused channel, closed on return, after at most `timeout` seconds. Raises Unreachable, Refused."""
        deadline = time.monotonic() + timeout
        with metrics.WAITS.time():
            with self._changed:
                while not self._has_room():
                    self._wait(deadline, timeout)
                displaced = self._count_channel()
            self._end(displaced)
            leased = self._open_channel(deadline)
        try:
            yield leased
        except BaseException as exc:
            _retire(leased.connection, exc)
            raise
        finally:
            self._close_channel(leased)

    def renew(self, setting: AgentSettings) -> None:
        """Replace a worn connection, before it ends, by a new one with an agent that waits. Raises ClusterError."""
        if not self._connection.renew():
            return
        with self._changed:
            has_room = self._channels < self._endpoint.channels
            self._channels += has_room
        if has_room:
            self._give_back(self._start_agent(setting, time.monotonic() + self._endpoint.connect_timeout))

    def drop_old(self) -> None:
        """Close what is older than a connection may be and waits for nobody, and agents that were not needed lately."""
        self._close_waiting(lambda running: not self._is_good(running) or running.agent.idle_for > _LONGEST_STANDBY)
        self._connection.drop_old()

    def close(self) -> None:
        """Close everything, in use or not."""
        self._close_waiting(lambda _running: True)
        self._connection.close()

    def _take_agent(self, setting: AgentSettings, timeout: float, patience: float) -> _RunningAgent:
        """Return a waiting agent, or a new one where there is room for it."""
        began = time.monotonic()
        while True:
            with self._changed:
                while (running := self._pop_waiting(setting)) is None and not self._has_room():
                    self._wait(began + patience, patience)
                displaced = self._count_channel() if running is None else None
            if running is None:
                self._end(displaced)
                return self._start_agent(setting, began + timeout)
            if self._is_good(running):
                return running
            self._close(running)

    def _pop_waiting(self, setting: AgentSettings) -> _RunningAgent | None:
        """Return the agent of `setting` that was used last, so that those that are not needed wear out."""
        for number in reversed(range(len(self._waiting))):
            if self._waiting[number].agent.setting == setting:
                metrics.STANDBY.dec()
                return self._waiting.pop(number)
        return None

    def _has_room(self) -> bool:
        return self._channels < self._endpoint.channels or bool(self._waiting)

    def _count_channel(self) -> _RunningAgent | None:
        """Count one channel more. Where that is too many, return an agent that waits, which has to end for it."""
        if self._channels < self._endpoint.channels:
            self._channels += 1
            return None
        metrics.STANDBY.dec()
        return self._waiting.pop(0)

    def _uncount_channel(self) -> None:
        with self._changed:
            self._channels -= 1
            self._changed.notify()

    def _wait(self, deadline: float, timeout: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Busy(f"all {self._endpoint.channels} channels of {self._account} were busy for {timeout:g} s")
        self._changed.wait(left)

    def _start_agent(self, setting: AgentSettings, deadline: float) -> _RunningAgent:
        """Start an agent on a new channel, which has been counted; that has the time of a connection at least."""
        leased = self._open_channel(deadline)
        timeout = max(deadline - time.monotonic(), self._endpoint.connect_timeout)
        try:
            return _RunningAgent(Agent(leased.channel, setting, timeout), leased.connection)
        except BaseException as exc:
            _retire(leased.connection, exc)
            self._close_channel(leased)
            if isinstance(exc, TimedOut | Malformed):  # nothing was begun that the caller asked for
                raise Unresponsive(f"the login of {self._account} runs no command: {exc}") from exc
            raise

    def _give_back(self, running: _RunningAgent) -> None:
        if not self._is_good(running):
            self._close(running)
            return
        with self._changed:
            self._waiting.append(running)
            metrics.STANDBY.inc()
            self._changed.notify()

    def _is_good(self, running: _RunningAgent) -> bool:
        return running.agent.usable and self._connection.may_be_used(running.connection)

    def _close_waiting(self, which: Callable[[_RunningAgent], bool]) -> None:
        with self._changed:
            closing = [running for running in self._waiting if which(running)]
            self._waiting = [running for running in self._waiting if running not in closing]
            metrics.STANDBY.dec(len(closing))
        for running in closing:
            self._close(running)

    def _close(self, running: _RunningAgent) -> None:
        self._end(running)
        self._uncount_channel()

    def _end(self, running: _RunningAgent | None) -> None:
        """End an agent whose channel stays counted: it makes room for another one."""
        if running:
            running.agent.close()
            self._connection.release(running.connection)

    def _open_channel(self, deadline: float) -> LeasedChannel:
        """Open a channel, on a new connection if the present one is of no use; wait where sshd has no room for one.

        Nothing has been started yet, so trying again cannot do anything twice. The channel has been counted, and is
        not any more where this raises Unreachable or Refused.
        """
        try:
            return self._try_to_open(deadline)
        except BaseException:
            self._uncount_channel()
            raise

    def _try_to_open(self, deadline: float) -> LeasedChannel:
        reconnects, pause = 1, _FIRST_PAUSE
        while True:
            left = max(deadline - time.monotonic(), _LONGEST_PAUSE)
            connection = self._connection.lease(left)
            try:
                return LeasedChannel(connection.open_channel(min(left, self._endpoint.connect_timeout)), connection)
            except NoRoom:
                self._connection.release(connection)
                if not self._close_one_waiting() and time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except Unreachable:
                self._connection.release(connection)
                reconnects -= 1
                if reconnects < 0:
                    raise

    def _close_one_waiting(self) -> bool:
        """Close the agent that has waited longest, if there is one, so that sshd has room for another channel."""
        with self._changed:
            running = self._waiting.pop(0) if self._waiting else None
        if running:
            metrics.STANDBY.dec()
            self._close(running)
        return running is not None

    def _close_channel(self, leased: LeasedChannel) -> None:
        with suppress(paramiko.SSHException, OSError, EOFError):  # a dead connection has no channel to close
            leased.channel.close()
        self._connection.release(leased.connection)
        self._uncount_channel()


def _retire(connection: Connection, exc: BaseException) -> None:
    """Use `connection` no more after `exc`, if that says that no answer came on it in time."""
    if isinstance(exc, TimedOut) and not isinstance(exc, Interrupted):
        connection.retire()
