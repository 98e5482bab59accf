"""A login node that is far away: POST beside sbatch on a warm SSH connection, both through a delaying relay."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import table
from tests.bench.instance import ROUND_TRIP, Instance
from tests.bench.login import Credentials, WarmLogin
from tests.bench.measure import Call, in_turn
from tests.bench.place import Run
from tests.bench.service import Service

_ROUNDS = 60
_AT_MOST = 40.0  # seconds
_POST = "POST /api/jobs"
_WARM = "sbatch, on a warm SSH connection"
_EMPTY = "a question to sshd that it answers itself: one round trip"


def measure(instance: Instance) -> None:
    """Measure and print."""
    run = Run()
    with ExitStack() as stack:
        credentials = Credentials.issue(instance.far, Path(stack.enter_context(TemporaryDirectory())))
        login = stack.enter_context(WarmLogin(instance.far, credentials))
        service = stack.enter_context(Service(instance.far, run))
        calls: dict[str, Call] = {
            _POST: partial(service.submit, run.name),
            _WARM: partial(login.submit, run.script),
            _EMPTY: login.ask_nothing,
        }
        in_turn(calls, rounds=2, at_most=_AT_MOST)  # not counted: these connect
        taken = in_turn(calls, rounds=_ROUNDS, at_most=_AT_MOST)
    table.heading(f"With {ROUND_TRIP * 1000:.0f} ms of round trip added in front of sshd, each call in turn:")
    table.times(taken.values())
    table.ratio("POST / sbatch on a warm connection, far away", taken[_POST].median, taken[_WARM].median)
