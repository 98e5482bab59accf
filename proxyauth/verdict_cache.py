"""Verdicts remembered for a short time, under a keyed digest of the header: the header itself is not kept."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from proxyauth.identity import Identity, Refusal

_CAPACITY = 4096
Verdict = Identity | Refusal


@dataclass(frozen=True, slots=True)
class _Remembered:
    verdict: Verdict
    until: datetime
    forget_at: float


class VerdictCache:
    """The verdicts of one state of the files; safe among threads. Each process has its own, and its own digest key.

    Refusals are kept apart, so that a flood of them pushes nobody out.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._key = os.urandom(32)
        self._lock = threading.Lock()
        self._state: object = None
        self._shelves: dict[type[Verdict], dict[bytes, _Remembered]] = {Identity: {}, Refusal: {}}

    def digest(self, header: str) -> bytes:
        """What stands for a header here."""
        return hashlib.blake2b(header.encode("utf-8", "surrogatepass"), key=self._key, digest_size=32).digest()

    def recall(self, digest: bytes, state: object, now: datetime) -> Verdict | None:
        """The verdict on this header, if it was given under the same state of the files and still holds."""
        with self._lock:
            self._follow(state)
            found = next((shelf[digest] for shelf in self._shelves.values() if digest in shelf), None)
        if found is None or now >= found.until or self._monotonic() >= found.forget_at:
            return None
        return found.verdict

    def keep(self, digest: bytes, state: object, verdict: Verdict, until: datetime) -> None:
        """Remember a verdict until `until` at most; the oldest goes where the memory is full."""
        with self._lock:
            self._follow(state)
            for shelf in self._shelves.values():
                shelf.pop(digest, None)
            shelf = self._shelves[type(verdict)]
            while len(shelf) >= _CAPACITY:
                del shelf[next(iter(shelf))]
            shelf[digest] = _Remembered(verdict, until, self._monotonic() + self._seconds)

    def _follow(self, state: object) -> None:
        """Forget everything when the files have changed."""
        if state != self._state:
            self._state = state
            for shelf in self._shelves.values():
                shelf.clear()
