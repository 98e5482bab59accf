"""What Celery runs: beat orders a look at every cluster, and each cluster is looked at by a task of its own."""

from uuid import UUID

import structlog
from celery import shared_task
from django.conf import settings

from clusters import gateway
from clusters.errors import ClusterError
from clusters.models import Cluster
from jobs import auditing, errands, polling, submission

log = structlog.get_logger(__name__)


@shared_task(expires=60)
def poll_clusters() -> None:
    """Order one look at each cluster with open jobs, so that none waits for another; who is not due is not asked."""
    for cluster in polling.clusters_to_poll(due=True):
        poll_cluster.apply_async((cluster.pk,), expires=settings.TICK)


@shared_task
def poll_cluster(pk: int) -> None:
    """Look at the cluster with the key `pk`, if it is still there, as the accounts that are due."""
    cluster = Cluster.objects.filter(pk=pk, enabled=True).first()
    if cluster:
        polling.poll(cluster, due=True)


@shared_task(expires=60)
def recover_submissions() -> None:
    """Order a search for each account that has submissions whose answer was lost."""
    for pk, account in submission.accounts_to_recover():
        recover_account.apply_async((pk, account), expires=30)


@shared_task
def recover_account(pk: int, account: str) -> None:
    """Find out what became of the lost submissions of `account` on the cluster with the key `pk`."""
    cluster = Cluster.objects.filter(pk=pk, enabled=True).first()
    if cluster:
        try:
            submission.recover(cluster, account)
        except ClusterError as exc:
            log.warning("recovery-failed", cluster=cluster.name, account=account, error=f"{type(exc).__name__}: {exc}")


@shared_task
def tidy_homes() -> None:
    """Have each home tidied in which a submission may have left something a day ago."""
    for cluster, account in submission.untidy_accounts():
        try:
            gateway.tidy(cluster, account)
        except ClusterError as exc:
            log.warning("tidying-failed", cluster=cluster.name, account=account, error=f"{type(exc).__name__}: {exc}")


@shared_task
def run_errand(pk: str) -> None:
    """Do a slice of an operator's errand, and order the next one."""
    if errands.work(UUID(pk)):
        run_errand.delay(pk)


@shared_task(expires=60)
def resume_errands() -> None:
    """Take up the errands on which nobody is working: an order to Celery may be lost, its rows are not."""
    errands.forget()
    for pk in errands.unfinished():
        run_errand.delay(str(pk))


@shared_task(expires=300)
def complete_audit_log() -> None:
    """Write the lines of submissions whose process died before it could."""
    auditing.complete()
