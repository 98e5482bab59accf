"""Warm SSH connections, one per (login node, account) and process, each with a bounded number of channels."""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import paramiko
from django.conf import settings

from clusters import poolmetrics
from clusters.background import Background
from clusters.errors import Busy, ClusterError
from clusters.logins import SharedLogins
from clusters.run import Script
from clusters.session import Lease, Limits, Logins, Session
from clusters.ssh import Connection, Endpoint


@dataclass(frozen=True)
class Stats:
    """What a pool holds now: sessions, callers at work or waiting, and scripts that wait for input."""

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
    def channel(self, endpoint: Endpoint, account: str, *, timeout: float) -> Iterator[paramiko.Channel]:
        """Lend an unused channel, as `lease` does."""
        with self.lease(endpoint, account, timeout=timeout) as lease:
            yield lease.channel

    @contextmanager
    def lease(self, endpoint: Endpoint, account: str, *, timeout: float) -> Iterator[Lease]:
        """Lend an unused channel of a warm connection, waiting up to `timeout` seconds for one.

        Raises Unreachable (nothing was started) or Refused. The channel is closed on return.
        """
        session = self._enter(endpoint, account)
        lease = self._lend(session, timeout)
        try:
            yield lease
        except BaseException as exc:
            lease.fail(exc)
            raise
        lease.close()

    def is_old(self, connection: Connection) -> bool:
        """Return whether `connection` has been used for as long as one may be."""
        return connection.age > self._limits.lifetime

    def waiting(self, endpoint: Endpoint, account: str, script: Script) -> Lease | None:
        """Lend a channel on which `script`, started in advance, waits for its input; None if none is to be had at once.

        The caller closes the lease; a new script is then started for the next caller.
        """
        with self._lock:
            session = self._sessions.get((endpoint, account))
        if session is None or not session.standby:
            return None
        try:
            session = self._enter(endpoint, account)
        except Busy:
            return None
        lease = None
        if session.slots.acquire(blocking=False):
            lease = session.take_standby(script)
            if lease is None:
                session.slots.release()
        if lease is None:
            self._leave(session)
            return None
        return self._lent(session, lease, script)

    def started(self, endpoint: Endpoint, account: str, script: Script, token: uuid.UUID, *, timeout: float) -> Lease:
        """Lend a channel on which `script`, named by `token`, waits for its input.

        Raises as `channel` does. The caller closes the lease as that of `waiting`.
        """
        return self._lend(self._enter(endpoint, account), timeout, script, token)

    def later(self, connection: Connection, work: Callable[[], None]) -> None:
        """Have `work`, which waits for the login of `connection`, done in the background; what it raises is logged.

        Each account has a share of the background's threads: a login that does not answer delays its own work.
        """
        self._background.do((connection.endpoint, connection.account), work)

    def stats(self) -> Stats:
        """Return what is open now."""
        with self._lock:
            sessions = self._sessions.values()
            return Stats(
                len(sessions), sum(session.callers for session in sessions), sum(len(s.standby) for s in sessions)
            )

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()

    def _lend(
        self, session: Session, timeout: float, script: Script | None = None, token: uuid.UUID | None = None
    ) -> Lease:
        deadline = time.monotonic() + timeout
        start = partial(script.start, token=token) if script else None
        try:
            with poolmetrics.WAITS.time():
                session.wait_for_slot(timeout)
            try:
                lease = session.open(deadline, start)
            except BaseException:
                session.slots.release()
                raise
        except BaseException:
            self._leave(session)
            raise
        return self._lent(session, lease, script)

    def _lent(self, session: Session, lease: Lease, script: Script | None) -> Lease:
        """Have `lease`, which took one of the slots, count its caller out and make room when it is closed."""
        lease.count_out.append(lambda: self._leave(session))
        prepare = [lambda: self._prepare(session, lease, script)] if script else []
        lease.give_back += [session.slots.release, *prepare]
        return lease

    def _prepare(self, session: Session, lease: Lease, script: Script) -> None:
        self.later(lease.connection, lambda: self._start_standby(session, script))

    def _start_standby(self, session: Session, script: Script) -> None:
        """Start a script for the next caller; where that fails, the next caller finds out for itself."""
        with suppress(ClusterError):
            session.start_standby(script)

    def _enter(self, endpoint: Endpoint, account: str) -> Session:
        """Count a caller in. Raises Busy where there are too many."""
        with self._lock:
            at_node = sum(s.callers for (node, _account), s in self._sessions.items() if node == endpoint)
            session = self._sessions.get((endpoint, account)) or Session(endpoint, account, self._limits, self._logins)
            if session.callers >= endpoint.callers_per_account or at_node >= endpoint.callers:
                raise Busy(f"too many calls to {endpoint.address} port {endpoint.port} are under way already")
            self._sessions[endpoint, account] = session
            session.callers += 1
            poolmetrics.entered(len(self._sessions), session.callers)
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, name="ssh-pool-sweeper", daemon=True)
                self._sweeper.start()
            return session

    def _leave(self, session: Session) -> None:
        with self._lock:
            session.callers -= 1
            poolmetrics.left(session.callers)
            session.last_used = time.monotonic()

    def _sweep(self) -> None:
        """Close idle sessions, and what is too old of the others, until none is left."""
        while True:
            time.sleep(self._limits.idle / 4)
            with self._lock:
                oldest = time.monotonic() - self._limits.idle
                idle = [key for key, s in self._sessions.items() if not s.callers and s.last_used < oldest]
                closing = [self._sessions.pop(key) for key in idle]
                kept = list(self._sessions.values())
                poolmetrics.SESSIONS.set(len(self._sessions))
                if not self._sessions:
                    self._sweeper = None
            for session in closing:
                session.close()
            for session in kept:
                session.drop_old()
            if self._sweeper is not threading.current_thread():
                return


class _Processwide:
    """The pool of this process, made when it is first asked for: settings can be read by then."""

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
