"""Locks that are released when the process that holds them ends, and that occupy no connection of the pool.

They are advisory locks of PostgreSQL, all taken over one session of their own: the holder of a lock may wait for a
cluster for as long as it takes. Where that session is lost (PostgreSQL was restarted), another process may take the
same lock: at worst what it guards is done twice, and never half.
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

import psycopg
from django.db import OperationalError, connection

_CONNECT_TIMEOUT = 10  # seconds


class Subject(StrEnum):
    """What a lock is about."""

    POLL = "poll"
    REFRESH = "refresh"
    BULK_OPERATION = "bulk-operation"
    RECOVERY = "recovery"
    TIDYING = "tidying"


def key(subject: Subject, name: str) -> int:
    """Return the number (64 bits, signed) by which PostgreSQL knows the lock on `subject` and `name`."""
    digest = hashlib.blake2b(f"{subject}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


class _Session:
    """The session of this process, opened when the first lock is asked for; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self._connection: psycopg.Connection | None = None

    def take(self, number: int) -> bool:
        """Take the lock `number` if it is free, and return whether it was. Raises django.db.OperationalError."""
        with self._lock:
            if number in self._held or not self._is_free(number):
                return False
            self._held.add(number)
            return True

    def give_back(self, number: int) -> None:
        """Give the lock `number` back; where the session was lost, it is free already."""
        with self._lock:
            self._held.discard(number)
            if self._connection:
                with suppress(psycopg.Error):
                    self._connection.execute("SELECT pg_advisory_unlock(%s)", [number])

    def close(self) -> None:
        """End the session, and with it every lock of this process."""
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = None

    def _is_free(self, number: int) -> bool:
        """Take the lock `number` if no other process has it; on a new session where the last one has gone."""
        try:
            return _try(self._open(), number)
        except psycopg.Error:
            self._connection = None
        try:
            return _try(self._open(), number)
        except psycopg.Error as exc:
            self._connection = None
            raise OperationalError(str(exc)) from exc

    def _open(self) -> psycopg.Connection:
        if self._connection is None:
            limits = {"connect_timeout": _CONNECT_TIMEOUT}
            self._connection = psycopg.connect(**{**limits, **connection.get_connection_params()}, autocommit=True)
        return self._connection


def _try(session: psycopg.Connection, number: int) -> bool:
    row = session.execute("SELECT pg_try_advisory_lock(%s)", [number]).fetchone()
    return bool(row and row[0])


_of_this_process = _Session()


@contextmanager
def try_lock(subject: Subject, name: str) -> Iterator[bool]:
    """Hold the lock on `subject` and `name` if it is free; yield whether it was. Raises django.db.OperationalError."""
    session, number = _of_this_process, key(subject, name)
    free = session.take(number)
    try:
        yield free
    finally:
        if free:
            session.give_back(number)


def close() -> None:
    """End the session of this process; the next lock opens another one."""
    _of_this_process.close()


def _forget_inherited_session() -> None:
    """Leave the parent's session to the parent."""
    global _of_this_process  # noqa: PLW0603 - the one place that replaces it
    _of_this_process = _Session()


os.register_at_fork(after_in_child=_forget_inherited_session)
