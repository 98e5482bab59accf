"""What is read at the moment of a scrape: from the registry, from Redis, from the files of the operators.

Each figure comes from an index; none counts the whole table. What does not answer is left out, and counts as down.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from clusters.health import State, all_health
from clusters.models import Cluster
from jobs.models import Job, SubmissionStatus
from jobs.states import ACTIVE
from proxyauth import authenticator
from submitter.ops import heartbeat, statistics

log = structlog.get_logger(__name__)

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Gauge:
    """A gauge of this moment: its name, its meaning, and the labels by which its values are told apart."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()

    def family(self) -> GaugeMetricFamily:
        """Return the metric without a value."""
        return GaugeMetricFamily(self.name, self.meaning, labels=self.labels)

    def at(self, value: float) -> GaugeMetricFamily:
        """Return the metric with its one value; it has no labels."""
        return GaugeMetricFamily(self.name, self.meaning, value=value)


_DATABASE_UP = Gauge("submitter_database_up", "Whether the registry can be asked")
_BROKER_UP = Gauge("submitter_broker_up", "Whether Redis can be asked")
_TRUST_PROBLEMS = Gauge("submitter_trust_problems", "What is wrong with CAs, CRLs and the grid-mapfile")
_ACTIVE = Gauge("submitter_jobs", "Active jobs", ("cluster", "status"))
_ENDED = Gauge("submitter_jobs_ended", "Jobs that ended in the last hour", ("cluster", "status"))
_PENDING = Gauge("submitter_submissions_pending", "Submissions without an outcome")
_PENDING_AGE = Gauge("submitter_submissions_pending_age_seconds", "Age of the oldest of them")
_CLUSTER_STATE = Gauge("submitter_cluster_state", "1 for its state", ("cluster", "state"))
_POLL_AGE = Gauge("submitter_poll_age_seconds", "Since the last successful poll", ("cluster",))
_POLL_TIME = Gauge("submitter_poll_seconds", "How long the last poll took", ("cluster",))
_POLL_FAILURES = Gauge("submitter_poll_failures", "Failed polls in a row", ("cluster",))
_POLLS_LATE = Gauge("submitter_polls_late", "Accounts that wait too long to be polled")
_QUEUE_LENGTH = Gauge("submitter_celery_queue_length", "Tasks that wait for a worker", ("queue",))
_BEAT_AGE = Gauge("submitter_beat_age_seconds", "Since beat was last heard of")
GAUGES = (
    _DATABASE_UP, _BROKER_UP, _TRUST_PROBLEMS, _ACTIVE, _ENDED, _PENDING, _PENDING_AGE, _CLUSTER_STATE, _POLL_AGE,
    _POLL_TIME, _POLL_FAILURES, _POLLS_LATE, _QUEUE_LENGTH, _BEAT_AGE,
)  # fmt: skip


def collect_gauges() -> Iterator[Metric]:
    """Yield every gauge of this moment."""
    yield from _asked(_DATABASE_UP, _registry, DatabaseError)
    yield from _asked(_BROKER_UP, _redis, redis.RedisError)
    yield _TRUST_PROBLEMS.at(len(authenticator.problems()))


def _asked(up_gauge: Gauge, ask: Callable[[], list[Metric]], away: type[Exception]) -> Iterator[Metric]:
    try:
        values = ask()
    except away as exc:
        log.warning("not-scraped", metric=up_gauge.name, error=str(exc).partition("\n")[0])
        values, up = [], 0
    else:
        up = 1
    yield up_gauge.at(up)
    yield from values


def _registry() -> list[Metric]:
    active = statistics.active()
    return [*_jobs(active), *_pending(), *_clusters(set(active))]


def _jobs(values: dict[int, dict[str, int]]) -> Iterator[Metric]:
    names = dict(Cluster.objects.values_list("pk", "name"))
    active = _ACTIVE.family()
    for pk, name in names.items():
        for status in sorted(ACTIVE):
            active.add_metric([name, status], values.get(pk, {}).get(status, 0))
    yield active
    ended = _ENDED.family()
    rows = Job.objects.filter(ended_at__gte=timezone.now() - _HOUR).order_by().values_list("cluster", "status")
    for pk, status, count in rows.annotate(Count("pk")):
        ended.add_metric([names.get(pk, ""), status], count)
    yield ended


def _pending() -> Iterator[Metric]:
    pending = Job.objects.filter(submission_status=SubmissionStatus.PENDING).aggregate(
        count=Count("pk"), oldest=Min("created_at")
    )
    yield _PENDING.at(pending["count"])
    age = (timezone.now() - pending["oldest"]).total_seconds() if pending["oldest"] else 0.0
    yield _PENDING_AGE.at(age)


def _clusters(busy: set[int]) -> Iterator[Metric]:
    families = {
        "state": _CLUSTER_STATE.family(),
        "age": _POLL_AGE.family(),
        "took": _POLL_TIME.family(),
        "failures": _POLL_FAILURES.family(),
    }
    yield _POLLS_LATE.at(statistics.late_polls())
    for condition in all_health(busy):
        name = [condition.cluster.name]
        for state in State:
            families["state"].add_metric([*name, state], float(condition.state is state))
        values: dict[str, Any] = {
            "age": condition.age.total_seconds() if condition.age else None,
            "took": condition.duration,
            "failures": condition.failures,
        }
        for what, value in values.items():
            if value is not None:
                families[what].add_metric(name, value)
    yield from families.values()


def _redis() -> list[Metric]:
    with heartbeat.client() as client:
        waiting = {queue.name: client.llen(queue.name) for queue in settings.CELERY_TASK_QUEUES}
        beaten = heartbeat.last(client)
    length = _QUEUE_LENGTH.family()
    for name, tasks in waiting.items():
        length.add_metric([name], tasks)
    age = [] if beaten is None else [max(0.0, time.time() - beaten)]
    return [length, *map(_BEAT_AGE.at, age)]
