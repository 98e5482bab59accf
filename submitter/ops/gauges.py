"""What is read at the moment of a scrape: from the registry, from Redis, from the files of the operators.

Each figure comes from an index; none counts the whole table. What cannot be asked is left out, and said to be down.
"""

import time
from collections.abc import Callable, Iterator
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


def collect_gauges() -> Iterator[Metric]:
    """Yield every figure of this moment."""
    yield from _asked("submitter_database_up", "Whether the registry can be asked", _registry, DatabaseError)
    yield from _asked("submitter_broker_up", "Whether Redis can be asked", _redis, redis.RedisError)
    yield _gauge(
        "submitter_trust_problems", "What is wrong with CAs, CRLs and the grid-mapfile", len(authenticator.problems())
    )


def _asked(name: str, words: str, ask: Callable[[], list[Metric]], away: type[Exception]) -> Iterator[Metric]:
    try:
        found = ask()
    except away as exc:
        log.warning("not-scraped", metric=name, error=str(exc).partition("\n")[0])
        found, up = [], 0
    else:
        up = 1
    yield _gauge(name, words, up)
    yield from found


def _registry() -> list[Metric]:
    active = statistics.active()
    return [*_jobs(active), *_pending(), *_clusters(set(active))]


def _jobs(found: dict[int, dict[str, int]]) -> Iterator[Metric]:
    names = dict(Cluster.objects.values_list("pk", "name"))
    active = GaugeMetricFamily("submitter_jobs", "Active jobs", labels=["cluster", "status"])
    for pk, name in names.items():
        for status in sorted(ACTIVE):
            active.add_metric([name, status], found.get(pk, {}).get(status, 0))
    yield active
    ended = GaugeMetricFamily("submitter_jobs_ended", "Jobs that ended in the last hour", labels=["cluster", "status"])
    rows = Job.objects.filter(ended_at__gte=timezone.now() - _HOUR).order_by().values_list("cluster", "status")
    for pk, status, count in rows.annotate(Count("pk")):
        ended.add_metric([names.get(pk, ""), status], count)
    yield ended


def _pending() -> Iterator[Metric]:
    pending = Job.objects.filter(submission=SubmissionStatus.PENDING).aggregate(
        count=Count("pk"), oldest=Min("created_at")
    )
    yield _gauge("submitter_submissions_pending", "Submissions without an outcome", pending["count"])
    age = (timezone.now() - pending["oldest"]).total_seconds() if pending["oldest"] else 0.0
    yield _gauge("submitter_submissions_pending_age_seconds", "Age of the oldest of them", age)


def _clusters(busy: set[int]) -> Iterator[Metric]:
    families = {
        "state": GaugeMetricFamily("submitter_cluster_state", "1 for its state", labels=["cluster", "state"]),
        "age": GaugeMetricFamily("submitter_poll_age_seconds", "Since the last successful poll", labels=["cluster"]),
        "took": GaugeMetricFamily("submitter_poll_seconds", "How long the last poll took", labels=["cluster"]),
        "failures": GaugeMetricFamily("submitter_poll_failures", "Failed polls in a row", labels=["cluster"]),
    }
    yield _gauge("submitter_polls_late", "Accounts that wait too long to be polled", statistics.late_polls())
    for condition in all_health(busy):
        name = [condition.cluster.name]
        for state in State:
            families["state"].add_metric([*name, state], float(condition.state is state))
        values: dict[str, Any] = {
            "age": condition.age.total_seconds() if condition.age else None,
            "took": condition.took,
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
    length = GaugeMetricFamily("submitter_celery_queue_length", "Tasks that wait for a worker", labels=["queue"])
    for name, tasks in waiting.items():
        length.add_metric([name], tasks)
    age = [] if beaten is None else [max(0.0, time.time() - beaten)]
    return [length, *(_gauge("submitter_beat_age_seconds", "Since beat was last heard of", value) for value in age)]


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=value)
