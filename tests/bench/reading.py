"""Reading from a full registry: one caller alone, eight at once, and some among others that submit."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from tests.bench import table
from tests.bench.instance import Instance
from tests.bench.measure import Call, Load, Times, in_turn, side_by_side
from tests.bench.registry import FEW, LISTED, MANY, REGISTERED, TAG, readers
from tests.bench.service import Service, listing
from tests.bench.target import Place, Run
from tests.bench.targets import Outcome, at_most, ratio

_ROUNDS, _EACH = 10, 5
_AT_MOST = 20.0  # seconds
_CALLERS, _SUBMITTERS = 8, 2
_SECONDS = 3.0

_FLOOR = "GET /healthz, one SELECT 1"
_ONE = "GET /api/jobs/{id}"
_ALL = f"GET /api/jobs, {LISTED:,} jobs"
_SAME = f"GET /api/jobs, {LISTED:,} jobs, If-None-Match: 304"
_TAGGED = f"GET /api/jobs?tag=, {FEW} jobs of an account with {MANY:,}"
_PAGE = f"GET /api/jobs?limit={FEW}, of an account with {MANY:,}"
_WHOLE = f"GET /api/jobs, {MANY:,} jobs"


def measure(instance: Instance) -> list[Outcome]:
    """Measure and print. The registry has been filled."""
    run = Run()
    listed, many = readers(instance)
    with ExitStack() as stack:
        calls = _calls(stack.enter_context(Service(listed, run)), stack.enter_context(Service(many, run)))
        rare = {_WHOLE: calls.pop(_WHOLE)}
        in_turn(calls, rounds=2, at_most=_AT_MOST)  # not counted: these connect
        taken = in_turn(calls, rounds=_ROUNDS, at_most=_AT_MOST, each=_EACH) | in_turn(rare, rounds=5, at_most=10)
        table.heading(f"{REGISTERED:,} registered jobs, one caller, {_EACH} calls on end of each kind in turn:")
        table.times(taken.values())
        table.heading(f"{_CALLERS} callers at once, of one account:")
        table.loads(_at_once(stack, [listed] * _CALLERS, run))
        table.heading(f"The same while {_SUBMITTERS} others submit, without a pause:")
        table.loads(_among_submitters(stack, [listed] * _CALLERS, instance.near[:_SUBMITTERS], run))
    return _judged(taken)


def _judged(taken: dict[str, Times]) -> list[Outcome]:
    median = {label: times.median for label, times in taken.items()}
    return [
        at_most(f"list of {LISTED:,} jobs, one caller", 25, "ms").outcome(median[_ALL]),
        at_most(f"304 of a list of {LISTED:,} / SELECT 1", 2).outcome(ratio(median[_SAME], median[_FLOOR])),
        at_most("GET one / SELECT 1", 1.7).outcome(ratio(median[_ONE], median[_FLOOR])),
    ]


def _calls(listed: Service, many: Service) -> dict[str, Call]:
    """Return the reads of an account with LISTED jobs and of one with MANY, each seen to be what is meant."""
    whole = listed.getting(listing())()
    jobs = json.loads(whole.body)
    lists = {
        _TAGGED: (FEW, many.getting(listing(tag=TAG))),
        _PAGE: (FEW, many.getting(listing(limit=FEW))),
        _WHOLE: (MANY, many.getting(listing())),
    }
    for label, (number, get) in lists.items():
        if (found := len(json.loads(get().body))) != number:
            raise AssertionError(f"{label}: {found} jobs")
    if len(jobs) != LISTED:
        raise AssertionError(f"{_ALL}: {len(jobs)} jobs")
    return {
        _FLOOR: listed.getting("/healthz"),
        _ONE: listed.getting(f"/api/jobs/{jobs[0]['job_id']}"),
        _ALL: listed.getting(listing()),
        _SAME: listed.getting(listing(), whole.etag),
        **{label: get for label, (_, get) in lists.items()},
    }


def _at_once(stack: ExitStack, places: Sequence[Place], run: Run) -> list[Load]:
    """Have a caller for each of `places` read the list of all, then one job."""
    services = [stack.enter_context(Service(place, run)) for place in places]
    job_id = services[0].jobs(limit=1)[0]["job_id"]
    paths = {_FLOOR: "/healthz", _ONE: f"/api/jobs/{job_id}", _ALL: listing()}
    return [
        side_by_side(label, [service.getting(path) for service in services], seconds=_SECONDS)
        for label, path in paths.items()
    ]


def _among_submitters(stack: ExitStack, places: Sequence[Place], others: Sequence[Place], run: Run) -> list[Load]:
    """Do the same while each of `others` submits."""
    submits = [stack.enter_context(Service(place, run)).submitting(run.name) for place in others]
    with ThreadPoolExecutor(1) as aside:
        beside = aside.submit(partial(side_by_side, "POST /api/jobs", submits, seconds=4 * _SECONDS))
        loads = _at_once(stack, places, run)
        return [*loads, beside.result()]
