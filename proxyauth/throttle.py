"""Slows down addresses whose proxies are refused again and again: a count in Redis, shared by all processes.

It fails open: without Redis nobody is slowed down, and for some seconds Redis is not asked again.
"""

import time
from functools import lru_cache

import redis
import structlog
from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

log = structlog.get_logger(__name__)

WINDOW = 60  # seconds in which refusals are counted
_TIMEOUT = 0.25  # seconds for Redis to answer
_AWAY = 5.0  # seconds for which it is not asked after it did not


class Throttle:
    """Counts the refusals of each address; `most` in a window are let through."""

    def __init__(self, url: str, most: int) -> None:
        self._most = most
        self._redis = redis.Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)
        self._asked_again_at = 0.0

    def seconds_to_wait(self, address: str) -> int:
        """Return for how many seconds `address` has to wait before it is heard again; 0 if it is heard now."""
        if not self._reachable():
            return 0
        try:
            both = self._redis.pipeline()
            both.get(_key(address))
            both.ttl(_key(address))
            count, left = both.execute()
        except redis.RedisError as exc:
            self._fail(exc)
            return 0
        return max(1, int(left)) if count is not None and int(count) >= self._most else 0

    def count(self, address: str) -> None:
        """Count a refusal of `address`; the window begins with its first one."""
        if not self._reachable():
            return
        try:
            both = self._redis.pipeline()  # MULTI: the window cannot be lost between the two
            both.set(_key(address), 0, ex=WINDOW, nx=True)
            both.incr(_key(address))
            both.execute()
        except redis.RedisError as exc:
            self._fail(exc)

    def _reachable(self) -> bool:
        return time.monotonic() >= self._asked_again_at

    def _fail(self, exc: redis.RedisError) -> None:
        self._asked_again_at = time.monotonic() + _AWAY
        log.warning("refusals-are-not-counted", error=str(exc))


def _key(address: str) -> str:
    return f"proxyauth:refused:{address}"


@lru_cache(maxsize=1)
def throttle() -> Throttle:
    """Return the throttle that the settings describe."""
    return Throttle(settings.CELERY_BROKER_URL, settings.PROXY_REFUSALS_PER_MINUTE)


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    """Tests change settings while the process runs."""
    if setting in {"CELERY_BROKER_URL", "PROXY_REFUSALS_PER_MINUTE"}:
        throttle.cache_clear()
