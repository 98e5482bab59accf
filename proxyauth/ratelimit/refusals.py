"""Slows down addresses whose proxies are refused again and again: a count in Redis, shared by all processes.

An IPv6 address counts as its network of 64 bits.
"""

from functools import lru_cache

import redis
from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from proxyauth.ratelimit.counters import Counters
from proxyauth.ratelimit.network import counted_as

WINDOW = 60  # seconds in which refusals are counted


class Throttle:
    """Counts the refusals of each address; `most` in a window are let through."""

    def __init__(self, url: str, most: int) -> None:
        self._most = most
        self._counters = Counters(url, "refusals")

    def seconds_to_wait(self, address: str) -> int:
        """Return for how many seconds `address` has to wait before it is heard again; 0 if it is heard now."""

        def read(client: redis.Redis) -> tuple[bytes | None, int]:
            both = client.pipeline()
            both.get(_key(address))
            both.ttl(_key(address))
            count, left = both.execute()
            return count, left

        nothing: tuple[bytes | None, int] = (None, 0)
        count, left = self._counters.ask(read, otherwise=nothing)
        return max(1, left) if count is not None and int(count) >= self._most else 0

    def count(self, address: str) -> None:
        """Count a refusal of `address`; the window begins with its first one."""

        def write(client: redis.Redis) -> None:
            both = client.pipeline()  # MULTI: the window cannot be lost between the two
            both.set(_key(address), 0, ex=WINDOW, nx=True)
            both.incr(_key(address))
            both.execute()

        self._counters.ask(write, otherwise=None)


def _key(address: str) -> str:
    return f"proxyauth:refused:{counted_as(address)}"


@lru_cache(maxsize=1)
def throttle() -> Throttle:
    """Return the throttle that the settings describe."""
    return Throttle(settings.CELERY_BROKER_URL, settings.PROXY_REFUSALS_PER_MINUTE)


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    """Tests change settings while the process runs."""
    if setting in {"CELERY_BROKER_URL", "PROXY_REFUSALS_PER_MINUTE"}:
        throttle.cache_clear()
