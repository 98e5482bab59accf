"""The login node of Debian 13: its root directory is made once a checkout, its sshd for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from clusters.calls.pool import Pool
from sandbox import layout
from tests.harness.daemon import CHECKOUT
from tests.live.penalties import debian
from tests.live.penalties.node import Node, running


@pytest.fixture(scope="session", autouse=True)
def tables_can_be_emptied(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:  # noqa: ARG001 - asked for its order
    """Tests that commit are cleared up by TRUNCATE, which the audit log refuses."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_log_stays")


@pytest.fixture(scope="session")
def debian_root() -> Path:
    """The root directory of a Debian 13."""
    return debian.root(layout.of(CHECKOUT))


@pytest.fixture
def node(debian_root: Path, tmp_path: Path) -> Iterator[Node]:
    """A login node that this process may log in to, and that has seen no failed login yet."""
    with running(debian_root, tmp_path) as one:
        yield one


@pytest.fixture
def pool() -> Iterator[Pool]:
    """The connections of a process."""
    pool = Pool()
    yield pool
    pool.close()
