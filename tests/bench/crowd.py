"""Callers without a pause between their calls, alone and eight at once: POST beside sbatch on a warm SSH connection."""

from functools import partial
from itertools import cycle

from tests.bench import table
from tests.bench.login import WarmLogin
from tests.bench.place import Run
from tests.bench.service import Service
from tests.bench.side import Side, take_turns

CALLERS = 8
LOGINS = 2
"""sshd allows 10 channels a connection by default, and counts one for a moment after it was closed: 8 is too near."""
_PASSES = 3
_EACH = 8  # calls of each caller in a pass


def measure(run: Run, services: list[Service], logins: list[WarmLogin]) -> None:
    """Measure and print. `services` are CALLERS connections; `logins` are LOGINS, which the callers share."""
    _compare("One caller that calls", run, services[:1], logins, each=3 * _EACH)
    _compare(f"{CALLERS} callers at once, of one account, who call", run, services, logins, each=_EACH)


def tags(run: Run) -> list[str]:
    """Return the tag of the jobs that are submitted here."""
    return [f"{run.name}-crowd"]


def _compare(who: str, run: Run, services: list[Service], logins: list[WarmLogin], *, each: int) -> None:
    table.heading(f"{who} again as soon as they have their answer:")
    [tag] = tags(run)
    post = Side("POST /api/jobs", [partial(service.submit, tag) for service in services])
    submits = [partial(login.submit, run.script) for login, _ in zip(cycle(logins), services, strict=False)]
    sbatch = Side("sbatch, warm SSH", submits)
    post.connect()
    take_turns(post, sbatch, passes=_PASSES, each=each)
