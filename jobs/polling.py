"""One look at a cluster: ask SLURM about all of its open jobs at once, and have the registry absorb the answers."""

import random
import time
from collections.abc import Iterable

import structlog
from django.utils import timezone

from clusters import gateway
from clusters.errors import ClusterError, Refused
from clusters.models import Cluster
from clusters.slurm import Listing, Record, with_exit_codes
from jobs import locks, reading, schedule
from jobs.absorbing import CLOCK_SLACK, Row, absorb
from jobs.models import Job

log = structlog.get_logger(__name__)

# Ids in one question: sacct takes them as one argument, which Linux bounds to 128 KiB (execve(2)).
_MOST_IDS = 5_000
_MOST_ENDED = 500  # the controller finds jobs by id slowly; whoever is left out is told of by accounting


def clusters_to_poll(*, due: bool = False) -> list[Cluster]:
    """Return the enabled clusters that have open jobs; with `due` without those that are known not to be due yet."""
    clusters = Cluster.objects.filter(enabled=True, pk__in=Job.objects.open().values("cluster"))
    return list(schedule.without_those_asked_lately(clusters) if due else clusters)


def poll(cluster: Cluster, *, due: bool = False) -> int:
    """Look at `cluster` once; return how many jobs changed. At once 0 where another worker is looking at it.

    With `due` only as the accounts whose time has come. Where the login node or the controller does not answer, one
    account has found that out for all of them.
    """
    with locks.alone(locks.Subject.POLL, cluster.pk) as free:
        if not free:
            return 0
        everybody = accounts(cluster)
        asked = schedule.due(cluster, everybody) if due else everybody
        changed = 0
        for account in asked:
            answer = _poll_as(cluster, account)
            changed += answer.changed
            if answer.cluster_is_down:
                schedule.put_off(cluster, everybody, like=account)
                break
        return changed


def accounts(cluster: Cluster) -> list[str]:
    """Return as whom the cluster is asked: its poll account, or each owner of an open job."""
    if cluster.poll_account:
        return [cluster.poll_account]
    return list(
        Job.objects.open().filter(cluster=cluster).order_by("account").values_list("account", flat=True).distinct()
    )


def _poll_as(cluster: Cluster, account: str) -> schedule.Outcome:
    """Ask as `account`; a failure changes no job, is kept with the cluster, and leaves the other accounts alone."""
    everybody = account == cluster.poll_account
    rows = Row.of(Job.objects.open().filter(cluster=cluster, **({} if everybody else {"account": account})))
    if not rows:
        return schedule.Outcome()
    began = time.monotonic()
    queue, history, failure, answered, refused = Listing([]), Listing([]), "", False, False
    try:
        with gateway.look(cluster, account, everybody=everybody) as look:
            queue = look.queue()
            answered = True
            try:
                history = _history(look, rows, queue)
            finally:
                queue = Listing(with_exit_codes(queue.records, look.wait_statuses), queue.unread)
    except ClusterError as exc:
        failure, refused = f"{type(exc).__name__}: {exc}", isinstance(exc, Refused)
    error = "; ".join(filter(None, (failure, queue.complaint, history.complaint)))
    if error:
        log.warning("poll-failed" if failure else "poll-unclear", cluster=cluster.name, account=account, error=error)
    # What the controller said stands, also where accounting is away.
    changed = absorb(rows, queue.records, history.records)
    took, failed = time.monotonic() - began, bool(failure)
    outcome = schedule.Outcome(changed, took, error, failed=failed, answered=answered, refused=refused)
    schedule.note(cluster, account, outcome)
    return outcome


def _history(look: gateway.Look, rows: list[Row], queue: Listing) -> Listing:
    """Ask accounting about jobs that the controller does not hold as active, and about arrays: their tasks leave it.

    Where there are more than one question takes, it is about some of them, others the next time.
    """
    active = {(record.job, record.user) for record in queue.records if reading.is_active(record)}
    arrays = {record.job for record in queue.records if record.task is not None}
    due = [row for row in rows if row.recycled or row.slurm_id in arrays or (row.slurm_id, row.account) not in active]
    if not due:
        return Listing([])
    if len(due) > _MOST_IDS:
        due = random.sample(due, _MOST_IDS)
    since = timezone.now() - min(row.created_at for row in due) + CLOCK_SLACK
    ended = _just_ended(queue.records, {(row.slurm_id, row.account) for row in due})
    ids = sorted({row.slurm_id for row in due if row.slurm_id})
    return look.history(ids, int(since.total_seconds()), ended)


def _just_ended(queue: Iterable[Record], ours: set[tuple[int | None, str]]) -> list[int]:
    """Return the ids of our jobs that the controller still tells the end of."""
    ended = {record.job for record in queue if not reading.is_active(record) and (record.job, record.user) in ours}
    return sorted(ended)[:_MOST_ENDED]
