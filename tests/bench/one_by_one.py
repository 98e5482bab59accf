"""One caller, one call after another: the service's calls beside what a person would do without it."""

from functools import partial

from tests.bench import table
from tests.bench.login import Credentials, WarmLogin, submit_cold
from tests.bench.measure import Call, Times, in_turn
from tests.bench.place import Place, Run
from tests.bench.service import Service

LISTED = 50
_ROUNDS = 60
_AT_MOST = 45.0  # seconds

_POST = "POST /api/jobs, on a kept-alive HTTPS connection"
_WARM = "sbatch, on a warm SSH connection (paramiko, TCP_NODELAY)"
_COLD = "ssh HOST sbatch, by the OpenSSH client, a new connection each time"
_GET = "GET /api/jobs/{id}"
_LIST = f"GET /api/jobs?tag=, {LISTED} jobs"
_FLOOR = "GET /healthz, one SELECT 1: the floor of the stack"


def measure(place: Place, run: Run, credentials: Credentials, service: Service, warm: WarmLogin) -> None:
    """Measure and print. Submits jobs with the tags `tags(run)`; making those that are listed warms everything up."""
    posted, listed = tags(run)
    first, *_others = [service.submit(listed) for _ in range(LISTED)]
    submissions: dict[str, Call] = {
        _POST: partial(service.submit, posted),
        _WARM: partial(warm.submit, run.script),
        _COLD: partial(submit_cold, place, credentials, run.script),
    }
    # Apart from submissions: what SLURM, sshd and the service still have to do after one would fall to the next call.
    reads: dict[str, Call] = {
        _GET: partial(service.job, first),
        _LIST: partial(service.jobs, tag=listed),
        _FLOOR: service.health,
    }
    warm.submit(run.script)
    _print(*(in_turn(calls, rounds=_ROUNDS, at_most=_AT_MOST) for calls in (submissions, reads)))


def tags(run: Run) -> list[str]:
    """Return the tags of the jobs that are measured, and of those that are listed."""
    return [f"{run.name}-posted", f"{run.name}-listed"]


def _print(submissions: dict[str, Times], reads: dict[str, Times]) -> None:
    taken = submissions | reads
    table.heading("One caller, each call in turn, round after round; submissions, then reads:")
    table.times(taken.values())
    table.heading("Ratios of the medians:")
    table.ratio("POST / sbatch on a warm connection", taken[_POST].median, taken[_WARM].median)
    table.ratio("POST / ssh with a new connection", taken[_POST].median, taken[_COLD].median)
    table.ratio("GET / SELECT 1", taken[_GET].median, taken[_FLOOR].median)
    table.ratio(f"GET of {LISTED} jobs / SELECT 1", taken[_LIST].median, taken[_FLOOR].median)
