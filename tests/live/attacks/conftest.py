"""One instance for all attacks with two users, the attacker and the victim; fresh clusters of it for each test.

A test attacks on two clusters at once: the one is polled as each owner about their own jobs, the other as one account
about everybody's.
"""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from sandbox.accounts import POLLER
from tests.harness.client import Client
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.migrated import migrated as migrated  # noqa: PLC0414 - a fixture
from tests.live.attacks import memory
from tests.live.attacks.attacker import ADDRESS, Attacker
from tests.live.attacks.victim import HELD, Victim

ENVIRONMENT = {
    # The sandbox, whose few accounts stand for many users, is more generous here than production.
    "REQUESTS_PER_ACCOUNT": "16",
    "WEB_HEAD_SECONDS": str(HELD),
    "WEB_BODY_SECONDS": str(HELD),
    "WEB_SEND_SECONDS": str(HELD),
}

_FAILED = pytest.StashKey[bool]()


class TakeClusters(Protocol):
    """Returns two fresh clusters: polled as each owner, and as one account."""

    def __call__(self) -> Sequence[FaultCluster]: ...


@pytest.fixture(scope="session")
def instance(migrated: Path) -> Iterator[Instance]:
    """The service, with everything it needs, for these tests alone; no process may take the machine's memory."""
    with Instance("attack", environment=ENVIRONMENT, migrated=migrated) as whole:
        _bound(whole)
        yield whole


def _bound(instance: Instance) -> None:
    for part in (instance.web, instance.worker):
        memory.bound(part)


@pytest.fixture
def take_clusters(instance: Instance) -> Iterator[TakeClusters]:
    """Fresh clusters, no longer polled at the end."""
    with instance.lending(command_timeout=HELD) as take:
        yield lambda: (take(), take(poll_account=POLLER))


@pytest.fixture
def clusters(take_clusters: TakeClusters) -> Sequence[FaultCluster]:
    """Two fresh clusters: polled as each owner, and as one account."""
    return take_clusters()


@pytest.fixture(scope="session")
def attacker(instance: Instance) -> Iterator[Attacker]:
    """The user who means harm."""
    proxy = instance.sandbox.proxies[0]
    client = Client(f"http://127.0.0.1:{instance.port}", proxy, address=ADDRESS)
    yield Attacker(instance.accounts[0], client, proxy, instance.registry)
    client.close()


@pytest.fixture
def victim(instance: Instance, clusters: Sequence[FaultCluster]) -> Victim:
    """The user who wants to work."""
    return Victim(instance, instance.bob, clusters)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests failed."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def whole(instance: Instance, request: pytest.FixtureRequest) -> Iterator[None]:
    """Where an attack has done harm, begin the next test with a web server and a worker that it has not touched."""
    yield
    if request.node.stash.get(_FAILED, False):
        parts = (instance.web, instance.worker)
        for part in parts:
            part.kill()
        instance.redis.flush()
        for part in parts:
            part.start(wait=False)
        for part in parts:
            part.wait()
        _bound(instance)
