"""A poll: asks SLURM about all open jobs of a cluster or an account at once, and writes its answers."""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from clusters import gateway, schedule
from clusters.errors import ClusterError
from clusters.models import Cluster, PollFailure
from clusters.slurm.records import Listing, Record, with_exit_codes
from jobs import locks
from jobs.models import Job
from jobs.states import Status
from jobs.sync import interpret
from jobs.sync.reconcile import Row, apply_records, search_window

log = structlog.get_logger(__name__)

# Ids in one question: sacct takes them as one argument, which Linux bounds to 128 KiB (execve(2)).
_MOST_IDS = 5_000
_MOST_FAILED = 500  # the controller finds jobs by id slowly; accounting tells the codes of the others

# How often squeue calls the controller: about everybody's jobs, about one user's, and about some jobs' exit codes. By
# sdiag of SLURM 22.05 these are REQUEST_JOB_INFO, PARTITION_INFO, and FED_INFO where not everybody is asked about.
_CALLS, _CALLS_OF_OWN, _CALLS_OF_CODES = 2, 3, 2
_COMPLETED, _FAILED = "COMPLETED", "FAILED"  # the ends that a script comes to by itself: other ends have no code

_Key = tuple[int | None, str]  # a job's id and its user


def clusters_to_poll(*, due: bool = False) -> list[Cluster]:
    """Return the enabled clusters that have open jobs; with `due` without those that are known not to be due yet."""
    clusters = Cluster.objects.filter(enabled=True, pk__in=Job.objects.open().values("cluster"))
    return list(schedule.due_soon(clusters) if due else clusters)


def accounts(cluster: Cluster) -> list[str]:
    """Return the accounts as which the cluster is polled: its poll account, or each account that has an open job."""
    if cluster.poll_account:
        return [cluster.poll_account]
    return list(
        Job.objects.open().filter(cluster=cluster).order_by("account").values_list("account", flat=True).distinct()
    )


def orders() -> Iterator[tuple[Cluster, str, datetime]]:
    """Yield the clusters and accounts that are due by the next tick, and from when on they may be polled.

    Those for which an order is under way are left out. The returned ones are marked as ordered.
    """
    for cluster in clusters_to_poll(due=True):
        for account, due_at in schedule.order(cluster, accounts(cluster)).items():
            yield cluster, account, due_at


def poll(cluster: Cluster, *, due: bool = False) -> int:
    """Poll `cluster` once as each account, with `due` as those whose time has come; return how many jobs changed.

    One account after the other, for commands and tests; workers poll accounts side by side.
    """
    polled = accounts(cluster)
    polled = schedule.due(cluster, polled) if due else polled
    changed = 0
    for account in polled:
        outcome = poll_as(cluster, account)
        changed += outcome.changed
        if outcome.failure is PollFailure.UNREACHABLE:
            break
    return changed


def poll_as(cluster: Cluster, account: str, *, due: bool = False) -> schedule.Outcome:
    """Poll `cluster` once as `account`; nothing is done where another worker does, or with `due` where it is not due.

    Whatever the login of `account` answers, or however it fails, is that account's own affair: it changes rows of its
    own, and delays its own next poll. Only a login node that cannot be reached at all puts off the other accounts.
    """
    with locks.try_lock(locks.Subject.POLL, f"{cluster.pk}:{account}") as free:
        if not free:
            return schedule.Outcome()
        rows = [] if due and not schedule.is_due(cluster, account) else _rows(cluster, account)
        if not rows:
            schedule.withdraw_order(cluster, account)
            return schedule.Outcome()
        try:
            outcome = _ask(cluster, account, rows)
        except Exception as exc:
            log.exception("poll-crashed", cluster=cluster.name, account=account)
            outcome = schedule.Outcome(
                error=f"{type(exc).__name__} while its answer was read", failure=PollFailure.UNANSWERED, answered=False
            )
        schedule.record(cluster, account, outcome)
        if outcome.failure is PollFailure.UNREACHABLE:
            schedule.postpone(cluster, accounts(cluster), like=account)
        return outcome


def _rows(cluster: Cluster, account: str) -> list[Row]:
    all_users = account == cluster.poll_account
    return Row.of(Job.objects.open().filter(cluster=cluster, **({} if all_users else {"account": account})))


@dataclass(frozen=True)
class PollAnswers:
    """What SLURM has said in one poll: the controller (`queue`) and accounting (`history`).

    `calls`: how often the controller was called. `running`: it holds a job as running that the registry knows as such.
    `answered`: the controller has listed its jobs. `error`: why one of the two has not answered.
    """

    queue: Listing = field(default_factory=lambda: Listing([]))
    history: Listing = field(default_factory=lambda: Listing([]))
    calls: int = 0
    running: bool = False
    answered: bool = False
    error: ClusterError | None = None


def _ask(cluster: Cluster, account: str, rows: list[Row]) -> schedule.Outcome:
    """Ask the controller and accounting about `rows`, and write what they say."""
    began = time.monotonic()
    answers = _answers(cluster, account, rows)
    failure = f"{type(answers.error).__name__}: {answers.error}" if answers.error else ""
    error = "; ".join(filter(None, (failure, answers.queue.complaint, answers.history.complaint)))
    if error:
        event = "poll-failed" if failure else "poll-unclear"
        log.warning(event, cluster=cluster.name, account=account, error=error)
    # What the controller said stands, also where accounting has failed.
    changed = apply_records(rows, answers.queue.records, answers.history.records)
    return schedule.Outcome(
        changed=changed,
        duration=time.monotonic() - began,
        calls=answers.calls,
        running=answers.running,
        error=error,
        failure=PollFailure.of(answers.error) if answers.error else None,
        answered=answers.answered,
    )


def _answers(cluster: Cluster, account: str, rows: list[Row]) -> PollAnswers:
    """Return what SLURM says of `rows`, as far as it answers."""
    all_users = account == cluster.poll_account
    try:
        with gateway.poll_session(cluster, account, everybody=all_users) as session:
            queue = session.queue()
            return _with_history(session, rows, queue, _CALLS if all_users else _CALLS_OF_OWN)
    except ClusterError as exc:
        return PollAnswers(error=exc)


def _with_history(session: gateway.PollSession, rows: list[Row], queue: Listing, calls: int) -> PollAnswers:
    """Add what accounting says of the jobs that the controller no longer holds as active, and their exit codes."""
    held: set[_Key] = {(record.job, record.user) for record in queue.records if interpret.is_active(record)}
    for_accounting = _for_accounting(rows, queue, held)
    failed = _just_failed(queue.records, for_accounting)
    answer = _history(session, for_accounting, failed)
    exit_codes = _of_completed(queue.records) | answer.exit_codes
    return PollAnswers(
        queue=replace(queue, records=with_exit_codes(queue.records, exit_codes)),
        history=answer.listing,
        calls=calls + (_CALLS_OF_CODES if failed else 0),
        running=any(row.status == Status.RUNNING and (row.slurm_id, row.account) in held for row in rows),
        answered=True,
        error=answer.error,
    )


def _for_accounting(rows: list[Row], queue: Listing, held: set[_Key]) -> list[Row]:
    """Return the jobs that the controller does not hold as active, and arrays: their tasks leave it.

    Where there are more than one question takes, these are some of them, others the next time.
    """
    arrays = {record.job for record in queue.records if record.task is not None}
    chosen = [
        row for row in rows if row.slurm_id_reused or row.slurm_id in arrays or (row.slurm_id, row.account) not in held
    ]
    return random.sample(chosen, _MOST_IDS) if len(chosen) > _MOST_IDS else chosen


def _history(session: gateway.PollSession, rows: list[Row], failed: list[int]) -> gateway.HistoryAnswer:
    """Ask accounting about the jobs of `rows`, and the controller for the exit codes of those that `failed`."""
    if not rows:
        return gateway.HistoryAnswer()
    ids = sorted({row.slurm_id for row in rows if row.slurm_id})
    return session.history(ids, search_window(min(row.created_at for row in rows)), failed)


def _just_failed(queue: Iterable[Record], rows: list[Row]) -> list[int]:
    """Return the ids of the jobs of `rows` that the controller lists as failed and whose exit code is not known."""
    ours = {(row.slurm_id, row.account) for row in rows if row.signal is None}
    failed = {record.job for record in queue if record.state == _FAILED and (record.job, record.user) in ours}
    return sorted(failed)[:_MOST_FAILED]


def _of_completed(queue: Iterable[Record]) -> dict[str, int]:
    """Return the wait statuses that need not be asked for: COMPLETED is "with an exit code of zero" (squeue(1))."""
    return {record.name: 0 for record in queue if record.state == _COMPLETED}
