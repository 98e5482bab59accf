"""Warm SSH connections, one per (login node, account) and process, each with a bounded number of channels."""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial

import paramiko
import structlog
from django.db import close_old_connections

from clusters import poolmetrics
from clusters.errors import ClusterError, Unreachable
from clusters.run import Script
from clusters.session import Lease, Limits, Session
from clusters.ssh import Endpoint

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Stats:
    """What a pool holds now: sessions, callers at work or waiting, and scripts that wait for input."""

    sessions: int
    callers: int
    standby: int


class Pool:
    """All sessions of this process. Thread-safe; after a fork the child begins with an empty one."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._sessions: dict[tuple[Endpoint, str], Session] = {}
        self._lock = threading.Lock()
        self._sweeper: threading.Thread | None = None
        self._background = ThreadPoolExecutor(max_workers=8, thread_name_prefix="ssh-pool")

    @contextmanager
    def channel(self, endpoint: Endpoint, account: str, *, timeout: float) -> Iterator[paramiko.Channel]:
        """Lend an unused channel of a warm connection, waiting up to `timeout` seconds for one.

        Raises Unreachable (nothing was started) or Refused. The channel is closed on return.
        """
        session = self._enter(endpoint, account)
        lease = self._lend(session, timeout)
        try:
            yield lease.channel
        except BaseException as exc:
            lease.fail(exc)
            raise
        lease.close()

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
        except Unreachable:
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

    def later(self, work: Callable[[], None]) -> None:
        """Have `work` done in the background, after what is under way; what it raises is logged, under the same id."""
        self._background.submit(copy_context().run, _logged, work)

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
        prepare = [lambda: self._prepare(session, script)] if script else []
        lease.give_back += [session.slots.release, *prepare]
        return lease

    def _prepare(self, session: Session, script: Script) -> None:
        self.later(lambda: self._start_standby(session, script))

    def _start_standby(self, session: Session, script: Script) -> None:
        """Start a script for the next caller; where that fails, the next caller finds out for itself."""
        with suppress(ClusterError):
            session.start_standby(script)

    def _enter(self, endpoint: Endpoint, account: str) -> Session:
        """Count a caller in. Raises Unreachable where there are too many."""
        with self._lock:
            at_node = sum(s.callers for (node, _account), s in self._sessions.items() if node == endpoint)
            session = self._sessions.get((endpoint, account)) or Session(endpoint, account, self._limits)
            if session.callers >= endpoint.callers_per_account or at_node >= endpoint.callers:
                raise Unreachable(f"too many calls to {endpoint.address} port {endpoint.port} are under way already")
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
        """Close idle sessions until none is left."""
        while True:
            time.sleep(self._limits.idle / 4)
            with self._lock:
                oldest = time.monotonic() - self._limits.idle
                idle = [key for key, s in self._sessions.items() if not s.callers and s.last_used < oldest]
                closing = [self._sessions.pop(key) for key in idle]
                poolmetrics.SESSIONS.set(len(self._sessions))
                if not self._sessions:
                    self._sweeper = None
            for session in closing:
                session.close()
            if self._sweeper is not threading.current_thread():
                return


def _logged(work: Callable[[], None]) -> None:
    close_old_connections()
    try:
        work()
    except Exception:
        log.exception("background-work-failed")
    finally:
        close_old_connections()


_of_this_process = Pool()


def current() -> Pool:
    """Return the pool of this process."""
    return _of_this_process


def _forget_inherited_sessions() -> None:
    """Leave the parent's sockets to the parent: the threads that serve them did not survive the fork."""
    global _of_this_process  # noqa: PLW0603 - the one place that replaces it
    _of_this_process = Pool()


os.register_at_fork(after_in_child=_forget_inherited_sessions)
