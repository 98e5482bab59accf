"""The verbs on a registered job: abort, delete. What views, commands and the admin call."""

import time
from collections.abc import Iterable, Sequence

from django.utils import timezone

from clusters import gateway
from clusters.errors import Failed
from clusters.slurm.records import Record
from jobs.models import Job, Source
from jobs.states import Status
from jobs.sync import interpret
from jobs.sync.reconcile import changed_columns, records_of_submission, search_window

# Seconds before each further look at a job that goes on although scancel has ended with 0: SLURM may come to it later.
_PAUSES = (0.2, 0.5, 1.0, 2.0)


def abort(job: Job, source: Source = Source.USER, *, by: str = "") -> None:
    """Cancel `job` in SLURM; it stays registered. A job that has ended is left as it is. `by` is an operator's name.

    Raises ClusterError, and the job stays as it was: Failed where SLURM says afterwards that it waits or runs.
    """
    if Status(job.status).final:
        return
    records = _cancel(job)
    while not _end(job, records, source, by):
        job.refresh_from_db()
        if Status(job.status).final:
            return


def delete(job: Job) -> None:
    """Cancel `job` if it is still active, and remove it from its owner's sight.

    Raises ClusterError, and the job stays as it was: Failed where SLURM says afterwards that it waits or runs.
    """
    abort(job)
    Job.objects.filter(pk=job.pk, deleted_at=None).update(deleted_at=timezone.now())


def _cancel(job: Job) -> list[Record]:
    if job.slurm_id is None:
        raise ValueError(f"{job} has no SLURM id")
    since = search_window(job.created_at)
    deadline = time.monotonic() + job.cluster.command_timeout
    told = gateway.cancel(job.cluster, job.account, job.slurm_id, since)
    records = _own(job, told.records)
    for pause in () if told.complaint else _PAUSES:
        if not _held(records) or time.monotonic() + pause > deadline:
            break
        time.sleep(pause)
        records = _own(job, gateway.inspect(job.cluster, job.account, job.slurm_id, since))
    # Of a job that the controller no longer has accounting may hear of the end later.
    if left := _held(records) or [record for record in records if told.complaint and interpret.goes_on(record)]:
        words = ", ".join(sorted({record.state for record in left}))
        complaint = f": {told.complaint}" if told.complaint else ""
        raise Failed(f"SLURM did not cancel {job.job_id}, which is still {words}{complaint}")
    return records


def _own(job: Job, records: Iterable[Record]) -> list[Record]:
    """Return those of `records` that are of this submission of `job`: ids wrap, also from one user to another."""
    own = (job.slurm_id, job.account)
    return records_of_submission(job, [record for record in records if (record.job, record.user) == own])


def _held(records: Iterable[Record]) -> list[Record]:
    """Return the records of what the controller holds, and has not begun to end."""
    queue, _history = interpret.by_source(records)
    return [record for record in queue if interpret.goes_on(record)]


def _end(job: Job, records: Sequence[Record], source: Source, by: str) -> bool:
    """Write how `job` ended: by itself if SLURM says so, else aborted. False if another worker moved it first."""
    if not records:
        return True  # SLURM no longer knows it, and does not say how it ended: the next poll may hear
    state = interpret.job_state(*interpret.by_source(records))
    changes = changed_columns(job, state) if state else {}
    if state is None or not state.final:
        changes["status"] = Status.ABORTED
    status = Status(changes.pop("status", job.status))
    now = timezone.now()
    return job.move_to(status, source, by=by, **changes, abort_requested_at=now, checked_at=now)
