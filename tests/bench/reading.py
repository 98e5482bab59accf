"""Reading from a full registry: one caller alone, then among others that read and submit."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import chain

from tests.bench import table
from tests.bench.instance import Instance
from tests.bench.measure import Call, Times, in_turn
from tests.bench.place import Place, Run
from tests.bench.registry import FEW, MANY, REGISTERED, TAG
from tests.bench.service import Service

_ROUNDS = 60
_WHOLE_ROUNDS = 8
_AT_MOST = 30.0  # seconds
_READERS, _SUBMITTERS = 6, 2

_FLOOR = "GET /healthz, one SELECT 1"
_ONE = "GET /api/jobs/{id}"
_ALL = f"GET /api/jobs, of an account with {FEW} jobs"
_TAGGED = f"GET /api/jobs?tag=, {FEW} jobs of an account with {MANY:,}"
_PAGE = f"GET /api/jobs?limit={FEW}, of an account with {MANY:,}"
_WHOLE = f"GET /api/jobs, of an account with {MANY:,} jobs"


def measure(instance: Instance) -> None:
    """Measure and print. The registry has been filled."""
    run = Run()
    with ExitStack() as stack:
        calls = _calls(stack, instance, run)
        in_turn(calls, rounds=2, at_most=_AT_MOST)  # not counted: these connect
        idle = in_turn(calls, rounds=_ROUNDS, at_most=_AT_MOST)
        whole = in_turn({_WHOLE: _whole(stack, instance, run)}, rounds=_WHOLE_ROUNDS, at_most=_AT_MOST)
        busy = _under_load(stack, instance, run)
    table.heading(f"{REGISTERED:,} registered jobs, one caller, each call in turn:")
    table.times([*idle.values(), *whole.values()])
    table.ratio("GET of one job / SELECT 1", idle[_ONE].median, idle[_FLOOR].median)
    table.heading(f"The same while {_READERS} callers read and {_SUBMITTERS} submit, without a pause:")
    table.times(busy.values(), tail=99)
    table.heading("p99 under load / median alone:")
    for label, times in busy.items():
        table.ratio(label, times.percentile(99), idle[label].median)


def _calls(stack: ExitStack, instance: Instance, run: Run) -> dict[str, Call]:
    few, many = (stack.enter_context(Service(place, run)) for place in instance.near[:2])
    return {
        _FLOOR: few.health,
        _ONE: partial(few.job, few.jobs()[0]["job_id"]),
        _ALL: partial(_counted, few.jobs, FEW),
        _TAGGED: partial(_counted, partial(many.jobs, tag=TAG), FEW),
        _PAGE: partial(_counted, partial(many.jobs, limit=FEW), FEW),
    }


def _whole(stack: ExitStack, instance: Instance, run: Run) -> Call:
    many = stack.enter_context(Service(instance.near[1], run))
    return partial(_counted, many.jobs, MANY)


def _counted(jobs: Callable[[], list[object]], expected: int) -> None:
    """Read a list, and see that it is the one that is meant. Raises AssertionError."""
    found = len(jobs())
    if found != expected:
        raise AssertionError(f"{found} jobs were listed, not {expected}")


def _under_load(stack: ExitStack, instance: Instance, run: Run) -> dict[str, Times]:
    """Have readers make every call in turn while others submit; return the readers' times."""
    readers = [_calls(stack, instance, run) for _ in range(_READERS)]
    done = threading.Event()
    with ThreadPoolExecutor(max_workers=_READERS + _SUBMITTERS) as pool:
        submitters = [pool.submit(_submit_until, done, place, run) for place in instance.near[2 : 2 + _SUBMITTERS]]
        try:
            taken = list(pool.map(lambda calls: in_turn(calls, rounds=_ROUNDS, at_most=_AT_MOST), readers))
        finally:
            done.set()
        for submitter in submitters:
            submitter.result()
    return {
        label: Times(label, tuple(chain.from_iterable(each[label].seconds for each in taken))) for label in taken[0]
    }


def _submit_until(done: threading.Event, place: Place, run: Run) -> None:
    with Service(place, run) as service:
        while not done.is_set():
            service.submit(run.name)
