"""The benchmarks' summary: what is met, and what is not."""

import math
import time

import pytest

from tests.bench.measure import Load, NothingLeft, Times, side_by_side, together
from tests.bench.targets import Outcome, Target, at_least, at_most, ratio, summary


@pytest.mark.parametrize(
    ("target", "figure", "is_met"),
    [
        (at_most("x", 1.5), 1.5, True),
        (at_most("x", 1.5), 1.51, False),
        (at_least("x", 0.6), 0.6, True),
        (at_least("x", 0.6), 0.59, False),
        (at_most("x", 3), math.nan, False),
        (at_least("x", 3), math.nan, False),
    ],
)
def test_a_target_is_met_by_its_bound_and_never_by_what_was_not_measured(
    target: Target, figure: float, is_met: bool
) -> None:
    assert target.outcome(figure).is_met is is_met


def test_nothing_divided_by_nothing_is_not_measured() -> None:
    assert math.isnan(ratio(1, 0))


def test_each_target_has_its_line() -> None:
    outcomes: list[Outcome] = [
        at_most("POST / sbatch", 1.5).outcome(2.9),
        at_least("POSTs a second", 0.6).outcome(0.61),
        at_most("list", 25, "ms").outcome(12),
    ]
    assert [line.split() for line in summary(outcomes)] == [
        ["POST", "/", "sbatch", "2.90", "at", "most", "1.50", "missed"],
        ["POSTs", "a", "second", "0.61", "at", "least", "0.60", "met"],
        ["list", "12.00", "ms", "at", "most", "25.00", "ms", "met"],
    ]


def test_passes_are_one_whole_in_which_the_longer_one_counts_for_more() -> None:
    fast, slow = Load(Times("x", (0.1,) * 10), 10.0), Load(Times("x", (1.0,) * 9), 1.0)
    assert together("x", [fast, slow]).per_second == pytest.approx(1.9)
    assert together("x", []).per_second == 0


def test_a_pass_is_over_for_all_when_one_caller_has_nothing_left() -> None:
    jobs, calls = [1, 2, 3], [0]

    def take() -> None:
        if not jobs:
            raise NothingLeft
        jobs.pop()

    def go_on() -> None:
        time.sleep(0.001)
        calls.append(0)
        assert len(calls) < 1000, "it goes on alone"

    load = side_by_side("x", [take, go_on], seconds=60)
    assert (len(load.times.seconds), jobs) == (3 + len(calls) - 1, [])
