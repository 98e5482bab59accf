"""One caller, near the login node or far from it: POST and cancel beside sbatch and scancel on warm SSH."""

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from tests.bench import table
from tests.bench.instance import ROUND_TRIP
from tests.bench.login import Credentials, WarmLogin, submit_cold
from tests.bench.measure import PAUSE, Call, Times, in_turn
from tests.bench.service import Service
from tests.bench.target import Place, Run
from tests.bench.targets import Outcome, at_most, ratio

_ROUNDS, _EACH = 12, 5
_RARE = 12  # rounds of single calls
_AT_MOST = 30.0  # seconds
_POST, _SBATCH = "POST /api/jobs", "sbatch, warm SSH"
_COLD = "ssh HOST sbatch, by the OpenSSH client, a new connection each time"
_ABORT, _SCANCEL = 'PUT /api/jobs/{id} {"action":"abort"}', "scancel, warm SSH"
_EMPTY = "a question to sshd that it answers itself: one round trip"
Job = TypeVar("Job")
_FAR = f"with {ROUND_TRIP * 1000:.0f} ms"


@dataclass(frozen=True)
class _Bounds:
    """How often as long a call may take as the bare command `where` the login node is."""

    where: str
    post: float
    cancel: float


def measure_near(place: Place, run: Run) -> list[Outcome]:
    """Measure and print on loopback; the jobs that are left have the run's name and, for the service's, its tag."""
    return _measure("on loopback", place, run, _Bounds("loopback", 1.5, 2))


def measure_far(place: Place, run: Run) -> list[Outcome]:
    """Measure and print at a login node that is behind a relay."""
    return _measure(f"{_FAR} of round trip added in front of sshd", place, run, _Bounds(_FAR, 0.5, 0.6))


def _measure(where: str, place: Place, run: Run, bounds: _Bounds) -> list[Outcome]:
    with ExitStack() as stack:
        credentials = Credentials.issue(place, Path(stack.enter_context(TemporaryDirectory())))
        login = stack.enter_context(WarmLogin(place, credentials))
        service = stack.enter_context(Service(place, run))
        posted: deque[str] = deque()
        submitted: deque[int] = deque()
        post: Call = partial(_keep, posted, service.submitting(run.name))
        sbatch: Call = partial(_keep, submitted, partial(login.submit, run.script))
        posts = {_POST: post, _SBATCH: sbatch}
        cancels = {_ABORT: _each(posted, service.abort), _SCANCEL: _each(submitted, login.abort)}
        others: dict[str, Call] = {
            _COLD: partial(submit_cold, place, credentials, run.script),
            _EMPTY: login.ask_nothing,
        }
        in_turn(posts, rounds=2, at_most=_AT_MOST, each=2)  # not counted: these connect
        table.heading(f"One caller {where}; {_EACH} calls on end of each kind in turn:")
        at_once = in_turn(posts, rounds=_ROUNDS, at_most=_AT_MOST, each=_EACH)
        at_once |= in_turn(cancels, rounds=_ROUNDS, at_most=_AT_MOST, each=_EACH)
        outcomes = _compare(at_once, bounds, "at once")
        table.heading(f"The same caller, a single call now and then, {PAUSE * 1000:.0f} ms after another one's end:")
        rare = in_turn(posts | others, rounds=_RARE, at_most=_AT_MOST)
        rare |= in_turn(cancels, rounds=_RARE, at_most=_AT_MOST)
        return [*outcomes, *_compare(rare, bounds, "now and then")]


def _compare(taken: dict[str, Times], bounds: _Bounds, when: str) -> list[Outcome]:
    """Print, and return what came of it."""
    posts = at_most(f"POST / sbatch, one caller {when}, {bounds.where}", bounds.post)
    cancels = at_most(f"cancel / scancel, one caller {when}, {bounds.where}", bounds.cancel)
    outcomes = [
        posts.outcome(ratio(taken[_POST].median, taken[_SBATCH].median)),
        cancels.outcome(ratio(taken[_ABORT].median, taken[_SCANCEL].median)),
    ]
    table.times(taken.values())
    table.outcomes(outcomes)
    return outcomes


def _keep(jobs: deque[Job], submit: Callable[[], Job]) -> None:
    jobs.append(submit())


def _each(jobs: deque[Job], cancel: Callable[[Job], None]) -> Call:
    """Return what cancels the next one of `jobs`, of which there are enough."""
    return lambda: cancel(jobs.popleft())
