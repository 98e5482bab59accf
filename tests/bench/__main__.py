"""`make bench`: what a call of the service costs, beside what it replaces, measured in one run on the sandbox."""

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import (
    crowd,
    cycle,
    distance,
    everybody,
    held,
    instance,
    one_by_one,
    proxy_cost,
    reading,
    registry,
    staleness,
    table,
)
from tests.bench.login import Credentials, WarmLogin
from tests.bench.place import Place, Run
from tests.bench.service import connections, remove


def main() -> None:
    """Run the sections that were asked for; whatever happens, nothing of them is left."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="without what needs an instance of its own")
    asked = parser.parse_args()
    began, place = time.monotonic(), Place.from_environment()
    _on_the_sandbox(place)
    proxy_cost.main()
    cycle.measure()
    staleness.measure(place)
    held.measure(place)
    if not asked.short:
        with instance.running(place) as own:
            registry.fill(own)
            reading.measure(own)
            distance.measure(own)
            everybody.measure(own)
    table.heading(f"The benchmarks took {time.monotonic() - began:.0f} s.")


def _on_the_sandbox(place: Place) -> None:
    """Measure the running service; the jobs are cancelled and deleted, and the keys are gone."""
    run = Run()
    with ExitStack() as stack:
        credentials = Credentials.issue(place, Path(stack.enter_context(TemporaryDirectory())))
        logins = [stack.enter_context(WarmLogin(place, credentials)) for _ in range(crowd.LOGINS)]
        services = connections(stack, place, run, crowd.CALLERS)
        stack.callback(_delete_jobs, place, run)
        stack.callback(logins[0].cancel, run.name)
        one_by_one.measure(place, run, credentials, services[0], logins[0])
        crowd.measure(run, services, logins)


def _delete_jobs(place: Place, run: Run) -> None:
    """Remove the run's jobs from the registry, over new connections: the measured ones may be what has failed."""
    with ExitStack() as stack:
        remove(connections(stack, place, run, crowd.CALLERS), [*one_by_one.tags(run), *crowd.tags(run)])


if __name__ == "__main__":
    main()
