"""One instance for all attacks with two users, the attacker and the victim; a fresh cluster of it for each test."""

from collections.abc import Iterator
from typing import Protocol

import pytest

from sandbox.accounts import POLLER
from tests.live.attacks import memory
from tests.live.attacks.attacker import ADDRESS, Attacker
from tests.live.attacks.victim import Victim
from tests.live.faults.client import Client
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane

_LANES = 240
DEFAULTS = {"REQUESTS_PER_ACCOUNT": "16"}
"""What the sandbox, whose few accounts stand for many users, has more generous than production."""


class TakeLane(Protocol):
    """Returns another fresh lane, polled as the test's others; keyword arguments are columns of its cluster."""

    def __call__(self, **columns: object) -> Lane: ...


@pytest.fixture(scope="session")
def instance() -> Iterator[Instance]:
    """The service, with everything it needs, for these tests alone."""
    with Instance("attack", _LANES, environment=DEFAULTS) as whole:
        yield whole


@pytest.fixture(scope="session")
def unused_lanes(instance: Instance) -> list[Lane]:
    """The lanes that no test has had yet."""
    return list(instance.lanes)


@pytest.fixture(params=["", POLLER], ids=["polled by each owner", "polled by one account"])
def poll_account(request: pytest.FixtureRequest) -> str:
    """As whom the clusters are asked about everybody's jobs; empty: as each owner about their own."""
    return str(request.param)


@pytest.fixture
def take_lane(instance: Instance, unused_lanes: list[Lane], poll_account: str) -> Iterator[TakeLane]:
    """Fresh lanes, no longer polled at the end."""
    with instance.lending(unused_lanes, poll_account=poll_account) as take:
        yield take


@pytest.fixture
def lane(take_lane: TakeLane) -> Lane:
    """A fresh cluster with the defaults of production."""
    return take_lane()


@pytest.fixture(scope="session")
def attacker(instance: Instance) -> Iterator[Attacker]:
    """The user who means harm."""
    proxy = instance.sandbox.proxies[0]
    client = Client(f"http://127.0.0.1:{instance.port}", proxy, address=ADDRESS)
    yield Attacker(instance.accounts[0], client, proxy, instance.registry)
    client.close()


@pytest.fixture
def victim(instance: Instance, lane: Lane) -> Victim:
    """The user who wants to work."""
    return Victim(instance, instance.bob, lane)


@pytest.fixture(autouse=True)
def whole(instance: Instance) -> Iterator[None]:
    """Begin each test with a web server and a worker that no other attack has touched."""
    parts = (instance.web, instance.worker)
    for part in parts:
        memory.bound(part)
    yield
    for part in parts:
        part.kill()
    instance.redis.flush()
    for part in parts:
        part.start(wait=False)
    instance.web.wait()
