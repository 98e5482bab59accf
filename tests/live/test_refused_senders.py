"""Addresses that are refused again and again are slowed down, with the real Redis and without it."""

import time
from collections.abc import Iterator

import pytest
import redis

from proxyauth.ratelimit.limiter import RateLimiter
from tests.harness.sandbox_env import variable

pytestmark = pytest.mark.apart

ADDRESS = "192.0.2.7"  # RFC 5737: an address of nobody


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(variable("REDIS_URL"))
    client.delete(f"proxyauth:refusals:address:{ADDRESS}")
    yield client
    client.delete(f"proxyauth:refusals:address:{ADDRESS}")
    client.close()


def test_an_address_waits_once_it_was_refused_too_often(client: redis.Redis) -> None:
    limiter, began = RateLimiter(variable("REDIS_URL"), "refusals", per_address=3), time.monotonic()
    waits = []
    for _ in range(4):
        waits.append(limiter.look(address=ADDRESS).seconds)
        limiter.count(address=ADDRESS)
    assert waits[:3] == [0, 0, 0]
    assert 20 - (time.monotonic() - began) <= waits[3] <= 20  # three in a minute: the next one in twenty seconds
    assert 0 < client.ttl(f"proxyauth:refusals:address:{ADDRESS}") <= 60


@pytest.mark.usefixtures("client")
def test_processes_count_together_and_addresses_apart() -> None:
    one, other = (RateLimiter(variable("REDIS_URL"), "refusals", per_address=2) for _ in range(2))
    one.count(address=ADDRESS)
    other.count(address=ADDRESS)
    assert one.look(address=ADDRESS).seconds > 0
    assert one.look(address="192.0.2.8").seconds == 0


def test_the_wait_ends_whatever_is_refused_in_it(client: redis.Redis) -> None:
    limiter, began = RateLimiter(variable("REDIS_URL"), "refusals", per_address=1), time.monotonic()
    for _ in range(200):
        limiter.count(address=ADDRESS)
    assert 60 - (time.monotonic() - began) <= limiter.look(address=ADDRESS).seconds <= 60
    as_if_passed(client, 30)
    assert limiter.look(address=ADDRESS).seconds > 0
    as_if_passed(client, 29)
    deadline = time.monotonic() + 60
    while limiter.look(address=ADDRESS).seconds and time.monotonic() < deadline:
        time.sleep(0.1)
    assert limiter.look(address=ADDRESS).seconds == 0


def as_if_passed(client: redis.Redis, seconds: int) -> None:
    """Change what is counted as if so many seconds had passed."""
    key = f"proxyauth:refusals:address:{ADDRESS}"
    client.set(key, int(client.get(key) or 0) - seconds * 1_000_000, px=60_000)


def test_without_redis_everybody_is_heard_and_redis_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = RateLimiter("redis://127.0.0.1:1/0", "refusals", per_address=1)
    assert limiter.look(address=ADDRESS).seconds == 0
    monkeypatch.setattr(limiter, "_script", None)  # would fail if it were asked now
    limiter.count(address=ADDRESS)
    assert limiter.look(address=ADDRESS).seconds == 0
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    with pytest.raises(TypeError):
        limiter.count(address=ADDRESS)
