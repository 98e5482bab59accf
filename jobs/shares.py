"""How much of one process each caller may hold at once: requests, waits, large bodies."""

from collections import Counter
from threading import Lock
from types import TracebackType
from typing import Self


class ShareTaken(Exception):
    """Too much of one kind is held at once. The caller may ask again in `retry_after` seconds."""

    retry_after = 1


class OwnShareTaken(ShareTaken):
    """The caller holds as much as one caller may."""


class AllTaken(ShareTaken):
    """All callers together hold as much as the process has for them."""


class Share:
    """One place that a caller holds until it is given back. Usable as a context manager."""

    def __init__(self, shares: "Shares", holder: str) -> None:
        self._shares = shares
        self._holder = holder
        self._held = True

    def give_back(self) -> None:
        """Give the place back; a second time changes nothing."""
        held, self._held = self._held, False
        if held:
            self._shares.take_back(self._holder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.give_back()


class Shares:
    """The places of one kind in this process, and who holds how many of them."""

    def __init__(self, kind: str) -> None:
        """Name what is held, in the plural: refusals say it."""
        self._kind = kind
        self._held: Counter[str] = Counter()
        self._lock = Lock()

    def take(self, holder: str, *, each: int, most: int | None = None) -> Share:
        """Let `holder` have one place more, of which one may have `each` and all together `most`.

        Raises OwnShareTaken or AllTaken at once: nobody waits for a place.
        """
        with self._lock:
            if self._held[holder] >= each:
                raise OwnShareTaken(f"too many {self._kind} at once for one account (at most {each}); try again")
            if most is not None and self._held.total() >= most:
                raise AllTaken(f"the service has too many {self._kind} at once; try again")
            self._held[holder] += 1
        return Share(self, holder)

    def take_back(self, holder: str) -> None:
        """Count one place less for `holder`."""
        with self._lock:
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]

    def held(self) -> dict[str, int]:
        """Return how many places each holder has now; who has none is not in it."""
        with self._lock:
            return dict(+self._held)
