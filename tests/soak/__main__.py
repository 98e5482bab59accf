"""`python -m tests.soak [--seconds 600]`: submits under random faults, then counts. Exit code 1 unless all is well."""

import argparse
import random
import sys
import time
from collections import Counter

from tests.live.faults.census import Count
from tests.live.faults.instance import Instance
from tests.soak.load import Load
from tests.soak.mischief import Mischief

_LANES = 4
_USERS = 6
_GRACE = 120  # seconds after the last fault in which every job has to become known
_LEAST = 1000 / 600  # submissions a second


def main() -> int:
    """Run, print the numbers, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="how long things break (default: 600)")
    parser.add_argument("--seed", type=int, default=time.time_ns(), help="repeats the faults of another run, in kind")
    options = parser.parse_args()
    seconds = options.seconds
    print(f"python -m tests.soak --seconds {seconds} --seed {options.seed}", flush=True)
    with Instance("soak", _LANES) as instance:
        load = soak(instance, seconds, random.Random(options.seed))  # noqa: S311 - no secret
        count = counted(instance, load)
        report(load, count, instance)
    is_enough = load.submissions >= seconds * _LEAST
    if not is_enough:
        print(f"too few submissions: {load.submissions} in {seconds} s")
    return 1 if count or not is_enough else 0


def soak(instance: Instance, seconds: int, dice: random.Random) -> Load:
    """Submit and break for so long; return what was submitted, with nothing broken any more."""
    for lane in instance.lanes:
        instance.enable(lane, command_timeout=10)
    load = Load([instance.caller, instance.bob], instance.lanes, _USERS, dice)
    mischief = Mischief(instance, instance.lanes, dice)
    load.start()
    try:
        mischief.until(time.monotonic() + seconds)
    finally:
        mischief.heal()
        load.stop()
    return load


def counted(instance: Instance, load: Load) -> Count:
    """Count until nothing is wrong, for as long as the service may take to find out by itself."""
    deadline = time.monotonic() + _GRACE
    while (count := instance.count(load.posts)) and time.monotonic() < deadline:
        for part in (instance.worker, instance.beat):
            part.revive()
        time.sleep(2)
    return count


def report(load: Load, count: Count, instance: Instance) -> None:
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
    ]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
