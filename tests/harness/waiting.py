"""Waiting with an end: every wait of these tests has a deadline and a name."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE = 0.05  # seconds


class NotInTime(AssertionError):
    """What was waited for did not come."""


def eventually(look: Callable[[], T | None], what: str, *, seconds: float = 30) -> T:
    """Look again and again until there is something, and return it. Raises NotInTime with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {seconds:g} s: {what}")
        time.sleep(_PAUSE)
    return found
