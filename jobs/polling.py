"""One look at a cluster: ask SLURM about all of its open jobs at once, and have the registry absorb the answers."""

from typing import Any

import structlog
from django.utils import timezone

from clusters import gateway
from clusters.errors import ClusterError
from clusters.models import Cluster, Poll
from clusters.slurm import Record
from jobs import locks, reading
from jobs.absorbing import CLOCK_SLACK, Row, absorb
from jobs.models import Job

log = structlog.get_logger(__name__)


def clusters_to_poll() -> list[Cluster]:
    """Return the enabled clusters that have open jobs."""
    return list(Cluster.objects.filter(enabled=True, pk__in=Job.objects.open().values("cluster")))


def poll(cluster: Cluster) -> int:
    """Look at `cluster` once; return how many jobs changed. At once 0 where another worker is looking at it."""
    with locks.alone(locks.Subject.POLL, cluster.pk) as free:
        if not free:
            return 0
        accounts = [cluster.poll_account] if cluster.poll_account else _owners(cluster)
        return sum(_poll_as(cluster, account) for account in accounts)


def _owners(cluster: Cluster) -> list[str]:
    return list(
        Job.objects.open().filter(cluster=cluster).order_by("account").values_list("account", flat=True).distinct()
    )


def _poll_as(cluster: Cluster, account: str) -> int:
    """Ask as `account`; a failure changes no job, is kept with the cluster, and leaves the other accounts alone."""
    everybody = account == cluster.poll_account
    rows = Row.of(Job.objects.open().filter(cluster=cluster, **({} if everybody else {"account": account})))
    if not rows:
        return 0
    queue: list[Record] = []
    try:
        queue = gateway.queue(cluster, account, everybody=everybody)
        history = _history(cluster, account, rows, queue)
    except ClusterError as exc:
        log.warning("poll-failed", cluster=cluster.name, account=account, error=f"{type(exc).__name__}: {exc}")
        _note(cluster, account, failed_at=timezone.now(), error=f"{type(exc).__name__}: {exc}")
        return absorb(rows, queue, [])  # what the controller said stands, also where accounting is away
    changed = absorb(rows, queue, history)
    _note(cluster, account, succeeded_at=timezone.now(), error="")
    return changed


def _history(cluster: Cluster, account: str, rows: list[Row], queue: list[Record]) -> list[Record]:
    """Ask accounting about the jobs that the controller does not hold as active."""
    active = {(record.job, record.user) for record in queue if reading.is_active(record)}
    due = [row for row in rows if (row.slurm_id, row.account) not in active]
    if not due:
        return []
    since = timezone.now() - min(row.created_at for row in due) + CLOCK_SLACK
    return gateway.history(cluster, account, [row.slurm_id for row in due if row.slurm_id], int(since.total_seconds()))


def _note(cluster: Cluster, account: str, **values: Any) -> None:
    poll = Poll(cluster=cluster, account=account, **values)
    Poll.objects.bulk_create(
        [poll], update_conflicts=True, unique_fields=["cluster", "account"], update_fields=list(values)
    )
