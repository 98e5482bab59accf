"""How many requests an account and an address may make: with the real Redis, and without it."""

import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator

import pytest
import redis
from structlog.testing import capture_logs

from proxyauth.ratelimit.limiter import RateLimiter
from tests.harness.sandbox_env import variable

pytestmark = pytest.mark.apart


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(variable("REDIS_URL"))
    yield client
    client.close()


@pytest.fixture
def account() -> str:
    """Somebody whom nobody else counts."""
    return uuid.uuid4().hex


def check_wait(answer: tuple[str, int], seconds: int, began: float) -> None:
    """Check that the account is to wait for `seconds`, less those that have passed since `began`, its first request."""
    kind, wait = answer
    assert kind == "account"
    assert seconds - (time.monotonic() - began) <= wait <= seconds


def test_a_minute_s_worth_may_come_at_once_and_no_more(account: str) -> None:
    limiter, began = RateLimiter(variable("REDIS_URL"), "requests", per_account=3), time.monotonic()
    *first, last = [limiter.acquire(account=account, address="") for _ in range(4)]
    assert first == [("", 0)] * 3
    check_wait(last, 20, began)  # three in a minute: the next one in twenty seconds


def test_the_pace_is_even_afterwards(account: str, client: redis.Redis) -> None:
    limiter = RateLimiter(variable("REDIS_URL"), "requests", per_account=600)
    while not limiter.acquire(account=account, address="")[0]:
        pass
    [key] = client.keys(f"proxyauth:requests:account:{account}")
    before, through = int(client.get(key) or 0), 0
    client.set(key, before - 500_000, px=60_000)  # as if half a second had passed
    while not limiter.acquire(account=account, address="")[0]:
        through += 1
    most = 10 * (0.5 + time.time() - (before / 1_000_000 - 60))  # ten in a second, since a minute's worth had come
    assert 5 <= through <= math.ceil(most)


def test_account_and_address_are_counted_both_or_not_at_all(account: str) -> None:
    limiter = RateLimiter(variable("REDIS_URL"), "requests", per_account=1, per_address=2)
    began = time.monotonic()
    assert limiter.acquire(account=account, address=account) == ("", 0)
    for _ in range(5):  # refused for the account, and so not counted for the address
        check_wait(limiter.acquire(account=account, address=account), 60, began)
    assert limiter.acquire(account=f"{account}2", address=account) == ("", 0)
    assert limiter.acquire(account=f"{account}3", address=account)[0] == "address"


def test_processes_that_count_at_the_same_time_let_no_request_too_many_through(account: str) -> None:
    heard: Counter[str] = Counter()
    began = time.monotonic()

    def call() -> None:
        limiter = RateLimiter(variable("REDIS_URL"), "requests", per_account=50)
        for _ in range(20):
            heard[limiter.acquire(account=account, address="")[0]] += 1

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 50 <= heard[""] <= 51 + (time.monotonic() - began) / 1.2  # 50 at once, and one each 1.2 seconds


def test_counts_leave_redis_by_themselves(account: str, client: redis.Redis) -> None:
    RateLimiter(variable("REDIS_URL"), "requests", per_account=60).acquire(account=account, address="")
    [key] = client.keys(f"proxyauth:requests:account:{account}")
    assert 0 < client.pttl(key) <= 1000


def test_a_redis_that_was_restarted_is_told_the_script_again(account: str, client: redis.Redis) -> None:
    limiter = RateLimiter(variable("REDIS_URL"), "requests", per_account=1)
    began = time.monotonic()
    assert limiter.acquire(account=account, address="") == ("", 0)
    client.script_flush()
    check_wait(limiter.acquire(account=account, address=""), 60, began)


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
