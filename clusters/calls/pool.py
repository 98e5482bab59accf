"""Warm SSH connections with agents, one connection per (login node, account) and process."""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from django.conf import settings

from clusters.calls.login_limits import SharedLogins
from clusters.errors import Busy, ClusterError
from clusters.ssh import metrics
from clusters.ssh.agent import Agent, AgentSettings
from clusters.ssh.background import Background
from clusters.ssh.connecting import Logins
from clusters.ssh.connection import Connection
from clusters.ssh.endpoint import Endpoint
from clusters.ssh.session import LeasedChannel, Session
from clusters.ssh.shared_connection import Limits


@dataclass(frozen=True)
class Stats:
    """What a pool holds now: sessions, callers at work or waiting, and agents that wait for a request."""

    sessions: int
    callers: int
    standby: int


class Pool:
    """All sessions of this process. Thread-safe; after a fork the child begins with an empty one."""

    def __init__(self, limits: Limits | None = None, logins: Logins | None = None) -> None:
        """Keep connections within `limits`, and try the logins that `logins` allows; by default the service's."""
        self._limits = limits or Limits(lifetime=settings.SSH_CONNECTION_LIFETIME)
        self._logins = logins or SharedLogins()
        self._sessions: dict[tuple[Endpoint, str], Session] = {}
        self._lock = threading.Lock()
        self._sweeper: threading.Thread | None = None
        self._background = Background(threads=8, share=2)

    @contextmanager
    def caller(self, endpoint: Endpoint, account: str) -> Iterator[None]:
        """Count a caller whose question may be part of another caller's request. Raises Busy if there are too many."""
        with self._counted(endpoint, account):
            yield

    @contextmanager
    def agent(
        self,
        endpoint: Endpoint,
        account: str,
        setting: AgentSettings,
        *,
        timeout: float,
        patience: float | None = None,
        counted: bool = False,
    ) -> Iterator[Agent]:
        """Lend an agent of a warm connection, waiting up to `timeout` seconds for one.

        Where all channels are in use, up to `patience` seconds. `counted`: for a `caller`. Raises Unreachable or
        Refused: nothing was asked.
        """
        with self._counted(endpoint, account, counted=counted) as session:
            with session.agent(setting, timeout, patience) as agent:
                yield agent
            if session.wants_renewal():
                self.run_in_background((endpoint, account), partial(self._renew, (endpoint, account), session, setting))

    @contextmanager
    def channel(self, endpoint: Endpoint, account: str, *, timeout: float) -> Iterator[LeasedChannel]:
        """Lend an unused channel in the same way. It is closed on return."""
        with self._counted(endpoint, account) as session, session.channel(timeout) as leased:
            yield leased

    def is_old(self, connection: Connection) -> bool:
        """Return whether `connection` has been used for as long as one may be."""
        return connection.age > self._limits.lifetime

    def token(self, endpoint: Endpoint, account: str) -> uuid.UUID:
        """Return a token for a new submission; one whose directory is there, if some were prepared lately."""
        with self._lock:
            session = self._sessions.get((endpoint, account))
            return session.prepared.token() if session else uuid.uuid4()

    def add_prepared(self, endpoint: Endpoint, account: str, tokens: Sequence[uuid.UUID]) -> None:
        """Keep `tokens`, whose directories are there, for submissions to come."""
        with self._lock:
            if session := self._sessions.get((endpoint, account)):
                session.prepared.add(tokens)

    def run_in_background(self, owner: tuple[Endpoint, str], work: Callable[[], None]) -> None:
        """Run `work`, which waits for the login `owner`, in the background, and log what it raises.

        Each login has a share of the background's threads, so one that does not answer delays only its own work.
        """
        self._background.run(owner, work)

    def stats(self) -> Stats:
        """Return what is open now."""
        with self._lock:
            sessions = self._sessions.values()
            return Stats(len(sessions), sum(session.callers for session in sessions), sum(s.standby for s in sessions))

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
            metrics.SESSIONS.set(0)
        for session in sessions:
            session.close()

    def _renew(self, key: tuple[Endpoint, str], session: Session, setting: AgentSettings) -> None:
        """Have `session` log in again before its callers have to; where that fails, the next caller logs in.

        This counts as no caller, so the session may have been closed meanwhile.
        """
        with suppress(ClusterError):
            session.renew(setting)
        with self._lock:
            is_kept = self._sessions.get(key) is session
        if not is_kept:
            session.close()

    @contextmanager
    def _counted(self, endpoint: Endpoint, account: str, *, counted: bool = False) -> Iterator[Session]:
        if counted and (present := self._present(endpoint, account)):
            yield present  # it is kept as long as its caller is counted
            return
        session = self._count(endpoint, account)
        try:
            yield session
        finally:
            self._uncount(session)

    def _present(self, endpoint: Endpoint, account: str) -> Session | None:
        with self._lock:
            return self._sessions.get((endpoint, account))

    def _count(self, endpoint: Endpoint, account: str) -> Session:
        """Count a caller of a session, and return that. Raises Busy where there are too many."""
        with self._lock:
            at_node = sum(s.callers for (node, _account), s in self._sessions.items() if node == endpoint)
            session = self._sessions.get((endpoint, account)) or Session(endpoint, account, self._limits, self._logins)
            if session.callers >= endpoint.callers_per_account or at_node >= endpoint.callers:
                raise Busy(f"too many calls to {endpoint.address} port {endpoint.port} are under way already")
            self._sessions[endpoint, account] = session
            session.callers += 1
            metrics.entered(len(self._sessions), session.callers)
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, name="ssh-pool-sweeper", daemon=True)
                self._sweeper.start()
            return session

    def _uncount(self, session: Session) -> None:
        with self._lock:
            session.callers -= 1
            metrics.left(session.callers)
            session.last_used = time.monotonic()

    def _sweep(self) -> None:
        """Close idle sessions and, of the others, what is too old; end when there is no session."""
        while True:
            time.sleep(self._limits.idle / 4)
            with self._lock:
                oldest = time.monotonic() - self._limits.idle
                idle = [key for key, s in self._sessions.items() if not s.callers and s.last_used < oldest]
                closing = [self._sessions.pop(key) for key in idle]
                kept = list(self._sessions.values())
                metrics.SESSIONS.set(len(self._sessions))
                if not self._sessions:
                    self._sweeper = None
            for session in closing:
                session.close()
            for session in kept:
                session.drop_old()
            if self._sweeper is not threading.current_thread():
                return


class _Processwide:
    """The pool of this process, made when it is first used: settings can be read by then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Pool | None = None

    def get(self) -> Pool:
        with self._lock:
            if self._pool is None:
                self._pool = Pool()
            return self._pool


_of_this_process = _Processwide()


def current() -> Pool:
    """Return the pool of this process."""
    return _of_this_process.get()


def _forget_inherited_sessions() -> None:
    """Leave the parent's sockets to the parent: the threads that serve them did not survive the fork."""
    global _of_this_process  # noqa: PLW0603 - the one place that replaces it
    _of_this_process = _Processwide()


os.register_at_fork(after_in_child=_forget_inherited_sessions)
