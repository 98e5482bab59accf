"""Lets requests wait for a job to change without asking the database repeatedly: one listener wakes them all."""

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
_LISTENING_WITHIN = 5.0  # seconds; a busy process connects slowly
_CLIENT_CHECK = 1.0  # seconds between two checks whether the client is still there

shares = Shares("requests that wait for a change")


def wait(moved: threading.Event, seconds: float, has_left: Callable[[], bool], is_news: Callable[[], bool]) -> None:
    """Return once `moved` was set and `is_news` is true, after `seconds`, or soon after the client has left.

    `is_news` is asked since a row is written more often than callers see a change. Returns at once where all requests
    have been released.
    """
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if moved.wait(min(left, _CLIENT_CHECK)):
            moved.clear()
            if changes.are_released or is_news():
                return
        elif has_left():
            return


class JobChangeListener:
    """Listens for changed jobs (PostgreSQL's LISTEN), and wakes the threads of this process that wait for one."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[threading.Event]] = defaultdict(set)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._listening = threading.Event()
        self._closed = threading.Event()
        self._released = threading.Event()

    @contextmanager
    def subscribe(self, job: UUID, account: str) -> Iterator[threading.Event | None]:
        """Yield an event that is set when `job` changes from now on; None where PostgreSQL does not answer.

        The event is set as well once all requests are released: then nothing is waited for any more.

        At most half of the process's threads wait, so that the others serve everybody else. Raises OwnShareTaken or
        AllTaken at once where `account`, or all callers together, wait for too much already.
        """
        event, key = threading.Event(), str(job)
        with shares.take(account, each=settings.WAITS_PER_ACCOUNT, most=max(1, settings.WEB_THREADS // 2)):
            with self._lock:
                self._waiters[key].add(event)
                self._start()
            try:
                yield event if self._is_released(event) or self._listening.wait(_LISTENING_WITHIN) else None
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
        """End all waits, present and future: each request goes on as if its time were over."""
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
        """Wake the threads that wait for a job that was written, and all of them after a new connection."""
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


changes = JobChangeListener()
stopping.on_stop(changes.release)
