"""One rate limit for requests and for refusals: counted in Redis for all processes, and open while Redis is away.

Each key holds the time until which its calls would have lasted, had they come evenly (GCRA, the leaky bucket as a
meter): a minute's worth may come at once, then as many as the rate allows. One script looks at all keys of a call and
writes all or none, so nothing is counted twice or lost between processes, and it costs one exchange with Redis. By
hand, because `limits` (5.8) takes two exchanges for a call that has two keys.
"""

import time
from functools import lru_cache
from typing import NamedTuple

import redis
import structlog
from django.conf import settings

from proxyauth.metrics import NOT_COUNTED
from proxyauth.ratelimit.network import counted_as

log = structlog.get_logger(__name__)

# KEYS: what is counted. ARGV: what to do, then the limit of each key in calls a minute. Returns which key is too fast
# (0: none), and for how many seconds it has to wait. Times are microseconds, which a double holds exactly.
# `acquire` counts the call unless it is too fast, `look` counts nothing, `count` counts it in any case: by then the
# call has happened. A minute's worth is the most that a key can hold, so nobody waits longer than the limit says.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local ends, which, wait = {}, 0, 0
for i, key in ipairs(KEYS) do
  ends[i] = math.max(tonumber(redis.call('GET', key) or 0), now) + 60000000 / ARGV[i + 1]
  if ends[i] - 60000000 - now > wait then
    which, wait = i, ends[i] - 60000000 - now
  end
end
if ARGV[1] == 'count' or (ARGV[1] == 'acquire' and which == 0) then
  for i, key in ipairs(KEYS) do
    local until_then = math.min(ends[i], now + 60000000)
    redis.call('SET', key, string.format('%.0f', until_then), 'PX', math.ceil((until_then - now) / 1000))
  end
end
return {which, math.ceil(wait / 1000000)}
"""
_TIMEOUT = 0.25  # seconds for Redis to answer
_AWAY = 5.0  # seconds for which it is not asked after it did not


class Wait(NamedTuple):
    """Who is too fast, `account` or `address`, and for how many seconds to wait; "" and 0 if the call may go on."""

    kind: str
    seconds: int


_GO_ON = Wait("", 0)


class RateLimiter:
    """Limits what each account and each address may do in a minute; 0 is no limit. Threads share it.

    Methods take the callers by their kind, `account=` and `address=`; "" is nobody. An IPv6 address counts as its /64
    network. None of them raises: while Redis is away everybody may go on, and Redis is left alone for some seconds.
    """

    def __init__(self, url: str, what: str, *, per_account: int = 0, per_address: int = 0) -> None:
        """Count in the Redis at `url`; `what` names the counts in keys, in the log and in /metrics."""
        self._what = what
        self._limits = {"account": per_account, "address": per_address}
        client = redis.Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)
        self._script = client.register_script(_SCRIPT)
        self._asked_again_at = 0.0

    def acquire(self, **callers: str) -> Wait:
        """Count a call and let it go on; or, if somebody is too fast, say who, and count it for nobody."""
        return self._run("acquire", callers)

    def look(self, **callers: str) -> Wait:
        """Return what `acquire` would, without counting."""
        return self._run("look", callers)

    def count(self, **callers: str) -> None:
        """Count a call that has happened."""
        self._run("count", callers)

    def _run(self, verb: str, callers: dict[str, str]) -> Wait:
        kinds = [kind for kind, caller in callers.items() if caller and self._limits[kind] > 0]
        if not kinds:
            return _GO_ON
        keys = [f"proxyauth:{self._what}:{kind}:{_name(kind, callers[kind])}" for kind in kinds]
        which, seconds = self._ask(keys, [verb, *(self._limits[kind] for kind in kinds)])
        return Wait(kinds[which - 1], seconds) if which else _GO_ON

    def _ask(self, keys: list[str], arguments: list[str | int]) -> tuple[int, int]:
        """Run the script; return that nobody is too fast while Redis is away."""
        if time.monotonic() < self._asked_again_at:
            NOT_COUNTED.labels(self._what).inc()
            return 0, 0
        try:
            which, seconds = self._script(keys, arguments)
        except redis.RedisError as exc:
            self._asked_again_at = time.monotonic() + _AWAY
            NOT_COUNTED.labels(self._what).inc()
            log.warning("not-counted", what=self._what, error=str(exc))
            return 0, 0
        return int(which), int(seconds)


def _name(kind: str, caller: str) -> str:
    return counted_as(caller) if kind == "address" else caller


def request_limit() -> RateLimiter:
    """Return the limit of requests that the settings describe."""
    return _limiter(
        settings.CELERY_BROKER_URL, "requests", settings.THROTTLE_PER_ACCOUNT, settings.THROTTLE_PER_ADDRESS
    )


def refusal_limit() -> RateLimiter:
    """Return the limit of refused proxies that the settings describe."""
    return _limiter(settings.CELERY_BROKER_URL, "refusals", 0, settings.PROXY_REFUSALS_PER_MINUTE)


@lru_cache(maxsize=8)
def _limiter(url: str, what: str, per_account: int, per_address: int) -> RateLimiter:
    return RateLimiter(url, what, per_account=per_account, per_address=per_address)
