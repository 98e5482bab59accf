"""One instance for all of the fault tests, and a fresh cluster of it for each."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from tests.harness.client import Client, Posted
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.migrated import migrated as migrated  # noqa: PLC0414 - a fixture


class TakeCluster(Protocol):
    """Returns another fresh cluster; keyword arguments are columns of its cluster."""

    def __call__(self, **columns: object) -> FaultCluster: ...


@pytest.fixture(scope="session")
def instance(migrated: Path) -> Iterator[Instance]:
    """The service, with everything it needs, for these tests alone."""
    with Instance("fault", migrated=migrated) as whole:
        yield whole


@pytest.fixture
def take_cluster(instance: Instance) -> Iterator[TakeCluster]:
    """Fresh clusters; at the end they are healed and no longer polled."""
    with instance.lending() as take:
        yield take


@pytest.fixture
def cluster(take_cluster: TakeCluster) -> FaultCluster:
    """A fresh cluster with the defaults of production."""
    return take_cluster()


@pytest.fixture
def caller(instance: Instance) -> Client:
    """A user, with an account of these tests."""
    return instance.caller


@pytest.fixture
def settled(instance: Instance) -> Callable[[Sequence[Posted]], None]:
    """What holds after every fault, once recovery has had its turn: nothing is lost, doubled or unknown."""

    def check(posts: Sequence[Posted]) -> None:
        instance.recover(posts)
        count = instance.count(posts)
        for _ in range(5):
            if not count:
                return
            time.sleep(1)
            count = instance.count(posts)
        pytest.fail(str(count))

    return check


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest."""
    items.sort(key=lambda item: "test_soak" not in item.nodeid)
