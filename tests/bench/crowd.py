"""Callers without a pause between their calls, alone and eight at once: POST beside sbatch on a warm SSH connection."""

from functools import partial
from itertools import cycle

from tests.bench import table
from tests.bench.login import WarmLogin
from tests.bench.measure import Load, side_by_side, together
from tests.bench.place import Run
from tests.bench.service import Service

CALLERS = 8
LOGINS = 2
"""sshd allows 10 channels a connection by default, and counts one for a moment after it was closed: 8 is too near."""
_PASSES = 3
_EACH = 8  # calls of each caller in a pass


def measure(run: Run, services: list[Service], logins: list[WarmLogin]) -> None:
    """Measure and print. `services` are CALLERS connections; `logins` are LOGINS, which the callers share."""
    table.heading("Callers that call again as soon as they have their answer:")
    side_by_side("a first call on each connection, not counted", _posts(run, services), each=1)
    alone = _compare("one caller", run, services[:1], logins, each=3 * _EACH)
    crowd = _compare(f"{CALLERS} callers at once", run, services, logins, each=_EACH)
    table.loads([*alone, *crowd])
    table.heading("Ratios of what is done a second (higher is better):")
    for who, (post, sbatch) in {"one caller": alone, f"{CALLERS} callers": crowd}.items():
        table.ratio(f"POST / sbatch on warm connections, {who}", post.per_second, sbatch.per_second)


def tags(run: Run) -> list[str]:
    """Return the tag of the jobs that are submitted here."""
    return [f"{run.name}-crowd"]


def _compare(who: str, run: Run, services: list[Service], logins: list[WarmLogin], *, each: int) -> tuple[Load, Load]:
    """Let POST and sbatch take turns, a pass each."""
    submits = [partial(login.submit, run.script) for login, _ in zip(cycle(logins), services, strict=False)]
    passes = [
        (
            side_by_side(f"POST /api/jobs, {who}", _posts(run, services), each=each),
            side_by_side(f"sbatch on warm SSH connections, {who}", submits, each=each),
        )
        for _ in range(_PASSES)
    ]
    return together([post for post, _ in passes]), together([sbatch for _, sbatch in passes])


def _posts(run: Run, services: list[Service]) -> list[partial[str]]:
    [tag] = tags(run)
    return [partial(service.submit, tag) for service in services]
