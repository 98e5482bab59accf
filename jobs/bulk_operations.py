"""What operators order for many jobs at once: kept as rows, worked off in slices, so that it survives every restart."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from audit import operators
from clusters.errors import ClusterError, Failed, Refused, TimedOut
from jobs import actions, locks
from jobs.models import Errand, Job, Source, Step, Verb
from jobs.sync import refresh

log = structlog.get_logger(__name__)

SLICE = 10.0  # seconds: another errand waits for no longer
_FORGOTTEN = timedelta(days=7)


@dataclass(frozen=True)
class Progress:
    """How far an errand is, in jobs."""

    total: int
    done: int
    failed: int

    @property
    def over(self) -> bool:
        """Whether no job is left to do."""
        return self.done + self.failed == self.total


@transaction.atomic
def order(verb: Verb, jobs: Iterable[Job], operator: User, address: str) -> Errand:
    """Write down what is to be done to `jobs`; nothing is done yet."""
    errand = Errand.objects.create(verb=verb, operator=operator, address=address)
    Step.objects.bulk_create([Step(errand=errand, job=job) for job in jobs], batch_size=500)
    return errand


def progress(errand: Errand) -> Progress:
    """Return how far `errand` is."""
    counts = dict(errand.steps.order_by().values_list("state").annotate(Count("pk")))
    done, failed = counts.get(Step.State.DONE, 0), counts.get(Step.State.FAILED, 0)
    return Progress(sum(counts.values()), done, failed)


def unfinished() -> list[UUID]:
    """Return the errands with jobs that wait, such as those whose worker has died."""
    return list(Errand.objects.filter(steps__state=Step.State.WAITING).values_list("pk", flat=True).distinct())


def forget() -> None:
    """Remove old errands: what they did stands in the jobs' history."""
    Errand.objects.filter(created_at__lt=timezone.now() - _FORGOTTEN).exclude(steps__state=Step.State.WAITING).delete()


def work(pk: UUID, seconds: float = SLICE) -> bool:
    """Do a slice of the errand `pk`; say whether jobs are left for which nobody else is working."""
    with locks.alone(locks.Subject.ERRAND, str(pk)) as free:
        if not free:
            return False
        deadline = time.monotonic() + seconds
        steps = Step.objects.filter(errand=pk, state=Step.State.WAITING).order_by("id")
        steps = steps.select_related("job__cluster", "errand__operator")
        slow: set[str] = set()  # accounts whose login did not answer: their other jobs come last
        while time.monotonic() < deadline:
            step = steps.exclude(job__account__in=slow).first() or steps.first()
            if step is None:
                return False
            if not _do(step):
                slow.add(step.job.account)
        return True


def _do(step: Step) -> bool:
    """Do one step and write it down; return False where the account's login did not answer."""
    answered, fault = True, None
    try:
        outcome = _abort(step) if step.errand.verb == Verb.ABORT else _refresh(step)
        step.state, step.outcome = Step.State.DONE, outcome
    except (ClusterError, ValueError) as exc:
        answered, fault = isinstance(exc, ValueError | Failed), exc
        step.state, step.outcome = Step.State.FAILED, f"{type(exc).__name__}: {exc}"
    _write_down(step, _word(fault))
    return answered


def _word(fault: Exception | None) -> str:
    """Return the audit log's word for what came of a step."""
    match fault:
        case None:
            return "done"
        case Refused():
            return "refused"
        case TimedOut():
            return "unknown"
        case _:
            return "failed"


def _abort(step: Step) -> str:
    actions.abort(step.job, Source.OPERATOR, by=step.errand.operator.get_username())
    step.job.refresh_from_db()
    return step.job.status


def _refresh(step: Step) -> str:
    """Ask SLURM. Raises ClusterError where no answer came, which `refresh` itself leaves to `checked_at`."""
    before = timezone.now()
    refresh.refresh(step.job)
    step.job.refresh_from_db()
    if step.job.checked_at is None or step.job.checked_at < before:
        raise ClusterError("the cluster did not answer")
    return step.job.status


@transaction.atomic
def _write_down(step: Step, outcome: str) -> None:
    """Keep the outcome, and who had it done, in the job's own history and in the audit log."""
    step.save(update_fields=["state", "outcome"])
    errand, job = step.errand, step.job
    operators.tell(
        errand.operator,
        job,
        f"{errand.verb} from {errand.address or 'an unknown address'}: {step.state}, {step.outcome}",
        action=str(errand.verb),
        outcome=outcome,
        subject=job.job_id,
        account=job.account,
        cluster=job.cluster.name,
        submission=job.pk,
        address=errand.address,
    )
    log.info(
        "operator-action",
        action=errand.verb,
        operator=errand.operator.get_username(),
        address=errand.address,
        job_id=job.job_id,
        outcome=step.state,
        detail=step.outcome,
    )
