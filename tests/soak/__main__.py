"""`python -m tests.soak [--seconds 600] [--calm 120] [--least 60]`: users submit, and everything breaks.

Three phases: nobody attacks; one user attacks; everything breaks at random as well. Then SLURM's jobs are counted
against the registry's and against the answers. Exit code 1 unless nothing is lost, doubled or unknown, and the attacker
makes the others' 99th percentile at most three times as long.
"""

import argparse
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.harness.instance import Instance
from tests.harness.job_audit import Count
from tests.soak.assault import assault
from tests.soak.chaos import Chaos
from tests.soak.load import Load

_CLUSTERS = 4
_ENVIRONMENT = {"REQUESTS_PER_ACCOUNT": "16", "RECOVERY_INTERVAL": "2"}
_USERS = 6  # threads of the two users who work
_GRACE = 120  # seconds after the last fault in which every job has to become known
_LEAST = 1000 / 600  # submissions a second
_MOST = 3.0  # times as long, for the others, beside an attacker
_SAMPLE = 1000  # calls; among fewer the 99th percentile is chance
_WARM = 5.0  # seconds at the beginning of a phase that are not measured


@dataclass(frozen=True)
class Phase:
    """Calls of the users who work that began from `since` until `until` (monotonic seconds), known once `load` ends."""

    name: str
    load: Load
    since: float
    until: float

    @property
    def seconds(self) -> Sequence[float]:
        """How long each call took, the shortest first; what was refused has no end."""
        return self.load.seconds(self.since, self.until)

    @property
    def p99(self) -> float:
        """The 99th percentile, by the nearest rank; NaN where there was no call."""
        seconds = self.seconds
        return seconds[math.ceil(0.99 * len(seconds)) - 1] if seconds else math.nan


@dataclass(frozen=True)
class Comparison:
    """Two phases: `alone`, and beside an attacker."""

    alone: Phase
    beside: Phase

    @property
    def times(self) -> float:
        """How many times as long the 99th percentile is beside the attacker."""
        return self.beside.p99 / self.alone.p99

    @property
    def is_too_much(self) -> bool:
        """Whether the attacker has slowed the others down by too much, as far as so many calls can tell."""
        return len(self.alone.seconds) >= _SAMPLE and not self.times <= _MOST

    def __str__(self) -> str:
        phases = "; ".join(
            f"p99 {phase.name}: {phase.p99:.3f} s of {len(phase.seconds)} calls" for phase in (self.alone, self.beside)
        )
        return f"{phases}; {self.times:.2f} times as long (at most {_MOST:g})"


def main() -> int:
    """Run, print the numbers, and return the exit code."""
    options = arguments()
    print(f"python -m tests.soak --seconds {options.seconds} --calm {options.calm} --seed {options.seed}", flush=True)
    with Instance("soak", users=3, environment=_ENVIRONMENT) as instance:
        load, comparison = soak(instance, options)
        count = counted(instance, load)
        report(load, comparison, count, instance)
    expected = options.least or (options.seconds + 2 * options.calm) * _LEAST
    is_enough = load.submissions >= expected
    if not is_enough:
        print(f"too few submissions: {load.submissions}, not {expected:.0f}")
    return 1 if count or comparison.is_too_much or not is_enough else 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    summary = (__doc__ or "").partition(": ")[2]
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=summary)
    parser.add_argument("--seconds", type=int, default=600, help="how long things break (default: 600)")
    parser.add_argument("--calm", type=int, help="how long each phase before lasts (default: a fifth of --seconds)")
    parser.add_argument("--seed", type=int, default=time.time_ns(), help="repeats the faults of another run, in kind")
    parser.add_argument("--least", type=int, help="go on until so many jobs were ordered, however slow the machine is")
    options = parser.parse_args()
    if options.calm is None:
        options.calm = options.seconds // 5
    return options


def soak(instance: Instance, options: argparse.Namespace) -> tuple[Load, Comparison]:
    """Submit alone, beside an attacker, and while things break; return what was submitted, with all whole again."""
    dice = random.Random(options.seed)  # noqa: S311 - no secret
    clusters = [instance.new_cluster(command_timeout=10) for _ in range(_CLUSTERS)]
    load = Load([instance.caller, instance.bob], clusters, _USERS, dice)
    chaos = Chaos(instance, clusters, dice)
    load.start()
    try:
        alone = measured(load, "alone", options.calm)
        with assault(instance) as attacker:
            comparison = Comparison(alone, measured(load, "beside an attacker", options.calm))
            deadline = time.monotonic() + options.seconds
            chaos.until(deadline, lambda: load.submissions >= (options.least or 0))
            assert attacker.strikes, "no login of the attacker has struck"
    finally:
        chaos.heal()
        load.stop()
    return load, comparison


def measured(load: Load, name: str, seconds: float) -> Phase:
    """Let the users work for so long; return the phase without its first moments."""
    since = time.monotonic() + min(_WARM, seconds / 2)
    time.sleep(seconds)
    return Phase(name, load, since, time.monotonic())


def counted(instance: Instance, load: Load) -> Count:
    """Count until nothing is wrong, for as long as the service may take to find out by itself."""
    deadline = time.monotonic() + _GRACE
    while (count := instance.count(load.posts)) and time.monotonic() < deadline:
        for part in (instance.worker, instance.beat):
            part.revive()
        time.sleep(2)
    return count


def report(load: Load, comparison: Comparison, count: Count, instance: Instance) -> None:
    """Print what came of it."""
    tags = [posted.tag for posted in load.posts]
    codes = Counter(posted.code for posted in load.posts)
    lines = [
        *(f"LOST {words}" for words in count.lost),
        *(f"DOUBLED {words}" for words in count.doubled),
        *(f"UNKNOWN {words}" for words in count.unknown),
        f"answers: {', '.join(f'{number} x {code}' for code, number in codes.most_common())}",
        f"submissions: {load.submissions}",
        f"still looked for, without a job so far: {instance.registry.pending(tags)}",
        f"lost: {len(count.lost)}, doubled: {len(count.doubled)}, unknown: {len(count.unknown)}",
        str(comparison),
    ]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
