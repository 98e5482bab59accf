"""Verdicts kept for a short time under a keyed digest of the header; the header itself is not kept."""

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
        self._kept: dict[type[Verdict], dict[bytes, _Remembered]] = {Identity: {}, Refusal: {}}

    def digest(self, header: str) -> bytes:
        """Return the key under which the verdict on `header` is kept."""
        return hashlib.blake2b(header.encode("utf-8", "surrogatepass"), key=self._key, digest_size=32).digest()

    def get(self, digest: bytes, state: object, now: datetime) -> Verdict | None:
        """Return the verdict on this header, if it was given under the same `state` of the files and still holds."""
        with self._lock:
            self._follow(state)
            kept = next((verdicts[digest] for verdicts in self._kept.values() if digest in verdicts), None)
        if kept is None or now >= kept.until or self._monotonic() >= kept.forget_at:
            return None
        return kept.verdict

    def keep(self, digest: bytes, state: object, verdict: Verdict, until: datetime) -> None:
        """Keep a verdict until `until` at most. Where the cache is full the oldest verdict of its type goes."""
        with self._lock:
            self._follow(state)
            for verdicts in self._kept.values():
                verdicts.pop(digest, None)
            verdicts = self._kept[type(verdict)]
            while len(verdicts) >= _CAPACITY:
                del verdicts[next(iter(verdicts))]
            verdicts[digest] = _Remembered(verdict, until, self._monotonic() + self._seconds)

    def _follow(self, state: object) -> None:
        """Drop every verdict when the files have changed."""
        if state != self._state:
            self._state = state
            for verdicts in self._kept.values():
                verdicts.clear()
