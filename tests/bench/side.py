"""One way to submit, by callers side by side: how much is done, and what was said where a call came to nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.bench import table
from tests.bench.login import NotSubmitted
from tests.bench.measure import Load, side_by_side, together
from tests.bench.service import UnexpectedAnswer


@dataclass(frozen=True)
class Side:
    """What each caller does. Calls that fail are counted; they do not end the run, of which more is to be seen."""

    label: str
    callers: Sequence[Callable[[], object]]
    first_failures: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    passes: list[Load] = field(default_factory=list)

    def connect(self) -> None:
        """Have every caller make a first call, which may cost a login: no time is kept."""
        self._pass(1, self.first_failures)

    def go(self, each: int) -> None:
        """Have every caller call `each` times, as soon as it has its last answer."""
        self.passes.append(self._pass(each, self.failures))

    @property
    def load(self) -> Load:
        """What was done in all: calls that failed are among the times, not in what was done a second."""
        whole = together(self.passes)
        return Load(whole.times, whole.per_second * (1 - len(self.failures) / self.calls))

    @property
    def calls(self) -> int:
        """How many calls were measured."""
        return sum(len(each.times.seconds) for each in self.passes)

    def confess(self) -> None:
        """Print how many calls failed, if any did, and the words of one."""
        for kind, calls, failures in (
            ("first", len(self.callers), self.first_failures),
            ("measured", self.calls, self.failures),
        ):
            if failures:
                table.line(f"FAILED: {len(failures)} of {calls} {kind} calls of {self.label}: {failures[0][:300]}")

    def _pass(self, each: int, failures: list[str]) -> Load:
        return side_by_side(self.label, [partial(_counted, call, failures) for call in self.callers], each=each)


def take_turns(one: Side, other: Side, *, passes: int, each: int) -> None:
    """Have both submit, a pass each in turn, so that the machine's noise hits both; print what came of it."""
    for _ in range(passes):
        one.go(each)
        other.go(each)
    table.loads([one.load, other.load])
    table.ratio(f"what is done a second: {one.label} / {other.label}", one.load.per_second, other.load.per_second)
    one.confess()
    other.confess()


def _counted(call: Callable[[], object], failures: list[str]) -> None:
    try:
        call()
    except (UnexpectedAnswer, NotSubmitted) as exc:
        failures.append(str(exc))
