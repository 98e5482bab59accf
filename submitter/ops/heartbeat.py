"""A sign of life of beat, the broker and a worker at once: beat orders it, a worker writes the time into Redis."""

import time

import redis
from django.conf import settings

EVERY = 10.0  # seconds
LATE = 60.0
_KEY = "submitter:heartbeat"
_TIMEOUT = 1.0


def client() -> redis.Redis:
    """Return a connection to Redis that waits for no more than a second. Usable as a context."""
    return redis.Redis.from_url(settings.CELERY_BROKER_URL, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)


def beat() -> None:
    """Write down that this moment was reached. Raises RedisError."""
    with client() as connection:
        connection.set(_KEY, time.time())


def last(connection: redis.Redis) -> float | None:
    """Return when it was last written (seconds of the epoch); None if never, or Redis was emptied since."""
    value = connection.get(_KEY)
    return float(value) if isinstance(value, bytes) else None
