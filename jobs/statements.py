"""Prepared statements, for those that callers wait for: PostgreSQL plans each of them once a connection.

Django writes the values into the text, so that PostgreSQL plans every statement anew. With the registry's indexes that
is most of what it does: looking for one job took it 0.5 ms of processor, and 0.05 ms prepared; a new row 0.18 and 0.12,
its outcome 0.20 and 0.12. Statements that are rarer than calls are the ORM's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg import Cursor


class _Prepared(Cursor[Any]):
    """psycopg's cursor, which sends text and values apart. Only its statements are prepared, not Django's own."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        """Execute `query`, which was prepared when this connection had it first."""
        self.connection.prepare_threshold = 0
        try:
            return super().execute(query, params, **options)
        finally:
            self.connection.prepare_threshold = None

    def _send_query_prepared(self, name: bytes, pgq: Any, **options: Any) -> None:
        """Keep the statement for Django's log of them: psycopg does so only for those that are not prepared."""
        self._query = pgq
        super()._send_query_prepared(name, pgq, **options)


@contextmanager
def prepared() -> Iterator[CursorWrapper]:
    """Yield a cursor for statements whose text is always the same; PostgreSQL has to see the type of each value.

    It is Django's in all else: its errors are Django's, and tests count its statements.
    """
    connection.ensure_connection()
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    cursor: Any = _Prepared(connection.connection)  # Django's stubs expect a cursor that is wrapped already
    with wrap(cursor) as wrapped:
        yield wrapped
