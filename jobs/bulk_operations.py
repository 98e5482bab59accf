"""Bulk operations: what operators do to many jobs at once. They are rows, done in slices, and survive each restart."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from audit import operators
from clusters import gateway
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
    """Store what is to be done to `jobs`; nothing is done yet."""
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
    """Do a slice of the bulk operation `pk`; return whether jobs are left and no other worker is doing them."""
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
            if not _do(_done_together(item, items)):
                slow.add(item.job.account)
        return True


def _done_together(first: BulkOperationItem, items: QuerySet[BulkOperationItem]) -> list[BulkOperationItem]:
    """Return `first`, and of `items` those that one request can do with it: aborts of jobs of its account."""
    if first.operation.verb != BulkAction.ABORT:
        return [first]
    job = first.job
    return list(items.filter(job__account=job.account, job__cluster=job.cluster_id)[: gateway.TOGETHER])


def _do(items: Sequence[BulkOperationItem]) -> bool:
    """Do `items` and write them down; return False where the account's login did not answer."""
    failures = _abort(items) if items[0].operation.verb == BulkAction.ABORT else _refresh(items[0])
    for item in items:
        failure = failures[item.job.pk]
        if failure is None:
            item.state, item.outcome = BulkOperationItem.State.DONE, item.job.status
        else:
            item.state, item.outcome = BulkOperationItem.State.FAILED, f"{type(failure).__name__}: {failure}"
        _write_down(item, _outcome(failure))
    return all(failure is None or isinstance(failure, ValueError | Failed) for failure in failures.values())


def _outcome(fault: Exception | None) -> str:
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


def _abort(items: Sequence[BulkOperationItem]) -> dict[UUID, Exception | None]:
    operator = items[0].operation.operator.get_username()
    return actions.abort_together([item.job for item in items], Source.OPERATOR, by=operator)


def _refresh(item: BulkOperationItem) -> dict[UUID, Exception | None]:
    """Ask SLURM. Where no answer came, `refresh` itself leaves that to `checked_at`."""
    job, before = item.job, timezone.now()
    try:
        refresh.refresh(job)
    except ValueError as exc:
        return {job.pk: exc}
    job.refresh_from_db()
    if job.checked_at is None or job.checked_at < before:
        return {job.pk: ClusterError("the cluster did not answer")}
    return {job.pk: None}


@transaction.atomic
def _write_down(item: BulkOperationItem, outcome: str) -> None:
    """Keep the outcome, and who had it done, in the job's own history and in the audit log."""
    item.save(update_fields=["state", "outcome"])
    operation, job = item.operation, item.job
    act = operators.Act(
        operator=operation.operator,
        obj=job,
        message=f"{operation.verb} from {operation.address or 'an unknown address'}: {item.state}, {item.outcome}",
        action=str(operation.verb),
        outcome=outcome,
        subject=job.job_id,
        account=job.account,
        cluster=job.cluster.name,
        submission=job.pk,
        address=operation.address,
    )
    operators.record(act)
    log.info(
        "operator-action",
        action=operation.verb,
        operator=operation.operator.get_username(),
        address=operation.address,
        job_id=job.job_id,
        outcome=item.state,
        detail=item.outcome,
    )
