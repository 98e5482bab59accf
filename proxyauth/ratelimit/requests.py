"""How many requests an account and an address may make: a rate in Redis, shared by all processes.

Each key holds when its last request would have ended if requests came evenly (GCRA, the leaky bucket as a meter): a
minute's worth may come at once, then as many as the rate allows. One script looks at both keys and writes both or
none, so nothing is counted twice or lost between processes, and it costs one round trip.
"""

from functools import lru_cache

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from proxyauth.ratelimit.counters import Counters
from proxyauth.ratelimit.network import counted_as

# KEYS: what is counted. ARGV: requests per minute for each. Returns which key is too fast (0: none), and how many
# seconds it has to wait. Times are microseconds, which a double holds exactly.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local ends, which, wait = {}, 0, 0
for i, key in ipairs(KEYS) do
  ends[i] = math.max(tonumber(redis.call('GET', key) or 0), now) + 60000000 / ARGV[i]
  if ends[i] - 60000000 - now > wait then
    which, wait = i, ends[i] - 60000000 - now
  end
end
if which == 0 then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', ends[i]), 'PX', math.ceil((ends[i] - now) / 1000))
  end
end
return {which, math.ceil(wait / 1000000)}
"""


class RequestLimit:
    """Lets `per_account` and `per_address` requests through in a minute; 0 is no limit."""

    def __init__(self, url: str, per_account: int, per_address: int) -> None:
        self._limits = {"account": per_account, "address": per_address}
        self._counters = Counters(url, "requests")
        self._script = self._counters.script(_SCRIPT)

    def seconds_to_wait(self, **callers: str) -> tuple[str, int]:
        """Count a request of this `account` and `address` (either may be empty); of IPv6 addresses the network counts.

        Returns ("", 0) if it may go on, else which of the two is too fast and for how many seconds it has to wait;
        then nothing was counted.
        """
        counted = [kind for kind, caller in callers.items() if caller and self._limits[kind] > 0]
        if not counted:
            return "", 0
        names = {**callers, "address": counted_as(callers.get("address", ""))}
        keys = [f"proxyauth:pace:{kind}:{names[kind]}" for kind in counted]
        limits = [self._limits[kind] for kind in counted]
        which, seconds = self._counters.ask(lambda _: self._script(keys, limits), otherwise=(0, 0))
        return (counted[which - 1], seconds) if which else ("", 0)


class RequestThrottle(BaseThrottle):
    """Asks for the pace of whoever was authenticated; DRF calls it before each view."""

    def allow_request(self, request: Request, view: object) -> bool:  # noqa: ARG002 - DRF's signature
        """Return True, or raise Throttled, which is a 429 with `Retry-After`."""
        account = getattr(request.user, "account", "")
        kind, seconds = pace().seconds_to_wait(account=account, address=request.META.get("REMOTE_ADDR", ""))
        if kind:
            raise Throttled(seconds, f"too many requests of this {kind} in a minute")
        return True


@lru_cache(maxsize=1)
def pace() -> RequestLimit:
    """Return the pace that the settings describe."""
    return RequestLimit(settings.CELERY_BROKER_URL, settings.THROTTLE_PER_ACCOUNT, settings.THROTTLE_PER_ADDRESS)


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    """Tests change settings while the process runs."""
    if setting in {"CELERY_BROKER_URL", "THROTTLE_PER_ACCOUNT", "THROTTLE_PER_ADDRESS"}:
        pace.cache_clear()
