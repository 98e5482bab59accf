"""Takes times: calls in turn, so that the machine's noise hits all of them alike; and callers side by side."""

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

Call = Callable[[], object]

PAUSE = 0.1  # seconds, in which what a call has left to do is done


class NothingLeft(Exception):
    """A caller has nothing more to do: the pass is over for all of them."""


@dataclass(frozen=True)
class Times:
    """How long one kind of call took, each time it was made."""

    label: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median in milliseconds; NaN of nothing."""
        return statistics.median(self.seconds) * 1000 if self.seconds else float("nan")

    def percentile(self, number: int) -> float:
        """A percentile (1 to 99) in milliseconds, interpolated between the two values around it; NaN of one value."""
        if len(self.seconds) < 2:
            return float("nan")
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[number - 1] * 1000


@dataclass(frozen=True)
class Load:
    """What callers side by side got done: how long each call took, and how many were done a second."""

    times: Times
    per_second: float


def in_turn(
    calls: dict[str, Call], *, rounds: int, at_most: float, each: int = 1, pause: float = PAUSE
) -> dict[str, Times]:
    """Make each of `calls` (by label) `each` times on end in a round; return what the single calls took.

    There are `rounds` rounds, or fewer after `at_most` seconds. Every other round goes backwards, and what a call
    leaves behind has `pause` seconds to end before another kind begins: only calls of its own kind wait for it.
    """
    taken: dict[str, list[float]] = {label: [] for label in calls}
    order = list(calls)
    deadline = time.monotonic() + at_most
    for number in range(rounds):
        for label in order:
            taken[label] += [_timed(calls[label]) for _ in range(each)]
            time.sleep(pause)
        order.reverse()
        if time.monotonic() > deadline and number:
            break
    return {label: Times(label, tuple(seconds)) for label, seconds in taken.items()}


def side_by_side(label: str, callers: Sequence[Call], *, seconds: float) -> Load:
    """Have every one of `callers` call again as soon as it has its answer, all at once, for `seconds`.

    It is over sooner for all where one of them raises NothingLeft: fewer callers would be another load.
    """
    over = threading.Event()
    with ThreadPoolExecutor(max_workers=len(callers)) as pool:
        began = time.perf_counter()
        taken = list(chain.from_iterable(pool.map(lambda call: _again(call, over, began + seconds), callers)))
        return Load(Times(label, tuple(taken)), len(taken) / (time.perf_counter() - began))


def together(label: str, loads: Sequence[Load]) -> Load:
    """Return several passes of the same kind as one."""
    seconds = tuple(chain.from_iterable(load.times.seconds for load in loads))
    total = sum(len(load.times.seconds) / load.per_second for load in loads if load.per_second)
    return Load(Times(label, seconds), len(seconds) / total if total else 0.0)


def _again(call: Call, over: threading.Event, deadline: float) -> list[float]:
    taken = []
    while not over.is_set() and time.perf_counter() < deadline:
        try:
            taken.append(_timed(call))
        except NothingLeft:
            over.set()
    return taken


def _timed(call: Call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
