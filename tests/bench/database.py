"""An empty database for a benchmark, on the sandbox's server and so with the same durability."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg


@contextmanager
def empty(name: str) -> Iterator[str]:
    """Make the database `name`, whatever a killed run has left of it; yield its URL, and remove it."""
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode()
        connection.execute(drop)
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(drop)
