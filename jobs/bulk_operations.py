"""Bulk operations: what operators do to many jobs at once. They are rows, done in slices, and survive each restart."""

import time
from collections.abc import Iterable, Mapping, Sequence
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
from clusters.errors import Failed, Refused, TimedOut
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
    def is_finished(self) -> bool:
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
            if not _carry_out(_same_account_items(item, items)):
                slow.add(item.job.account)
        return True


def _same_account_items(first: BulkOperationItem, items: QuerySet[BulkOperationItem]) -> list[BulkOperationItem]:
    """Return `first` and those of `items` that one request can do with it: its account's jobs on its cluster."""
    job = first.job
    return list(items.filter(job__account=job.account, job__cluster=job.cluster_id)[: gateway.MOST_JOBS_PER_REQUEST])


def _carry_out(items: Sequence[BulkOperationItem]) -> bool:
    """Do `items` and write them down; return False where the account's login did not answer."""
    jobs, operation = [item.job for item in items], items[0].operation
    if operation.verb == BulkAction.ABORT:
        failures = actions.abort_together(jobs, Source.OPERATOR, by=operation.operator.get_username())
    else:
        failures = refresh.refresh_together(jobs)
    for item in items:
        failure = failures[item.job.pk]
        if failure is None:
            item.state, item.outcome = BulkOperationItem.State.DONE, item.job.status
        else:
            item.state, item.outcome = BulkOperationItem.State.FAILED, f"{type(failure).__name__}: {failure}"
    _write_down(items, failures)
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


def _write_down(items: Sequence[BulkOperationItem], failures: Mapping[UUID, Exception | None]) -> None:
    """Store what came of `items`, in the jobs' histories and in the audit log as well; all of it or nothing."""
    with transaction.atomic():
        BulkOperationItem.objects.bulk_update(items, ["state", "outcome"])
        operators.record(*(_act(item, failures[item.job.pk]) for item in items))
    for item in items:
        log.info(
            "operator-action",
            action=item.operation.verb,
            operator=item.operation.operator.get_username(),
            address=item.operation.address,
            job_id=item.job.job_id,
            outcome=item.state,
            detail=item.outcome,
        )


def _act(item: BulkOperationItem, failure: Exception | None) -> operators.Act:
    operation, job = item.operation, item.job
    return operators.Act(
        operator=operation.operator,
        obj=job,
        message=f"{operation.verb} from {operation.address or 'an unknown address'}: {item.state}, {item.outcome}",
        action=str(operation.verb),
        outcome=_outcome(failure),
        subject=job.job_id,
        account=job.account,
        cluster=job.cluster.name,
        submission=job.pk,
        address=operation.address,
    )
