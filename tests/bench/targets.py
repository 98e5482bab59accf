"""PURE. What is asked of the service, and whether what was measured meets it."""

from collections.abc import Iterable
from dataclasses import dataclass

_WIDTH = 66


@dataclass(frozen=True)
class Target:
    """A figure's bound: at most, or at least `bound`; `unit` is that of the figure, empty for a ratio."""

    name: str
    bound: float
    is_least: bool = False
    unit: str = ""

    def outcome(self, figure: float) -> "Outcome":
        """Return what came of it."""
        return Outcome(self, figure)


@dataclass(frozen=True)
class Outcome:
    """A target and what was measured; NaN where nothing could be."""

    target: Target
    figure: float

    @property
    def is_met(self) -> bool:
        """Whether the figure is within the bound, which itself is; what could not be measured is not."""
        bound = self.target.bound
        return self.figure >= bound if self.target.is_least else self.figure <= bound


def at_most(name: str, bound: float, unit: str = "") -> Target:
    """Return a target that is met by `bound` and what is less."""
    return Target(name, bound, unit=unit)


def at_least(name: str, bound: float) -> Target:
    """Return a target that is met by `bound` and what is more."""
    return Target(name, bound, is_least=True)


def ratio(dividend: float, divisor: float) -> float:
    """Divide; NaN by nothing, which meets no target."""
    return dividend / divisor if divisor else float("nan")


def summary(outcomes: Iterable[Outcome]) -> list[str]:
    """Return a line for each: the name, the figure, the bound, and `met` or `missed`."""
    return [_line(outcome) for outcome in outcomes]


def _line(outcome: Outcome) -> str:
    target = outcome.target
    figure, bound = (f"{value:.2f}{target.unit and ' ' + target.unit}" for value in (outcome.figure, target.bound))
    asked = f"{'at least' if target.is_least else 'at most'} {bound}"
    return f"{target.name:{_WIDTH}}{figure:>10}   {asked:18} {'met' if outcome.is_met else 'missed'}"
