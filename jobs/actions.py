"""The verbs on a registered job: abort, delete. What views, commands and the admin call."""

import time
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.utils import timezone

from clusters import gateway
from clusters.errors import ClusterError, Failed
from clusters.gateway import Cancellation
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
    if failure := abort_together([job], source, by=by)[job.pk]:
        raise failure


def abort_together(jobs: Sequence[Job], source: Source, *, by: str = "") -> dict[UUID, Exception | None]:
    """Cancel `jobs` of one account on one cluster in one request, as `abort` does one.

    There may be gateway.MOST_JOBS_PER_REQUEST of them. Returns by primary key why a job could not be cancelled, None
    where it was or had ended.
    """
    active = [job for job in jobs if not Status(job.status).final]
    failures: dict[UUID, Exception | None] = {job.pk: None for job in jobs}
    failures.update((job.pk, _why_not_cancellable(job)) for job in active)
    outcomes = _cancel([job for job in active if failures[job.pk] is None])
    for job in active:
        outcome = outcomes.get(job.pk)
        if isinstance(outcome, Exception):
            failures[job.pk] = outcome
        elif outcome is not None:
            _store_end(job, outcome, source, by)
    return failures


def _why_not_cancellable(job: Job) -> ValueError | None:
    """Return why SLURM cannot be told of `job` by its id; None where it can."""
    if job.slurm_id is None:
        return ValueError(f"{job} has no SLURM id")
    if job.slurm_id_reused:
        return ValueError(f"{job} cannot be named: SLURM has given its number to a later job")
    return None


def delete(job: Job) -> None:
    """Cancel `job` if it is still active, and remove it from its owner's sight.

    Raises ClusterError, and the job stays as it was: Failed where SLURM says afterwards that it waits or runs.
    """
    abort(job)
    Job.objects.filter(pk=job.pk, deleted_at=None).update(deleted_at=timezone.now())


_Outcomes = dict[UUID, list[Record] | Exception]  # by the jobs' primary keys: SLURM's records, or what went wrong


def _cancel(jobs: Sequence[Job]) -> _Outcomes:
    """Cancel `jobs` of one account; return what SLURM says of each once it goes on no more."""
    if not jobs:
        return {}
    deadline = time.monotonic() + jobs[0].cluster.command_timeout
    try:
        answers = dict(zip((job.pk for job in jobs), _cancellations(jobs), strict=True))
    except ClusterError as exc:
        return {job.pk: exc for job in jobs}
    outcomes: _Outcomes = {}
    complaints = {}
    for job in jobs:
        answer = answers[job.pk]
        outcomes[job.pk] = answer if isinstance(answer, Exception) else _records_of_job(job, answer.records)
        complaints[job.pk] = "" if isinstance(answer, Exception) else answer.complaint
    for pause in _PAUSES:
        going_on = [job for job in jobs if not complaints[job.pk] and _is_still_going(outcomes[job.pk])]
        if not going_on or time.monotonic() + pause > deadline:
            break
        time.sleep(pause)
        outcomes |= _inspect(going_on)
    return {job.pk: _failed_if_still_active(job, outcomes[job.pk], complaints[job.pk]) for job in jobs}


def _cancellations(jobs: Sequence[Job]) -> Sequence[Cancellation | Exception]:
    """Cancel `jobs` in one request; a single job joins the next batched request of its account."""
    first = jobs[0]
    if len(jobs) > 1:
        return gateway.cancel_together(first.cluster, first.account, [_id_and_window(job) for job in jobs])
    return [gateway.cancel(first.cluster, first.account, *_id_and_window(first))]


def _inspect(jobs: Sequence[Job]) -> _Outcomes:
    """Return what SLURM says now of `jobs` of one account."""
    first = jobs[0]
    try:
        if len(jobs) > 1:
            subjects = [_id_and_window(job) for job in jobs]
            answers = gateway.inspect_together(first.cluster, first.account, subjects)
        else:
            answers = [gateway.inspect(first.cluster, first.account, *_id_and_window(first))]
    except ClusterError as exc:
        return {job.pk: exc for job in jobs}
    return {
        job.pk: answer if isinstance(answer, Exception) else _records_of_job(job, answer)
        for job, answer in zip(jobs, answers, strict=True)
    }


def _id_and_window(job: Job) -> tuple[int, int]:
    """Return the job's SLURM id, and how many seconds back SLURM is searched for it."""
    if job.slurm_id is None:
        raise ValueError(f"{job} has no SLURM id")
    return job.slurm_id, search_window(job.created_at)


def _failed_if_still_active(job: Job, outcome: list[Record] | Exception, complaint: str) -> list[Record] | Exception:
    """Return `outcome`, or Failed where it says that the job waits or runs after all; `complaint` is scancel's."""
    if isinstance(outcome, Exception):
        return outcome
    # Of a job that the controller no longer has accounting may hear of the end later.
    if left := _still_going(outcome) or [record for record in outcome if complaint and interpret.goes_on(record)]:
        states = ", ".join(sorted({record.state for record in left}))
        reason = f": {complaint}" if complaint else ""
        return Failed(f"SLURM did not cancel {job.job_id}, which is still {states}{reason}")
    return outcome


def _records_of_job(job: Job, records: Iterable[Record]) -> list[Record]:
    """Return those of `records` that are of this submission of `job`: ids wrap, also from one user to another."""
    own = (job.slurm_id, job.account)
    return records_of_submission(job, [record for record in records if (record.job, record.user) == own])


def _still_going(records: Iterable[Record]) -> list[Record]:
    """Return the records of what the controller holds, and has not begun to end."""
    queue, _history = interpret.by_source(records)
    return [record for record in queue if interpret.goes_on(record)]


def _is_still_going(outcome: list[Record] | Exception) -> bool:
    return not isinstance(outcome, Exception) and bool(_still_going(outcome))


def _store_end(job: Job, records: Sequence[Record], source: Source, by: str) -> None:
    """Write how `job` has ended; where another worker has moved it, from where that has left it."""
    while not _try_to_store_end(job, records, source, by):
        job.refresh_from_db()
        if Status(job.status).final:
            return


def _try_to_store_end(job: Job, records: Sequence[Record], source: Source, by: str) -> bool:
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
