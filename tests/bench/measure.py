"""Takes times: calls in turn, so that the machine's noise hits all of them alike; and calls side by side."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

Call = Callable[[], object]


@dataclass(frozen=True)
class Times:
    """How long one kind of call took, each time it was made. `seconds` has two or more values."""

    label: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median in milliseconds."""
        return statistics.median(self.seconds) * 1000

    def percentile(self, number: int) -> float:
        """A percentile (1 to 99) in milliseconds, interpolated between the two values around it."""
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[number - 1] * 1000


@dataclass(frozen=True)
class Load:
    """What callers side by side got done: how long each call took, and how many were done a second."""

    times: Times
    per_second: float


def in_turn(calls: dict[str, Call], *, rounds: int, at_most: float) -> dict[str, Times]:
    """Make each of `calls` (by label) once a round, for `rounds` rounds, or fewer after `at_most` seconds.

    Every other round goes backwards: work that a call leaves behind then does not always hit the same one after it.
    """
    taken: dict[str, list[float]] = {label: [] for label in calls}
    order = list(calls)
    deadline = time.monotonic() + at_most
    for number in range(rounds):
        for label in order:
            taken[label].append(_timed(calls[label]))
        order.reverse()
        if time.monotonic() > deadline and number:
            break
    return {label: Times(label, tuple(seconds)) for label, seconds in taken.items()}


def side_by_side(label: str, callers: Sequence[Call], *, each: int) -> Load:
    """Have every one of `callers` make its call `each` times, one after another, all callers at once."""
    with ThreadPoolExecutor(max_workers=len(callers)) as pool:
        began = time.perf_counter()
        seconds = list(chain.from_iterable(pool.map(lambda call: [_timed(call) for _ in range(each)], callers)))
        return Load(Times(label, tuple(seconds)), len(seconds) / (time.perf_counter() - began))


def together(loads: Sequence[Load]) -> Load:
    """Return several passes of the same kind as one."""
    seconds = tuple(chain.from_iterable(load.times.seconds for load in loads))
    total = sum(len(load.times.seconds) / load.per_second for load in loads)
    return Load(Times(loads[0].times.label, seconds), len(seconds) / total)


def _timed(call: Call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
