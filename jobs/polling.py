"""A poll: ask SLURM about all open jobs of a cluster or an account at once, and absorb its answers."""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

import structlog
from django.utils import timezone

from clusters import gateway
from clusters.errors import Busy, ClusterError, Unreachable, Unresponsive
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


def accounts(cluster: Cluster) -> list[str]:
    """Return as whom the cluster is asked: its poll account, or each owner of an open job."""
    if cluster.poll_account:
        return [cluster.poll_account]
    return list(
        Job.objects.open().filter(cluster=cluster).order_by("account").values_list("account", flat=True).distinct()
    )


def orders() -> Iterator[tuple[Cluster, str]]:
    """Yield the clusters and accounts that are due and not ordered to be polled already; now they are."""
    for cluster in clusters_to_poll(due=True):
        for account in schedule.order(cluster, accounts(cluster)):
            yield cluster, account


def poll(cluster: Cluster, *, due: bool = False) -> int:
    """Poll `cluster` once as each account, with `due` as those whose time has come; return how many jobs changed.

    One account after the other, for commands and tests; workers poll accounts side by side.
    """
    everybody = accounts(cluster)
    asked = schedule.due(cluster, everybody) if due else everybody
    changed = 0
    for account in asked:
        outcome = poll_as(cluster, account)
        changed += outcome.changed
        if outcome.unreachable:
            break
    return changed


def poll_as(cluster: Cluster, account: str, *, due: bool = False) -> schedule.Outcome:
    """Poll `cluster` once as `account`; nothing is done where another worker does, or with `due` where it is not due.

    Whatever the login of `account` answers, or however it fails, is that account's own affair: it changes rows of its
    own, and delays its own next poll. Only a login node that cannot be reached at all puts off the other accounts.
    """
    with locks.alone(locks.Subject.POLL, f"{cluster.pk}:{account}") as free:
        if not free or (due and not schedule.is_due(cluster, account)):
            return schedule.Outcome()
        rows = _rows(cluster, account)
        if not rows:
            return schedule.Outcome()
        try:
            outcome = _ask(cluster, account, rows)
        except Exception as exc:
            log.exception("poll-crashed", cluster=cluster.name, account=account)
            outcome = schedule.Outcome(
                error=f"{type(exc).__name__} while its answer was read", failed=True, answered=False
            )
        schedule.note(cluster, account, outcome)
        if outcome.unreachable:
            schedule.put_off(cluster, accounts(cluster), like=account)
        return outcome


def _rows(cluster: Cluster, account: str) -> list[Row]:
    everybody = account == cluster.poll_account
    return Row.of(Job.objects.open().filter(cluster=cluster, **({} if everybody else {"account": account})))


def _ask(cluster: Cluster, account: str, rows: list[Row]) -> schedule.Outcome:
    """Ask the controller and accounting about `rows`, and write what they say."""
    began = time.monotonic()
    queue, history, failure, answered, unreachable = Listing([]), Listing([]), "", False, False
    try:
        with gateway.look(cluster, account, everybody=account == cluster.poll_account) as look:
            queue = look.queue()
            answered = True
            try:
                history = _history(look, rows, queue)
            finally:
                queue = replace(queue, records=with_exit_codes(queue.records, look.wait_statuses))
    except ClusterError as exc:
        failure = f"{type(exc).__name__}: {exc}"
        unreachable = isinstance(exc, Unreachable) and not isinstance(exc, Busy | Unresponsive)
    error = "; ".join(filter(None, (failure, queue.complaint, history.complaint)))
    if error:
        log.warning("poll-failed" if failure else "poll-unclear", cluster=cluster.name, account=account, error=error)
    # What the controller said stands, also where accounting is away.
    changed = absorb(rows, queue.records, history.records)
    took = time.monotonic() - began
    return schedule.Outcome(changed, took, error, failed=bool(failure), answered=answered, unreachable=unreachable)


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
