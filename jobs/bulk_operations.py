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
from jobs.models import BulkAction, BulkOperation, BulkOperationItem, Job, Source
from jobs.sync import refresh

log = structlog.get_logger(__name__)

SLICE = 10.0  # seconds: another bulk operation waits for no longer
_FORGOTTEN = timedelta(days=7)


@dataclass(frozen=True)
class Progress:
    """How far a bulk operation is, in jobs."""

    total: int
    done: int
    failed: int

    @property
    def over(self) -> bool:
        """Whether no job is left to do."""
        return self.done + self.failed == self.total


@transaction.atomic
def create(verb: BulkAction, jobs: Iterable[Job], operator: User, address: str) -> BulkOperation:
    """Write down what is to be done to `jobs`; nothing is done yet."""
    operation = BulkOperation.objects.create(verb=verb, operator=operator, address=address)
    BulkOperationItem.objects.bulk_create(
        [BulkOperationItem(operation=operation, job=job) for job in jobs], batch_size=500
    )
    return operation


def progress(operation: BulkOperation) -> Progress:
    """Return how far `operation` is."""
    counts = dict(operation.items.order_by().values_list("state").annotate(Count("pk")))
    done, failed = counts.get(BulkOperationItem.State.DONE, 0), counts.get(BulkOperationItem.State.FAILED, 0)
    return Progress(sum(counts.values()), done, failed)


def unfinished() -> list[UUID]:
    """Return the bulk operations with jobs that wait, such as those whose worker has died."""
    return list(
        BulkOperation.objects.filter(items__state=BulkOperationItem.State.WAITING)
        .values_list("pk", flat=True)
        .distinct()
    )


def purge() -> None:
    """Remove old bulk operations: what they did stands in the jobs' history."""
    BulkOperation.objects.filter(created_at__lt=timezone.now() - _FORGOTTEN).exclude(
        items__state=BulkOperationItem.State.WAITING
    ).delete()


def run_slice(pk: UUID, seconds: float = SLICE) -> bool:
    """Do a slice of the bulk operation `pk`; say whether jobs are left for which nobody else is working."""
    with locks.try_lock(locks.Subject.BULK_OPERATION, str(pk)) as free:
        if not free:
            return False
        deadline = time.monotonic() + seconds
        items = BulkOperationItem.objects.filter(operation=pk, state=BulkOperationItem.State.WAITING).order_by("id")
        items = items.select_related("job__cluster", "operation__operator")
        slow: set[str] = set()  # accounts whose login did not answer: their other jobs come last
        while time.monotonic() < deadline:
            item = items.exclude(job__account__in=slow).first() or items.first()
            if item is None:
                return False
            if not _do(item):
                slow.add(item.job.account)
        return True


def _do(item: BulkOperationItem) -> bool:
    """Do one item and write it down; return False where the account's login did not answer."""
    answered, fault = True, None
    try:
        outcome = _abort(item) if item.operation.verb == BulkAction.ABORT else _refresh(item)
        item.state, item.outcome = BulkOperationItem.State.DONE, outcome
    except (ClusterError, ValueError) as exc:
        answered, fault = isinstance(exc, ValueError | Failed), exc
        item.state, item.outcome = BulkOperationItem.State.FAILED, f"{type(exc).__name__}: {exc}"
    _write_down(item, _word(fault))
    return answered


def _word(fault: Exception | None) -> str:
    """Return the audit log's word for what came of an item."""
    match fault:
        case None:
            return "done"
        case Refused():
            return "refused"
        case TimedOut():
            return "unknown"
        case _:
            return "failed"


def _abort(item: BulkOperationItem) -> str:
    actions.abort(item.job, Source.OPERATOR, by=item.operation.operator.get_username())
    item.job.refresh_from_db()
    return item.job.status


def _refresh(item: BulkOperationItem) -> str:
    """Ask SLURM. Raises ClusterError where no answer came, which `refresh` itself leaves to `checked_at`."""
    before = timezone.now()
    refresh.refresh(item.job)
    item.job.refresh_from_db()
    if item.job.checked_at is None or item.job.checked_at < before:
        raise ClusterError("the cluster did not answer")
    return item.job.status


@transaction.atomic
def _write_down(item: BulkOperationItem, outcome: str) -> None:
    """Keep the outcome, and who had it done, in the job's own history and in the audit log."""
    item.save(update_fields=["state", "outcome"])
    operation, job = item.operation, item.job
    operators.record(
        operation.operator,
        job,
        f"{operation.verb} from {operation.address or 'an unknown address'}: {item.state}, {item.outcome}",
        action=str(operation.verb),
        outcome=outcome,
        subject=job.job_id,
        account=job.account,
        cluster=job.cluster.name,
        submission=job.pk,
        address=operation.address,
    )
    log.info(
        "operator-action",
        action=operation.verb,
        operator=operation.operator.get_username(),
        address=operation.address,
        job_id=job.job_id,
        outcome=item.state,
        detail=item.outcome,
    )
