"""The database connection of a thread, given back while the thread waits for something else."""

from django.db import connection


def release_connection() -> None:
    """Give the thread's database connection back to the pool; the next query takes one again.

    Inside a transaction the connection has to stay, and nothing happens.
    """
    if connection.connection is not None and not connection.in_atomic_block:
        connection.close()
