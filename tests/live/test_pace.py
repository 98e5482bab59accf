"""How many requests an account and an address may make: with the real Redis, and without it."""

import os
import threading
import uuid
from collections import Counter
from collections.abc import Iterator

import pytest
import redis
from structlog.testing import capture_logs

from proxyauth.ratelimit.limiter import RateLimiter

URL = os.environ["REDIS_URL"]


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(URL)
    yield client
    client.close()


@pytest.fixture
def account() -> str:
    """Somebody whom nobody else counts."""
    return uuid.uuid4().hex


def test_a_minute_s_worth_may_come_at_once_and_no_more(account: str) -> None:
    limiter = RateLimiter(URL, "requests", per_account=3)
    answers = [limiter.acquire(account=account, address="") for _ in range(4)]
    assert answers == [("", 0)] * 3 + [("account", 20)]  # three in a minute: the next one in twenty seconds


def test_the_pace_is_even_afterwards(account: str, client: redis.Redis) -> None:
    limiter = RateLimiter(URL, "requests", per_account=600)
    while not limiter.acquire(account=account, address="")[0]:
        pass
    [key] = client.keys(f"proxyauth:requests:account:{account}")
    later = int(client.get(key) or 0) - 500_000  # as if half a second had passed
    client.set(key, later, px=60_000)
    through = 0
    while not limiter.acquire(account=account, address="")[0]:
        through += 1
    assert 5 <= through <= 8  # ten in a second; this loop takes some time itself


def test_account_and_address_are_counted_both_or_not_at_all(account: str) -> None:
    limiter = RateLimiter(URL, "requests", per_account=1, per_address=2)
    assert limiter.acquire(account=account, address=account) == ("", 0)
    for _ in range(5):  # refused for the account, and so not counted for the address
        assert limiter.acquire(account=account, address=account) == ("account", 60)
    assert limiter.acquire(account=f"{account}2", address=account) == ("", 0)
    assert limiter.acquire(account=f"{account}3", address=account)[0] == "address"


def test_processes_that_count_at_the_same_time_let_no_request_too_many_through(account: str) -> None:
    heard: Counter[str] = Counter()

    def call() -> None:
        limiter = RateLimiter(URL, "requests", per_account=50)
        for _ in range(20):
            heard[limiter.acquire(account=account, address="")[0]] += 1

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 50 <= heard[""] <= 53  # 50 at once, and one each 1.2 seconds


def test_counts_leave_redis_by_themselves(account: str, client: redis.Redis) -> None:
    RateLimiter(URL, "requests", per_account=60).acquire(account=account, address="")
    [key] = client.keys(f"proxyauth:requests:account:{account}")
    assert 0 < client.pttl(key) <= 1000


def test_a_redis_that_was_restarted_is_told_the_script_again(account: str, client: redis.Redis) -> None:
    limiter = RateLimiter(URL, "requests", per_account=1)
    assert limiter.acquire(account=account, address="") == ("", 0)
    client.script_flush()
    assert limiter.acquire(account=account, address="") == ("account", 60)


def test_no_limit_asks_no_redis() -> None:
    with capture_logs() as lines:
        answer = RateLimiter("redis://127.0.0.1:1/0", "requests", per_account=0, per_address=0).acquire(
            account="a", address="b"
        )
    assert (answer, lines) == (("", 0), [])


def test_without_redis_everybody_is_let_through_and_the_log_says_so_once() -> None:
    limiter = RateLimiter("redis://127.0.0.1:1/0", "requests", per_account=1, per_address=1)
    with capture_logs() as lines:
        answers = [limiter.acquire(account="a", address="b") for _ in range(3)]
    assert answers == [("", 0)] * 3
    assert [(line["event"], line["what"]) for line in lines] == [("not-counted", "requests")]
