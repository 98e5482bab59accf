"""Addresses that are refused again and again are slowed down, with the real Redis and without it."""

import os
import time
from collections.abc import Iterator

import pytest
import redis

from proxyauth.ratelimit.refusals import WINDOW, Throttle

ADDRESS = "192.0.2.7"  # RFC 5737: an address of nobody


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    client.delete(f"proxyauth:refused:{ADDRESS}")
    yield client
    client.delete(f"proxyauth:refused:{ADDRESS}")
    client.close()


def test_an_address_waits_once_it_was_refused_too_often(client: redis.Redis) -> None:
    throttle = Throttle(os.environ["REDIS_URL"], most=3)
    waits = []
    for _ in range(4):
        waits.append(throttle.seconds_to_wait(ADDRESS))
        throttle.count(ADDRESS)
    assert waits == [0, 0, 0, WINDOW]
    assert 0 < client.ttl(f"proxyauth:refused:{ADDRESS}") <= WINDOW


@pytest.mark.usefixtures("client")
def test_processes_count_together_and_addresses_apart() -> None:
    one, other = (Throttle(os.environ["REDIS_URL"], most=2) for _ in range(2))
    one.count(ADDRESS)
    other.count(ADDRESS)
    assert one.seconds_to_wait(ADDRESS) > 0
    assert one.seconds_to_wait("192.0.2.8") == 0


def test_the_window_ends_whatever_comes_in_it(client: redis.Redis) -> None:
    throttle = Throttle(os.environ["REDIS_URL"], most=1)
    throttle.count(ADDRESS)
    client.expire(f"proxyauth:refused:{ADDRESS}", 1)
    throttle.count(ADDRESS)
    assert throttle.seconds_to_wait(ADDRESS) > 0
    deadline = time.monotonic() + 10
    while throttle.seconds_to_wait(ADDRESS) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert throttle.seconds_to_wait(ADDRESS) == 0


def test_without_redis_everybody_is_heard_and_redis_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    throttle = Throttle("redis://127.0.0.1:1/0", most=0)
    assert throttle.seconds_to_wait(ADDRESS) == 0
    monkeypatch.setattr(throttle._counters, "_redis", None)  # would fail if it were asked now
    throttle.count(ADDRESS)
    assert throttle.seconds_to_wait(ADDRESS) == 0
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    with pytest.raises(AttributeError):
        throttle.count(ADDRESS)
