"""Prints what was measured, in plain lines: what it is, then figures."""

from collections.abc import Iterable, Mapping

from tests.bench.measure import Load, Times
from tests.bench.targets import Outcome, summary
from tests.bench.targets import ratio as quotient

_WIDTH = 72


def heading(text: str) -> None:
    """Print what the following lines are about."""
    _say(f"\n{text}")


def line(text: str) -> None:
    """Print a remark."""
    _say(text)


def times(rows: Iterable[Times], *, tail: int = 95) -> None:
    """Print the median, the percentile `tail` and the count of each kind of call."""
    _say(f"{'':{_WIDTH}}{'median':>11}{f'p{tail}':>11}{'n':>6}")
    for row in rows:
        _say(f"{row.label:{_WIDTH}}{row.median:8.2f} ms{row.percentile(tail):8.2f} ms{len(row.seconds):6}")


def loads(rows: Iterable[Load]) -> None:
    """Print the throughput, and the times of the single calls, of each kind of load."""
    _say(f"{'':{_WIDTH}}{'a second':>11}{'median':>11}{'p95':>11}{'n':>6}")
    for row in rows:
        one = row.times
        figures = f"{row.per_second:11.1f}{one.median:8.2f} ms{one.percentile(95):8.2f} ms{len(one.seconds):6}"
        _say(f"{one.label:{_WIDTH}}{figures}")


def ratio(label: str, dividend: float, divisor: float) -> None:
    """Print one figure divided by another."""
    _say(f"{label:{_WIDTH}}{quotient(dividend, divisor):11.3f}")


def outcomes(found: Iterable[Outcome]) -> None:
    """Print figures beside their targets."""
    for each in summary(found):
        _say(each)


def kinds(label: str, figures: Mapping[str, float], *, unit: str = "") -> None:
    """Print what each kind has of something, the largest first, and the sum."""
    parts = [f"{name} {figure:.1f}" for name, figure in sorted(figures.items(), key=lambda item: -item[1])]
    _say(f"{label}: {sum(figures.values()):.1f}{unit} = {', '.join(parts)}")


def cost(label: str, figures: Mapping[str, float]) -> None:
    """Print what a piece of work costs: wall and CPU seconds, queries, rows that changed."""
    _say(
        f"{label:{_WIDTH}}{figures['seconds']:8.2f} s{figures['cpu']:8.2f} s"
        f"{figures['queries']:7.0f}{figures['changed']:8.0f}"
    )


def _say(line: str) -> None:
    print(line, flush=True)
