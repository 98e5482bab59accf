"""Waiting for a job to move without asking again and again: one listener a process wakes those who wait."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import structlog
from django.db import connection
from psycopg.sql import SQL, Identifier

from jobs.models import CHANNEL

log = structlog.get_logger(__name__)

MOST_WAITERS = 64  # a process; the rest of its threads serve everybody else
_RECONNECT = 1.0  # seconds


class Moves:
    """The jobs that move, as PostgreSQL tells of them (LISTEN), and the threads of this process that wait for one."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[threading.Event]] = defaultdict(set)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._listening = threading.Event()
        self._closed = threading.Event()

    @contextmanager
    def watched(self, job: UUID) -> Iterator[threading.Event | None]:
        """Give an event that is set when `job` moves from now on; None where too many wait already."""
        event, key = threading.Event(), str(job)
        with self._lock:
            full = sum(map(len, self._waiters.values())) >= MOST_WAITERS
            if not full:
                self._waiters[key].add(event)
                self._start()
        try:
            yield None if full or not self._listening.wait(_RECONNECT) else event
        finally:
            with self._lock:
                self._waiters[key].discard(event)
                if not self._waiters[key]:
                    del self._waiters[key]

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
        """Wake who waits for a job that moved; all of them when the connection was lost: moves may have been missed."""
        while not self._closed.is_set():
            try:
                with psycopg.connect(**connection.get_connection_params(), autocommit=True) as session:
                    session.execute(SQL("LISTEN {}").format(Identifier(CHANNEL)))
                    self._listening.set()
                    while not self._closed.is_set():
                        for notice in session.notifies(timeout=_RECONNECT):
                            self._wake(notice.payload)
            except psycopg.Error as exc:
                log.warning("listener-lost-its-connection", error=str(exc))
            self._listening.clear()
            with self._lock:
                keys = list(self._waiters)
            for key in keys:
                self._wake(key)
            self._closed.wait(_RECONNECT)

    def _wake(self, key: str) -> None:
        with self._lock:
            for event in self._waiters.get(key, ()):
                event.set()


moves = Moves()
