"""Runs the parts of the test suite one after the other, and says in the end what came of each: `python -m tests.run`.

A part runs whatever came of the parts before it. With names of parts it runs only those: `python -m tests.run live`.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]

# Processes side by side: tests that compute share the processors, tests that wait for clusters and clocks do not.
COMPUTING = ("--numprocesses=auto", "--maxprocesses=7", "--dist=worksteal")
WAITING = ("--numprocesses=6", "--dist=loadgroup", "--no-loadscope-reorder", "-p", "tests.harness.grouping")
COVERAGE = ("--cov", "--cov-report=term:skip-covered")
# What runs on the sandbox is about its own Redis: `tests.settings` would give each process another database of it.
ON_SANDBOX = (
    "--ds=submitter.settings",
    *("tests/live", "tests/deploy", "tests/server", "tests/browser", "tests/schema"),
    *("--ignore=tests/live/attacks", "--ignore=tests/live/faults"),
)

# Each process has an instance of the service of its own, and nothing is shared but the sandbox's daemons.
INSTANCES = ("--ds=submitter.settings", "--dist=worksteal", "--durations=20")

# The arguments of pytest for each part, in the order in which they run.
PARTS = {
    "unit": (*COMPUTING, *COVERAGE, "--durations=20", "tests/unit", "tests/api"),
    "live": (*WAITING, "--durations=20", "-m", "not alone and not apart", *ON_SANDBOX),
    "alone": (*WAITING, "--durations=20", "-m", "alone or apart", *ON_SANDBOX),
    "attacks": (*INSTANCES, "--numprocesses=3", "tests/live/attacks"),
    "faults": (*INSTANCES, "--numprocesses=4", "tests/live/faults"),
}

# What runs with PostgreSQL and Redis of its own, which need not keep anything, or with those that DATABASE_URL and
# REDIS_URL name; not with the sandbox's, which are kept as a site keeps its own.
WITH_OWN_SERVICES = {"unit"}


@dataclass(frozen=True)
class Outcome:
    """What came of a part: pytest's exit code, its last line, and how many seconds it took."""

    part: str
    code: int
    summary: str
    seconds: float


def main() -> int:
    """Run the parts that the command line names, or all of them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them if none is named")
    wanted = parser.parse_args().parts or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    outcomes = [run(part) for part in wanted]
    print("\nThe parts of the test suite:")
    for outcome in outcomes:
        print(f"  {outcome.part:8} {outcome.seconds:6.0f} s  {outcome.summary}")
    print(f"Tests took {sum(outcome.seconds for outcome in outcomes):.0f} s")
    return 1 if any(outcome.code for outcome in outcomes) else 0


def run(part: str) -> Outcome:
    """Run one part, and pass on what pytest prints."""
    print(f"\nTests: {part}", flush=True)
    began, summary = time.monotonic(), ""
    command, environment = [sys.executable, "-m", "pytest", *PARTS[part]], dict(os.environ)
    if part in WITH_OWN_SERVICES:
        command[1:1] = ["-m", "tests.harness.services", sys.executable]
        if "SANDBOX_LOGS" in environment:
            environment = {
                name: value for name, value in environment.items() if name not in {"DATABASE_URL", "REDIS_URL"}
            }
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as pytest:
        assert pytest.stdout
        for line in pytest.stdout:
            print(line, end="", flush=True)
            summary = line.strip(" =\n") or summary
    return Outcome(part, pytest.returncode, summary, time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
