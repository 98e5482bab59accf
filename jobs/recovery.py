"""Finds out what became of submissions whose answer was lost, account by account, until it is certain.

An account whose login does not answer is asked less and less often, and no other account waits for it.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection
from django.db.models import DateTimeField, DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, Value
from django.utils import timezone

from clusters import submitting
from clusters.errors import ClusterError
from clusters.models import Cluster
from jobs import locks, placement, submission
from jobs.models import Job, JobQuerySet, RecoveryAttempt, SubmissionStatus
from jobs.states import ACTIVE
from jobs.sync.reconcile import search_window

log = structlog.get_logger(__name__)

ORDERED_FOR = timedelta(seconds=30)  # an order that nobody has carried out by then is given again

# The request of a younger submission is probably still waiting for its cluster, for up to its `command_timeout`.
_AT_WORK_LONGER = timedelta(seconds=15)
_STILL_AT_WORK = timedelta(seconds=45)
# By then every sbatch has been ended, and SLURM has had the time to list the job.
_CERTAINTY = timedelta(minutes=2)  # and twice the cluster's `command_timeout`: for a channel, and for sbatch
_TOKENS = 20  # submissions in one search: the answer holds up to 48 KiB for each
_ATTEMPT = 60.0  # seconds after which an attempt leaves the rest to the next one
_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 15.0, 1.5, 300.0  # seconds between attempts that fail

# Jobs whose output files are not known: the process that took the submission died before it had asked.
_UNDESCRIBED = Q(submission_status=SubmissionStatus.SUBMITTED, stdout="", status__in=sorted(ACTIVE), deleted_at=None)

# The ORM has no INSERT that updates on a condition and returns the rows that it has written: whichever process asks
# first gets the order.
_ORDER = """
    INSERT INTO jobs_recoveryattempt AS attempt (cluster_id, account, failures, due_at)
    SELECT cluster, account, 0, %(until)s
    FROM unnest(%(clusters)s::bigint[], %(accounts)s::text[]) AS lost(cluster, account)
    ON CONFLICT (cluster_id, account) DO UPDATE SET due_at = %(until)s WHERE attempt.due_at <= %(now)s
    RETURNING cluster_id, account
"""


def orders() -> list[tuple[int, str]]:
    """Return the clusters (keys) and accounts whose attempt is due and not ordered.

    The returned ones are marked as ordered.
    """
    lost, now = accounts_to_recover(), timezone.now()
    if not lost:
        return []
    values: dict[str, Any] = {
        "clusters": [cluster for cluster, _account in lost],
        "accounts": [account for _cluster, account in lost],
        "now": now,
        "until": now + ORDERED_FOR,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ORDER, values)
        return [(cluster, account) for cluster, account in cursor.fetchall()]


def attempt(cluster: Cluster, account: str) -> None:
    """Try to `recover` once, unless another worker does; after a failure the next attempt comes later each time."""
    with locks.try_lock(locks.Subject.RECOVERY, f"{cluster.pk}:{account}") as free:
        if not free:
            return
        attempts = RecoveryAttempt.objects.filter(cluster=cluster, account=account)
        try:
            recover(cluster, account)
        except Exception as exc:
            unexpected = None if isinstance(exc, ClusterError) else exc
            error = f"{type(exc).__name__}: {exc}" if unexpected is None else type(exc).__name__
            log.warning("recovery-failed", cluster=cluster.name, account=account, error=error, exc_info=unexpected)
            _put_off(cluster, account)
        else:
            if _undescribed(cluster, account).exists():
                _put_off(cluster, account)  # SLURM names no file: it is asked less and less often
            else:
                attempts.delete()


def recover(cluster: Cluster, account: str) -> int:
    """Find out what became of this account's submissions whose answer was lost; return how many were resolved.

    Then ask about jobs that were never described. Raises ClusterError, and the rest stays as it was.
    """
    deadline = time.monotonic() + _ATTEMPT
    resolved = _resolve(cluster, account, deadline)
    for job in _undescribed(cluster, account):
        if time.monotonic() > deadline:
            break
        if job.slurm_id and (new := submitting.describe(cluster, account, job.slurm_id)):
            submission.store_description(job, new)
    return resolved


def accounts_to_recover() -> list[tuple[int, str]]:
    """Return the clusters (keys) and accounts for which `recover` has something to do."""
    now = timezone.now()
    jobs = Job.objects.filter(_lost(now) | (_UNDESCRIBED & Q(created_at__range=_recently(now))), cluster__enabled=True)
    return list(jobs.order_by().values_list("cluster", "account").distinct())


def untidy_accounts() -> list[tuple[int, str]]:
    """Return where submissions of two days ago may have left traces: those that were recovered or abandoned.

    Not where one is still looked for: its traces may be all that is known of it.
    """
    now = timezone.now()
    pending = Job.objects.filter(
        submission_status=SubmissionStatus.PENDING, cluster=OuterRef("cluster"), account=OuterRef("account")
    )
    jobs = Job.objects.filter(acknowledged=False, created_at__range=(now - timedelta(days=3), now - timedelta(days=1)))
    return list(jobs.exclude(Exists(pending)).order_by().values_list("cluster", "account").distinct())


def _undescribed(cluster: Cluster, account: str) -> JobQuerySet:
    recent = Job.objects.filter(_UNDESCRIBED, created_at__range=_recently(timezone.now()))
    return recent.filter(cluster=cluster, account=account)


def _put_off(cluster: Cluster, account: str) -> None:
    last, _created = RecoveryAttempt.objects.get_or_create(cluster=cluster, account=account)
    last.failures += 1
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * _GROWTH ** min(last.failures, 16))
    last.due_at = timezone.now() + timedelta(seconds=pause)
    last.save()


def _lost(now: datetime) -> Q:
    at_work = F("cluster__command_timeout") * Value(timedelta(seconds=1), DurationField())
    since = ExpressionWrapper(Value(now - _AT_WORK_LONGER, DateTimeField()) - at_work, DateTimeField())
    return Q(submission_status=SubmissionStatus.PENDING, created_at__lt=since)


def _recently(now: datetime) -> tuple[datetime, datetime]:
    return now - timedelta(days=1), now - _STILL_AT_WORK


def _resolve(cluster: Cluster, account: str, deadline: float) -> int:
    now = timezone.now()
    jobs = {job.id.hex: job for job in Job.objects.filter(_lost(now), cluster=cluster, account=account)}
    certainty = _CERTAINTY + 2 * timedelta(seconds=cluster.command_timeout)
    certain = [token for token, job in jobs.items() if job.created_at < now - certainty]
    uncertain = [token for token in jobs if token not in certain]
    resolved = 0
    for tokens in (*_in_parts(certain), *_in_parts(uncertain)):
        if resolved and time.monotonic() > deadline:
            break
        since = search_window(min(jobs[token].created_at for token in tokens))
        outcomes = submitting.find_lost_submissions(
            cluster, account, tokens, since, sbatch_is_over=tokens[0] in certain
        )
        for token, outcome in outcomes.items():
            resolved += submission.store_outcome(jobs[token], placement.place_job(jobs[token], outcome))
    return resolved


def _in_parts(tokens: Sequence[str]) -> list[Sequence[str]]:
    return [tokens[start : start + _TOKENS] for start in range(0, len(tokens), _TOKENS)]
