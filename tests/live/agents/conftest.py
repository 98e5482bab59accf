"""The connections of this process, programs in the place of SLURM's, and what is opened and sent."""

from collections.abc import Iterator

import pytest

from clusters.calls import pool as pools
from clusters.calls.pool import Pool
from tests.live.agents.login_node import (
    Programs,
    Traffic,
    a_pool,
    counted,
    some_programs,
)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """The connections of this process."""
    with a_pool() as one:
        monkeypatch.setattr(pools, "current", lambda: one)
        yield one


@pytest.fixture
def programs() -> Iterator[Programs]:
    """Programs in SLURM's place."""
    with some_programs() as some:
        yield some


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """What is opened and sent."""
    return counted(monkeypatch)
