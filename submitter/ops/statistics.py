"""Figures of the registry for those who run it: each is read from an index, none counts the whole table."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q
from django.utils import timezone

from clusters.models import Poll
from jobs.models import Job, SubmissionStatus
from jobs.states import ACTIVE

STUCK_AFTER = timedelta(minutes=3)
_LATE, _LATE_INTERVALS = 90.0, 12  # a poll waits too long after so many seconds, and so many intervals

_SUBMISSIONS = """
    SELECT date_bin(%(step)s, created_at, %(since)s), count(*), count(*) FILTER (WHERE submission_status = 'FAILED')
    FROM jobs_job WHERE created_at >= %(since)s AND created_at < %(until)s GROUP BY 1
"""
# One pass over the jobs that ended: a row for each step of time, and one (its time is null) for all of them.
_TIMES = """
    SELECT date_bin(%(step)s, ended_at, %(since)s), count(*),
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
            ORDER BY greatest(0, extract(epoch FROM coalesce(started_at, ended_at) - submitted_at))),
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY wall_seconds)
    FROM jobs_job WHERE ended_at >= %(since)s AND ended_at < %(until)s GROUP BY GROUPING SETS ((1), ())
"""


@dataclass(frozen=True)
class Window:
    """The time from `since` on in `count` steps of the same length."""

    since: datetime
    step: timedelta
    count: int

    @classmethod
    def up_to_now(cls, length: timedelta, step: timedelta) -> "Window":
        """Return the window that ends with the step in which this moment lies; steps begin on full ones of UTC."""
        seconds = step.total_seconds()
        end = datetime.fromtimestamp((timezone.now().timestamp() // seconds + 1) * seconds, tz=timezone.now().tzinfo)
        return cls(end - length, step, int(length / step))

    @property
    def begins(self) -> list[datetime]:
        """The beginning of each step."""
        return [self.since + self.step * n for n in range(self.count)]

    @property
    def bounds(self) -> dict[str, Any]:
        """The parameters of the queries."""
        return {"step": self.step, "since": self.since, "until": self.since + self.step * self.count}


@dataclass(frozen=True)
class Counts:
    """Submissions in one step of time, and how many of them were refused."""

    all: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Percentiles:
    """Median and 95th percentile, in seconds; None where there is nothing to measure."""

    median: float | None = None
    p95: float | None = None


@dataclass(frozen=True)
class Durations:
    """How long jobs that ended in one step of time (or in all) waited and ran."""

    ended: int = 0
    queue: Percentiles = Percentiles()
    wall: Percentiles = Percentiles()


def active() -> dict[int, dict[str, int]]:
    """Return how many active jobs each cluster (by its key) has in each status. Index: open_jobs_of_cluster.

    Those that their owners have deleted, and that SLURM is still asked about, are among them.
    """
    rows = Job.objects.open().filter(status__in=sorted(ACTIVE)).order_by().values_list("cluster", "status")
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    for cluster, status, count in rows.annotate(Count("pk")):
        counts[cluster][status] = count
    return counts


def stuck() -> list[Job]:
    """Return the oldest submissions whose outcome has been unknown for too long. Index: pending_submissions."""
    late = Job.objects.filter(submission_status=SubmissionStatus.PENDING, created_at__lt=timezone.now() - STUCK_AFTER)
    return list(late.order_by("created_at").select_related("cluster")[:20])


def late_polls() -> int:
    """Return how many accounts with jobs wait too long to be polled although their last poll did not fail."""
    since = timezone.now() - timedelta(seconds=max(_LATE, _LATE_INTERVALS * settings.POLL_INTERVAL))
    whose = Q(account=OuterRef("account")) | Q(cluster__poll_account=OuterRef("account"))
    jobs = Job.objects.open().filter(whose, cluster=OuterRef("cluster"), created_at__lt=since)
    asking = Q(cluster__poll_account="") | Q(cluster__poll_account=F("account"))
    polls = Poll.objects.filter(asking, cluster__enabled=True, failures=0, due_at__lt=since)
    return polls.filter(Exists(jobs)).count()


def submissions(window: Window) -> list[Counts]:
    """Return the submissions in each step of `window`. Index: jobs_newest."""
    with connection.cursor() as cursor:
        cursor.execute(_SUBMISSIONS, window.bounds)
        counts = {begin: Counts(count, failed) for begin, count, failed in cursor.fetchall()}
    return [counts.get(begin, Counts()) for begin in window.begins]


def times(window: Window) -> tuple[Durations, list[Durations]]:
    """Return how long jobs waited and ran in all of `window`, and in each step of it. Index: jobs_by_end."""
    with connection.cursor() as cursor:
        cursor.execute(_TIMES, window.bounds)
        durations = {begin: _times(*row) for begin, *row in cursor.fetchall()}
    return durations.get(None, Durations()), [durations.get(begin, Durations()) for begin in window.begins]


def _times(ended: int, queue: list[float | None] | None, wall: list[float | None] | None) -> Durations:
    return Durations(ended, Percentiles(*(queue or ())), Percentiles(*(wall or ())))
