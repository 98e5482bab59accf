"""The verbs: submit, abort, delete, absorb. What views, tasks, commands and the admin call."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.utils import timezone

from clusters import gateway
from clusters.slurm import Record
from jobs import reading
from jobs.models import Job
from jobs.reading import Reading
from jobs.states import ACTIVE, Status

log = structlog.get_logger(__name__)

# Clocks differ: a record this much older than our row can still be of the same submission.
CLOCK_SLACK = timedelta(hours=1)

# What a reading says of a job, column by column, and always the latest of it.
_TOLD = ("status", "started_at", "ended_at", "wall_seconds", "nodes", "cores", "exit_code", "signal", "confirmed")


def abort(job: Job) -> None:
    """Cancel `job` in SLURM; it stays registered. A job that has ended is left as it is.

    Raises ClusterError, and the job stays as it was.
    """
    if Status(job.status).final:
        return
    records = _cancel(job)
    while not _end(job, records):
        job.refresh_from_db()
        if Status(job.status).final:
            return


def delete(job: Job) -> None:
    """Cancel `job` if it is still active, and remove it from its owner's sight.

    Raises ClusterError, and the job stays as it was.
    """
    if not Status(job.status).final:
        _cancel(job)
    Job.objects.filter(pk=job.pk, deleted_at=None).update(deleted_at=timezone.now())


def absorb(jobs: Iterable[Job], queue: Iterable[Record], history: Iterable[Record]) -> int:
    """Write into `jobs` what SLURM explicitly says of them, where it differs; return how many changed.

    A record counts for the row with its id and its user. A row that another worker has moved meanwhile is left to the
    next pass.
    """
    queued, accounted = _by_job(queue), _by_job(history)
    changed = 0
    for job in jobs:
        key = (job.slurm_id, job.account)
        said = reading.read(_of_this_submission(job, queued[key]), _of_this_submission(job, accounted[key]))
        if said and (changes := _changes(job, said)):
            status = changes.pop("status", job.status)
            changed += job.move_to(Status(status), **changes, checked_at=timezone.now())
    return changed


def _cancel(job: Job) -> list[Record]:
    if job.slurm_id is None:
        raise ValueError(f"{job} has no SLURM id")
    since = int((timezone.now() - job.created_at + CLOCK_SLACK).total_seconds())
    records = gateway.cancel(job.cluster, job.account, job.slurm_id, since)
    return _of_this_submission(job, [r for r in records if r.user == job.account])


def _end(job: Job, records: Sequence[Record]) -> bool:
    """Write how `job` ended: by itself if SLURM says so, else aborted. False if another worker moved it first."""
    queue = [record for record in records if not record.from_accounting]
    said = reading.read(queue, [record for record in records if record.from_accounting])
    if said is None:
        return True  # SLURM no longer knows it, and does not say how it ended: the next poll may hear
    changes = _changes(job, said)
    if not said.final:
        changes["status"] = Status.ABORTED
    status = Status(changes.pop("status", job.status))
    return job.move_to(status, **changes, abort_requested_at=timezone.now(), checked_at=timezone.now())


def _by_job(records: Iterable[Record]) -> dict[tuple[int | None, str], list[Record]]:
    found: dict[tuple[int | None, str], list[Record]] = defaultdict(list)
    for record in records:
        found[record.job, record.user].append(record)
    return found


def _of_this_submission(job: Job, records: Sequence[Record]) -> list[Record]:
    """Leave out the records of an earlier job that had the same id."""
    earliest = job.submitted_at or job.created_at - CLOCK_SLACK
    return [record for record in records if record.submitted_at is None or record.submitted_at >= earliest]


def _changes(job: Job, said: Reading) -> dict[str, Any]:
    """Return the columns of `job` that `said` changes."""
    values = {
        "slurm_state": said.slurm_state,
        "reason": job.reason if said.reason is None else said.reason,
        "is_array": said.is_array or job.is_array,
        "submitted_at": job.submitted_at or said.submitted_at,
    }
    if said.status is None:
        log.warning("unknown-slurm-state", job_id=job.job_id, slurm_state=said.slurm_state)
    elif not _goes_back(job, said):
        values |= {field: getattr(said, field) for field in _TOLD}
    else:
        return {}
    return {field: value for field, value in values.items() if getattr(job, field) != value}


def _goes_back(job: Job, said: Reading) -> bool:
    """Return whether `said` is older than what the row already says, and not a job that SLURM has taken up again."""
    if said.status not in ACTIVE:
        return False
    if job.abort_requested_at:
        return Status(job.status).final
    return said.from_accounting and (Status(job.status).final or said.status is Status.QUEUED)
