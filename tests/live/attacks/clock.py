"""Time as the service counts it: in the polls that its beat has ordered."""

import time
from collections.abc import Callable
from typing import TypeVar

from tests.harness.daemon import Daemon
from tests.harness.waiting import NotInTime, eventually

T = TypeVar("T")

_PAUSE = 0.1  # seconds
_END = 300  # seconds after which the clock itself has stopped


class Clock:
    """Counts the orders of an instance's `beat`, one a second: where the machine is slow, this clock is slow too."""

    def __init__(self, beat: Daemon) -> None:
        self._beat = beat
        eventually(lambda: self.ticks, "beat orders polls")

    @property
    def ticks(self) -> int:
        """How many orders to poll there were so far."""
        return self._beat.log.read_bytes().count(b"Sending due task poll-clusters")

    def within(self, ticks: int, look: Callable[[], T | None], what: str, *, since: int | None = None) -> T:
        """Look again and again until there is something, and return it.

        Raises NotInTime with `what` once more than `ticks` have passed, counted from `since`, or else from now.
        """
        began = self.ticks if since is None else since
        stopped = time.monotonic() + _END
        while not (found := look()):
            passed = self.ticks - began
            if passed > ticks or time.monotonic() > stopped:
                raise NotInTime(f"not within {ticks} ticks ({passed} have passed): {what}")
            time.sleep(_PAUSE)
        return found
