"""Advisory locks of PostgreSQL: they fall with the database session, so no dead process keeps one."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from django.db import connection


class Subject(IntEnum):
    """What a lock is about: the first half of its key."""

    POLL = 1
    REFRESH = 2
    ERRAND = 3


@contextmanager
def alone(subject: Subject, number: int) -> Iterator[bool]:
    """Hold the lock on `subject` and `number` (31 bits) if it is free; say whether it was. No transaction is needed."""
    key = [int(subject), number]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
        free = bool(cursor.fetchone()[0])
    try:
        yield free
    finally:
        if free:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)
