"""Celery's tasks. Each one that asks a login node is about one account, and two of the same never run side by side.

The tasks that beat starts read the database alone, and order the others; docs/operators-guide.md names the queues.
"""

import threading
from uuid import UUID

import structlog
from celery import shared_task
from django.conf import settings

from clusters import schedule, submitting
from clusters.errors import ClusterError
from clusters.models import Cluster
from jobs import bulk_operations, locks, recovery
from jobs.api import audit
from jobs.sync import polling

log = structlog.get_logger(__name__)

# However many accounts do not answer, half of a worker's threads poll those that do.
_for_failing = threading.BoundedSemaphore(max(1, settings.WORKER_THREADS // 2))


@shared_task(expires=60)
def poll_clusters() -> None:
    """Order a poll for each account that is due before the next tick, so that no account waits for another."""
    for cluster, account, due_at in polling.orders():
        poll_account.apply_async(
            (cluster.pk, account), eta=due_at, expires=schedule.ORDER_EXPIRES_AFTER.total_seconds()
        )


@shared_task
def poll_account(pk: int, account: str) -> None:
    """Poll the cluster with the key `pk` as `account`, if it is still there and due."""
    cluster = Cluster.objects.filter(pk=pk, enabled=True).first()
    if cluster is None:
        return
    if not schedule.is_failing(cluster, account):
        polling.poll_as(cluster, account, due=True)
    elif _for_failing.acquire(blocking=False):
        try:
            polling.poll_as(cluster, account, due=True)
        finally:
            _for_failing.release()
    else:
        schedule.withdraw_order(cluster, account)


@shared_task(expires=60)
def recover_submissions() -> None:
    """Order a search for each account that has submissions whose answer was lost, unless the last one failed lately."""
    for pk, account in recovery.orders():
        recover_account.apply_async((pk, account), expires=recovery.ORDERED_FOR.total_seconds())


@shared_task
def recover_account(pk: int, account: str) -> None:
    """Find out what became of the lost submissions of `account` on the cluster with the key `pk`."""
    cluster = Cluster.objects.filter(pk=pk, enabled=True).first()
    if cluster:
        recovery.attempt(cluster, account)


@shared_task(expires=3600)
def clean_remote_directories() -> None:
    """Order the tidying of each home in which a submission may have left something a day ago."""
    for pk, account in recovery.untidy_accounts():
        clean_remote_directory.apply_async((pk, account), expires=12 * 3600)


@shared_task
def clean_remote_directory(pk: int, account: str) -> None:
    """Have the home of `account` tidied on the cluster with the key `pk`."""
    cluster = Cluster.objects.filter(pk=pk, enabled=True).first()
    if cluster is None:
        return
    with locks.try_lock(locks.Subject.TIDYING, f"{pk}:{account}") as free:
        try:
            if free:
                submitting.clean_remote_directory(cluster, account)
        except ClusterError as exc:
            log.warning("tidying-failed", cluster=cluster.name, account=account, error=f"{type(exc).__name__}: {exc}")


@shared_task
def run_bulk_operation(pk: str) -> None:
    """Do a slice of an operator's bulk operation, and order the next one."""
    if bulk_operations.run_slice(UUID(pk)):
        run_bulk_operation.delay(pk)


@shared_task(expires=60)
def resume_bulk_operations() -> None:
    """Continue the bulk operations that no worker is doing: a message to Celery may be lost, the rows are not."""
    bulk_operations.purge()
    for pk in bulk_operations.unfinished():
        run_bulk_operation.delay(str(pk))


@shared_task(expires=300)
def backfill_audit_log() -> None:
    """Write the lines of submissions whose process died before it could."""
    audit.backfill()
