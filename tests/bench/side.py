"""One way to do a thing, by callers side by side: how much is done, what that costs, and what came to nothing."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.bench import table
from tests.bench.login import NotCancelled, NotSubmitted
from tests.bench.measure import Load, side_by_side, together
from tests.bench.meter import Meter, Used
from tests.bench.service import UnexpectedAnswer
from tests.bench.targets import ratio
from tests.bench.wire import BrokenAnswer

_WARM_UP = 1.5  # seconds


@dataclass(frozen=True)
class Side:
    """What each caller does. Calls that fail are counted; they do not end the run, of which more is to be seen."""

    label: str
    callers: Sequence[Callable[[], object]]
    meter: Meter
    failures: list[str] = field(default_factory=list)
    passes: list[Load] = field(default_factory=list)
    costs: list[Used] = field(default_factory=list)

    def warm_up(self) -> None:
        """Have every caller call, which may cost logins: nothing of it is kept but what failed."""
        self._pass(_WARM_UP)
        self._confess("first")
        self.failures.clear()

    def go(self, seconds: float) -> None:
        """Have every caller call for so long, as soon as it has its last answer."""
        with self.meter.running() as used:
            self.passes.append(self._pass(seconds))
        self.costs.append(used)

    @property
    def load(self) -> Load:
        """What was done in all: calls that failed are among the times, not in what was done a second."""
        whole = together(self.label, self.passes)
        return Load(whole.times, whole.per_second * self.done / max(self.calls, 1))

    @property
    def calls(self) -> int:
        """How many calls were measured."""
        return sum(len(each.times.seconds) for each in self.passes)

    @property
    def done(self) -> int:
        """How many of them did not fail."""
        return self.calls - len(self.failures)

    @property
    def processes_each(self) -> float:
        """How many processes the login node has started for each call that did not fail; NaN where that is unknown."""
        if any(cost.uncounted for cost in self.costs) or not self.done:
            return float("nan")
        return sum(cost.processes.total() for cost in self.costs) / self.done

    @property
    def milliseconds_each(self) -> float:
        """How much processor time of all kinds a call that did not fail has taken; NaN where none was done."""
        return ratio(sum(sum(cost.milliseconds.values()) for cost in self.costs), self.done)

    def tell(self) -> None:
        """Print what a call that did not fail has cost, and how many calls failed, with the words of one."""
        self._confess("measured")
        if not self.done:
            return
        started: Counter[str] = Counter()
        spent: Counter[str] = Counter()
        for cost in self.costs:
            started.update(cost.processes)
            spent.update(cost.milliseconds)
        table.kinds(f"  {self.label}: processes on the login node", _each(started, self.done))
        table.kinds(f"  {self.label}: processor", _each(spent, self.done), unit=" ms")
        for why in {cost.uncounted for cost in self.costs} - {""}:
            table.line(f"  {self.label}: processes were not counted: {why}")

    def _confess(self, kind: str) -> None:
        if self.failures:
            table.line(f"FAILED: {len(self.failures)} {kind} calls of {self.label}: {self.failures[0][:300]}")

    def _pass(self, seconds: float) -> Load:
        callers = [partial(_counted, call, self.failures) for call in self.callers]
        return side_by_side(self.label, callers, seconds=seconds)


def take_turns(one: Side, other: Side, *, seconds: float, passes: int = 3) -> None:
    """Have both work, a pass of so many seconds each in turn, so that the machine's noise hits both; and print."""
    for _ in range(passes):
        one.go(seconds)
        other.go(seconds)
    table.loads([one.load, other.load])
    for side in (one, other):
        side.tell()
    # Where processors are what is short, this is the ratio of what is done a second, whoever else is on the machine.
    table.ratio(f"  processor time: {other.label} / {one.label}", other.milliseconds_each, one.milliseconds_each)


def _each(total: Counter[str], calls: int) -> dict[str, float]:
    """Divide by the number of calls, and leave out what is next to nothing."""
    return {name: amount / calls for name, amount in total.items() if amount / calls >= 0.05}


def _counted(call: Callable[[], object], failures: list[str]) -> None:
    try:
        call()
    except (UnexpectedAnswer, BrokenAnswer, NotSubmitted, NotCancelled) as exc:
        failures.append(str(exc))
