"""A Redis that counts for all processes, and that nobody waits for: while it is away, everybody is let through."""

import time
from collections.abc import Callable
from typing import TypeVar

import redis
import structlog
from redis.commands.core import Script

from proxyauth.metrics import NOT_COUNTED

log = structlog.get_logger(__name__)

T = TypeVar("T")

_TIMEOUT = 0.25  # seconds for Redis to answer
_AWAY = 5.0  # seconds for which it is not asked after it did not


class Counters:
    """Asks Redis, and leaves it alone for some seconds after it did not answer; `what` names the counts in the log."""

    def __init__(self, url: str, what: str) -> None:
        self._what = what
        self._redis = redis.Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)
        self._asked_again_at = 0.0

    def script(self, text: str) -> Script:
        """Return a Lua script that can be run in a question: by its digest, and told again to a new Redis."""
        return self._redis.register_script(text)

    def ask(self, question: Callable[[redis.Redis], T], *, otherwise: T) -> T:
        """Return the answer to `question`, or `otherwise` while Redis is away."""
        if time.monotonic() < self._asked_again_at:
            NOT_COUNTED.labels(self._what).inc()
            return otherwise
        try:
            return question(self._redis)
        except redis.RedisError as exc:
            self._asked_again_at = time.monotonic() + _AWAY
            NOT_COUNTED.labels(self._what).inc()
            log.warning("not-counted", what=self._what, error=str(exc))
            return otherwise
