"""The backend that Django loads (`ENGINE`)."""

from functools import partial
from select import POLLIN, poll
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection from a pool that meets one stale connection after a restart of PostgreSQL, not each of them.

    psycopg_pool makes a caller wait longer and longer (1, 2, 4, ... seconds) for every stale connection that it hands
    out, and after a restart all of them are. Django gives no way to set the check, so it is replaced.
    """

    @property
    def pool(self) -> Any:
        """The pool of this database; None without one."""
        pool = super().pool
        if pool is not None and pool._check is ConnectionPool.check_connection:  # noqa: SLF001 - see above
            pool._check = partial(_check, pool)  # noqa: SLF001
        return pool


def _check(pool: ConnectionPool[Any], connection: psycopg.Connection[Any]) -> None:
    """Raise OperationalError if `connection` is stale, having replaced every stale one of `pool`.

    A server that has gone has said so, or its system has: a connection with nothing to read is taken as it is, and
    spares every caller a round trip.
    """
    if not connection.closed and _is_quiet(connection):
        return
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.OperationalError:
        pool.check()
        raise


def _is_quiet(connection: psycopg.Connection[Any]) -> bool:
    poller = poll()
    poller.register(connection.fileno(), POLLIN)
    return not poller.poll(0)
