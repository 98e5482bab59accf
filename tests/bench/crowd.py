"""Many callers without a pause: POST and cancel beside sbatch and scancel on warm SSH, and what they cost."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, TypeVar

from tests.bench import table
from tests.bench.login import Credentials, WarmLogin
from tests.bench.measure import NothingLeft
from tests.bench.meter import Meter
from tests.bench.service import Service
from tests.bench.side import Side, take_turns
from tests.bench.target import Place, Run
from tests.bench.targets import Outcome, at_least, at_most, ratio

CALLERS = 8
_SHARE = 4
"""Callers of a connection: sshd allows it 10 channels by default, and counts one for a moment after its end."""
_LEAST = 0.6
_PROCESSES = 3.0
Job = TypeVar("Job")


@dataclass(frozen=True)
class Caller(Generic[Job]):
    """Who submits, and cancels jobs that this caller, or another one of the account, has submitted."""

    submit: Callable[[], Job]
    abort: Callable[[Job], None]
    held: deque[Job]

    def post(self) -> None:
        """Submit one."""
        self.held.append(self.submit())

    def cancel(self) -> None:
        """Cancel one. Raises NothingLeft."""
        try:
            job = self.held.popleft()
        except IndexError:
            raise NothingLeft from None
        self.abort(job)


def measure(places: Sequence[Place], run: Run, callers: int, meter: Meter) -> list[Outcome]:
    """Measure and print. `places` has a place for each account; `callers` are spread over them.

    Jobs stay, with the run's name and tag.
    """
    who = f"{callers} callers of {len(places)} account{'s' if len(places) > 1 else ''}"
    with ExitStack() as stack:
        ours, bare = _services(stack, places, run, callers), _logins(stack, places, run, callers)
        table.heading(f"{who} at once, who call again as soon as they have their answer:")
        posts = (
            Side("POST /api/jobs", [caller.post for caller in ours], meter),
            Side("sbatch", [caller.post for caller in bare], meter),
        )
        for side in posts:
            side.warm_up()
        take_turns(*posts, seconds=3.0)
        cancels = (
            Side("cancel", [caller.cancel for caller in ours], meter),
            Side("scancel", [caller.cancel for caller in bare], meter),
        )
        take_turns(*cancels, seconds=2.0)
    outcomes = [
        at_least(f"POSTs / sbatch a second, {who}", _LEAST).outcome(_throughput(posts)),
        at_least(f"cancels / scancel a second, {who}", _LEAST).outcome(_throughput(cancels)),
        at_most(f"login node's processes for a POST, {who}", _PROCESSES).outcome(posts[0].processes_each),
    ]
    table.outcomes(outcomes)
    return outcomes


def _throughput(sides: tuple[Side, Side]) -> float:
    ours, bare = (side.load.per_second for side in sides)
    return ratio(ours, bare)


def _services(stack: ExitStack, places: Sequence[Place], run: Run, number: int) -> list[Caller[str]]:
    held: dict[str, deque[str]] = {place.account: deque() for place in places}
    found = []
    for place in islice(cycle(places), number):
        service = stack.enter_context(Service(place, run))
        found.append(Caller(service.submitting(run.name), service.abort, held[place.account]))
    return found


def _logins(stack: ExitStack, places: Sequence[Place], run: Run, number: int) -> list[Caller[int]]:
    """Connect each account as often as its callers need; they share its connections."""
    folder = Path(stack.enter_context(TemporaryDirectory()))
    connections = math.ceil(number / len(places) / _SHARE)
    shared = {place.account: cycle(_connected(stack, place, folder, connections)) for place in places}
    held: dict[str, deque[int]] = {place.account: deque() for place in places}
    found = []
    for place in islice(cycle(places), number):
        login = next(shared[place.account])
        found.append(Caller(partial(login.submit, run.script), login.abort, held[place.account]))
    return found


def _connected(stack: ExitStack, place: Place, folder: Path, number: int) -> list[WarmLogin]:
    room = folder / place.account
    room.mkdir()
    credentials = Credentials.issue(place, room)
    return [stack.enter_context(WarmLogin(place, credentials)) for _ in range(number)]
