"""Many accounts at once: POST beside sbatch on warm SSH connections, and whether every answer is a job."""

from contextlib import ExitStack
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import table
from tests.bench.instance import Instance
from tests.bench.login import Credentials, WarmLogin
from tests.bench.place import Place, Run
from tests.bench.service import Service
from tests.bench.side import Side, take_turns

CALLERS = 50
_EACH = 2  # calls of each caller in a pass
_PASSES = 5


def measure(instance: Instance) -> None:
    """Measure and print. The jobs stay: the accounts are removed with theirs."""
    accounts = len(instance.near)
    table.heading(
        f"{CALLERS} callers at once, of {accounts} accounts, who call again as soon as they have their answer:"
    )
    posted, submitted = Run(), Run()
    with ExitStack() as stack:
        post, sbatch = _posts(stack, instance.near, posted), _logins(stack, instance.near, submitted)
        post.connect()
        sbatch.connect()
        take_turns(post, sbatch, passes=_PASSES, each=_EACH)
    for side, run in ((post, posted), (sbatch, submitted)):
        answers = len(side.callers) + side.calls - len(side.first_failures) - len(side.failures)
        table.line(f"{side.label}: {answers} calls that did not fail, {instance.jobs(run.name)} jobs in SLURM")


def _posts(stack: ExitStack, places: list[Place], run: Run) -> Side:
    services = [Service(place, run) for place, _ in zip(cycle(places), range(CALLERS), strict=False)]
    return Side("POST /api/jobs", [partial(stack.enter_context(service).submit, run.name) for service in services])


def _logins(stack: ExitStack, places: list[Place], run: Run) -> Side:
    """One connection for each account, which its callers share: two or three, fewer than sshd allows."""
    folder = Path(stack.enter_context(TemporaryDirectory()))
    logins = []
    for place in places:
        room = folder / place.account
        room.mkdir()
        logins.append(stack.enter_context(WarmLogin(place, Credentials.issue(place, room))))
    submits = [partial(login.submit, run.script) for login, _ in zip(cycle(logins), range(CALLERS), strict=False)]
    return Side("sbatch, warm SSH", submits)
