"""Locks of one process among its threads, and of several processes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connections

from jobs import locks
from jobs.locks import Subject, try_lock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_session() -> Iterator[None]:
    """Each test begins without one."""
    locks.close()
    yield
    locks.close()


def is_free_elsewhere(subject: Subject, name: str) -> bool:
    """Whether another process could take the lock; it gives it back at once."""
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [locks.key(subject, name)])
            return bool(cursor.fetchone()[0])
    finally:
        other.close()


def take(name: str) -> bool:
    with try_lock(Subject.POLL, name) as free:
        return free


def test_alone_keeps_other_threads_and_other_processes_out() -> None:
    with try_lock(Subject.POLL, "1:plgalice") as free, ThreadPoolExecutor(1) as thread:
        assert free
        assert not thread.submit(take, "1:plgalice").result(10)
        assert not is_free_elsewhere(Subject.POLL, "1:plgalice")
        assert thread.submit(take, "1:plgbob").result(10)
        assert is_free_elsewhere(Subject.RECOVERY, "1:plgalice")
    assert take("1:plgalice")
    assert is_free_elsewhere(Subject.POLL, "1:plgalice")


def test_alone_takes_no_connection_of_the_pool() -> None:
    connections["default"].ensure_connection()
    before = connections["default"].connection
    with try_lock(Subject.POLL, "x"):
        assert connections["default"].connection is before


def test_alone_goes_on_with_a_new_session_where_the_last_one_was_ended() -> None:
    with try_lock(Subject.POLL, "held"):
        end_sessions()
        assert take("another")
        assert not take("held"), "this process still has it"
    assert take("held")


def end_sessions() -> None:
    """End the sessions that hold advisory locks, as a restart of PostgreSQL does."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )


def test_alone_says_so_where_the_database_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = {"host": "127.0.0.1", "port": 1, "dbname": "none"}
    monkeypatch.setattr(connections["default"], "get_connection_params", lambda: nowhere)
    with pytest.raises(OperationalError), try_lock(Subject.POLL, "x"):
        pass
