"""`make bench`: what a call of the service costs, beside what it replaces, measured in one run on the sandbox.

Exits 0 whether the targets are met or not: whoever reads it decides.
"""

import argparse
import os
import pwd
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import accounting, alone, crowd, cycle, held, instance, proxy_cost, reading, registry, staleness, table
from tests.bench.instance import Instance
from tests.bench.login import Credentials, WarmLogin
from tests.bench.meter import Meter
from tests.bench.service import connections, remove
from tests.bench.target import Place, Run
from tests.bench.targets import Outcome

MANY, ACCOUNTS = 50, 20  # callers, and whose they are
Section = Callable[[Place, Instance | None], list[Outcome]]


def main() -> None:
    """Run the sections that were asked for; whatever happens, nothing of them is left."""
    asked = _arguments()
    began, place = time.monotonic(), Place.from_environment()
    outcomes: list[Outcome] = []
    load, processors = os.getloadavg()[0], os.cpu_count()
    table.line(f"{processors} processors, load average {load:.1f} before it began: other work makes every time longer.")
    with ExitStack() as stack:
        needed = not asked.short and any(name in _OWN for name in asked.only)
        own = stack.enter_context(instance.running(place)) if needed else None
        for name in asked.only:
            start = time.monotonic()
            outcomes += _SECTIONS[name](place, own)
            table.line(f"({name}: {time.monotonic() - start:.0f} s)")
    table.heading(f"The benchmarks took {time.monotonic() - began:.0f} s.")
    if outcomes:
        table.heading("Targets:")
        table.outcomes(outcomes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="without what needs an instance of its own")
    names = ", ".join(_SECTIONS)
    parser.add_argument(
        "--only", nargs="+", choices=_SECTIONS, metavar="SECTION", default=list(_SECTIONS), help=f"of {names}"
    )
    return parser.parse_args()


def _writes(place: Place, own: Instance | None) -> list[Outcome]:
    if own:
        return [*alone.measure_near(own.near[0], Run()), *alone.measure_far(own.far, Run())]
    with _removed(place) as run:
        return alone.measure_near(place, run)


def _crowd(place: Place, own: Instance | None) -> list[Outcome]:
    if own:
        with _meter(own.near) as meter:
            few = crowd.measure(own.near[:1], Run(), crowd.CALLERS, meter)
            many = crowd.measure(own.near[:ACCOUNTS], Run(), MANY, meter)
        own.cancel_all()
        return [*few, *many]
    with _removed(place) as run, _meter([place]) as meter:
        return crowd.measure([place], run, crowd.CALLERS, meter)


def _lists(_place: Place, own: Instance | None) -> list[Outcome]:
    if not own:
        return []
    registry.fill(own)
    return reading.measure(own)


def _proxies(_place: Place, _own: Instance | None) -> list[Outcome]:
    proxy_cost.main()
    return []


def _polling(place: Place, _own: Instance | None) -> list[Outcome]:
    cycle.measure()
    held.measure(place)
    return []


def _staleness(place: Place, _own: Instance | None) -> list[Outcome]:
    staleness.measure(place)
    return []


# The registry of an own instance is filled after the crowd: nobody there has a hundred thousand jobs yet.
_SECTIONS: dict[str, Section] = {
    "proxies": _proxies,
    "polling": _polling,
    "staleness": _staleness,
    "writes": _writes,
    "crowd": _crowd,
    "lists": _lists,
}
_OWN = ("writes", "crowd", "lists")  # run on an own instance, unless that is not wanted


@contextmanager
def _meter(places: Sequence[Place]) -> Iterator[Meter]:
    """Count what the places' accounts start."""
    uids = {pwd.getpwnam(place.account).pw_uid for place in places}
    with TemporaryDirectory() as folder, accounting.kept(Path(folder)) as accounts:
        yield Meter(accounts, uids)


@contextmanager
def _removed(place: Place) -> Iterator[Run]:
    """Yield a run of the sandbox's own service; its jobs are cancelled and removed afterwards, over new connections."""
    run = Run()
    try:
        yield run
    finally:
        with ExitStack() as stack:
            credentials = Credentials.issue(place, Path(stack.enter_context(TemporaryDirectory())))
            stack.enter_context(WarmLogin(place, credentials)).cancel(run.name)
            remove(connections(stack, place, run, crowd.CALLERS), [run.name])


if __name__ == "__main__":
    main()
