"""Waiting for a job to move without asking again and again: one listener a process wakes those who wait."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import structlog
from django.conf import settings
from django.db import connection
from psycopg.sql import SQL, Identifier

from jobs import stopping
from jobs.models import CHANNEL
from jobs.shares import Shares

log = structlog.get_logger(__name__)

_RECONNECT = 1.0  # seconds
_PATIENCE = 5.0  # seconds in which PostgreSQL has to be heard; a busy process connects slowly
_LOOK = 1.0  # seconds between two looks whether the client is still there

shares = Shares("requests that wait for a change")


def wait(moved: threading.Event, seconds: float, has_left: Callable[[], bool], is_news: Callable[[], bool]) -> None:
    """Return once `moved` was set and there `is_news`, after `seconds`, or soon after the client has left.

    A job is written more often than it moves: with a reason, or a time. Returns at once where all are released.
    """
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if moved.wait(min(left, _LOOK)):
            moved.clear()
            if moves.are_released or is_news():
                return
        elif has_left():
            return


class JobChangeListener:
    """The jobs that move, as PostgreSQL tells of them (LISTEN), and the threads of this process that wait for one."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[threading.Event]] = defaultdict(set)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._listening = threading.Event()
        self._closed = threading.Event()
        self._released = threading.Event()

    @contextmanager
    def watched(self, job: UUID, account: str) -> Iterator[threading.Event | None]:
        """Give an event that is set when `job` moves from now on; None where PostgreSQL cannot tell of it.

        It is set as well once all were released: then nothing is waited for any more.

        At most half of the process's threads wait: the others serve everybody else. Raises OwnShareTaken or AllTaken
        at once where `account`, or everybody together, waits for too much already.
        """
        event, key = threading.Event(), str(job)
        with shares.take(account, each=settings.WAITS_PER_ACCOUNT, most=max(1, settings.WEB_THREADS // 2)):
            with self._lock:
                self._waiters[key].add(event)
                self._start()
            try:
                yield event if self._is_released(event) or self._listening.wait(_PATIENCE) else None
            finally:
                with self._lock:
                    self._waiters[key].discard(event)
                    if not self._waiters[key]:
                        del self._waiters[key]

    @property
    def are_released(self) -> bool:
        """Whether nothing is waited for any more."""
        return self._released.is_set()

    def release(self) -> None:
        """End all waits, those to come as well: each goes on as at the end of its time."""
        self._released.set()
        self._wake_all()

    def _is_released(self, event: threading.Event) -> bool:
        """Say whether all were released, and if so set `event`, which may have come too late to be woken."""
        if self.are_released:
            event.set()
        return event.is_set()

    def close(self) -> None:
        """End the listener and its database session."""
        self._closed.set()
        if self._thread:
            self._thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._listen, name="moves", daemon=True)
            self._thread.start()

    def _listen(self) -> None:
        """Wake who waits for a job that was written; all of them once it listens anew: it may have missed some."""
        while not self._closed.is_set():
            try:
                with psycopg.connect(**connection.get_connection_params(), autocommit=True) as session:
                    session.execute(SQL("LISTEN {}").format(Identifier(CHANNEL)))
                    self._listening.set()
                    self._wake_all()
                    while not self._closed.is_set():
                        for notice in session.notifies(timeout=_RECONNECT):
                            self._wake(notice.payload)
            except psycopg.Error as exc:
                log.warning("listener-lost-its-connection", error=str(exc))
            self._listening.clear()
            self._closed.wait(_RECONNECT)

    def _wake_all(self) -> None:
        with self._lock:
            keys = list(self._waiters)
        for key in keys:
            self._wake(key)

    def _wake(self, key: str) -> None:
        with self._lock:
            for event in self._waiters.get(key, ()):
                event.set()


moves = JobChangeListener()
stopping.on_stop(moves.release)
