"""Asks SLURM about one job now; requests for the same job at the same time cost one remote call."""

import threading
import time
from collections.abc import Sequence
from uuid import UUID

import structlog
from django.utils import timezone

from clusters import gateway
from clusters.calls.database import release_connection
from clusters.errors import ClusterError
from clusters.slurm.records import Record
from jobs import locks
from jobs.models import Job
from jobs.sync import interpret
from jobs.sync.reconcile import Row, apply_records, search_window

log = structlog.get_logger(__name__)

_LONGEST_WAIT = 10.0  # seconds for the answer to another request's question

_asking: dict[UUID, threading.Event] = {}
_lock = threading.Lock()


def refresh(job: Job) -> None:
    """Write what SLURM says of `job` now into the registry; return when that is done, or after `_LONGEST_WAIT`.

    Where the cluster does not answer, the row stays as it was, its `checked_at` as well.
    """
    with _lock:
        others = _asking.get(job.pk)
        mine = threading.Event()
        if others is None:
            _asking[job.pk] = mine
    if others is not None:
        release_connection()
        others.wait(_LONGEST_WAIT)
        return
    try:
        _ask_once(job)
    finally:
        with _lock:
            del _asking[job.pk]
        mine.set()


def refresh_together(jobs: Sequence[Job]) -> dict[UUID, Exception | None]:
    """Write what SLURM says now of `jobs` of one account on one cluster, asked for in one request.

    There may be gateway.MOST_JOBS_PER_REQUEST of them. Returns by primary key why a job could not be asked about, None
    where it was, and updates `status` on the jobs that were asked about.
    """
    failures: dict[UUID, Exception | None] = {job.pk: None for job in jobs}
    failures |= {job.pk: ValueError(f"{job} has no SLURM id") for job in jobs if job.slurm_id is None}
    subjects = [(job, job.slurm_id) for job in jobs if job.slurm_id is not None]
    answers = _inspect(jobs[0], subjects) if subjects else []
    records: list[Record] = []
    for (job, _slurm_id), answer in zip(subjects, answers, strict=True):
        if isinstance(answer, Exception):
            failures[job.pk] = answer
        else:
            records += answer
    answered = Job.objects.filter(pk__in=[pk for pk, failure in failures.items() if failure is None])
    apply_records(Row.of(answered), *interpret.by_source(records))
    answered.update(checked_at=timezone.now())
    statuses = dict(answered.order_by().values_list("pk", "status"))
    for job in jobs:
        job.status = statuses.get(job.pk, job.status)
    return failures


def _inspect(first: Job, subjects: Sequence[tuple[Job, int]]) -> Sequence[list[Record] | Exception]:
    """Ask about `subjects`, jobs of the account of `first` with their SLURM ids."""
    asked = [(slurm_id, search_window(job.created_at)) for job, slurm_id in subjects]
    try:
        return gateway.inspect_together(first.cluster, first.account, asked)
    except ClusterError as exc:
        return [exc] * len(subjects)


def _ask_once(job: Job) -> None:
    """Ask SLURM, unless another process is asking: then wait for its answer."""
    began = timezone.now()
    with locks.try_lock(locks.Subject.REFRESH, str(job.pk)) as free:
        if free:
            _ask(job)
            return
    deadline = time.monotonic() + _LONGEST_WAIT
    while time.monotonic() < deadline and not Job.objects.filter(pk=job.pk, checked_at__gte=began).exists():
        release_connection()
        time.sleep(0.1)


def _ask(job: Job) -> None:
    if job.slurm_id is None:
        raise ValueError(f"{job} has no SLURM id")
    try:
        records = gateway.inspect(job.cluster, job.account, job.slurm_id, search_window(job.created_at))
    except ClusterError as exc:
        log.warning("refresh-failed", job_id=job.job_id, error=f"{type(exc).__name__}: {exc}")
        return
    apply_records(Row.of(Job.objects.filter(pk=job.pk)), *interpret.by_source(records))
    Job.objects.filter(pk=job.pk).update(checked_at=timezone.now())
