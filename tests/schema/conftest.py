"""A service of these tests alone: what they ask for at random, deletions included, meets nobody else's jobs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import instance
from tests.bench.target import Place
from tests.harness.sandbox_env import variable


@pytest.fixture(scope="session")
def places() -> Iterator[list[Place]]:
    """Two users of a real gunicorn with a database of its own, in front of the sandbox's first cluster."""
    variable("BASE_URL")
    with instance.running(Place.from_environment(), "plgschema", 2) as own:
        yield own.near


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What programs of this checkout need to find its modules from an empty directory."""
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(tmp_path)}
