"""Writes what SLURM has said of jobs into the registry: only where it differs, and many rows at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from sys import intern
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from psycopg.types.json import Jsonb

from clusters.slurm.records import Record
from jobs.models import CHANNEL, Job, JobQuerySet, Source
from jobs.states import ACTIVE, Status
from jobs.sync import interpret
from jobs.sync.interpret import JobState

log = structlog.get_logger(__name__)

# Clocks differ: a record that is this much older than the row may still be of the same submission.
CLOCK_SLACK = timedelta(hours=1)

_BATCH = 5_000  # rows a statement
_REPEATED = slice(1, 5)  # columns of `Row` with few different texts among many rows: each is kept in memory once

# What a JobState says of a job, and each column's type in PostgreSQL. An unknown state of SLURM's says the first five.
_TYPES = {
    "slurm_state": "text",
    "reason": "text",
    "is_array": "boolean",
    "tasks": "jsonb",
    "submitted_at": "timestamptz",
    "status": "text",
    "started_at": "timestamptz",
    "ended_at": "timestamptz",
    "wall_seconds": "bigint",
    "nodes": "integer",
    "cores": "integer",
    "exit_code": "integer",
    "signal": "integer",
    "accounting_confirmed": "boolean",
}
_COLUMNS = list(_TYPES)
_BY_STATUS = _COLUMNS[5:]

# One batch: the rows that no other worker has moved meanwhile, the events of those that move, and notifications for
# requests that wait for them. The ORM updates many rows at once only without a condition on what each was before.
_WRITE = f"""
    WITH state AS (
        SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::boolean[],
            {", ".join(f"%s::{kind}[]" for kind in _TYPES.values())})
        AS state(id, before, source, moves, {", ".join(_COLUMNS)})
    ), written AS (
        UPDATE jobs_job AS job SET {", ".join(f"{name} = state.{name}" for name in _COLUMNS)}, checked_at = %s
        FROM state WHERE job.id = state.id AND job.status = state.before RETURNING job.id
    ), events AS (
        INSERT INTO jobs_event (job_id, at, source, status, slurm_state)
        SELECT id, %s, source, status, slurm_state FROM state JOIN written USING (id) WHERE moves
    )
    SELECT pg_notify(%s, id::text) FROM written
"""  # noqa: S608 - made of the constants above


class Row(NamedTuple):
    """The columns of a job that SLURM's records are compared with; it takes less memory than a model's instance."""

    id: UUID
    account: str
    status: str
    slurm_state: str
    reason: str
    slurm_id: int | None
    created_at: datetime
    slurm_id_reused: bool
    abort_requested_at: datetime | None
    is_array: bool
    tasks: dict[str, int] | None
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    wall_seconds: int | None
    nodes: int | None
    cores: int | None
    exit_code: int | None
    signal: int | None
    accounting_confirmed: bool

    @classmethod
    def of(cls, jobs: JobQuerySet) -> "list[Row]":
        """Return the rows of `jobs`. A cursor of the server brings them: libpq holds some at a time, and not all."""
        rows = jobs.order_by().values_list(*cls._fields).iterator(chunk_size=_BATCH)
        return [cls._make((row[0], *map(intern, row[_REPEATED]), *row[_REPEATED.stop :])) for row in rows]


def search_window(created_at: datetime) -> int:
    """Return how many seconds back SLURM is searched for a submission that was registered at `created_at`."""
    return int((timezone.now() - created_at + CLOCK_SLACK).total_seconds())


_Records = Mapping[tuple[int | None, str], Sequence[Record]]
_Change = tuple[Row, JobState, dict[str, Any]]


def apply_records(rows: Iterable[Row], queue: Iterable[Record], history: Iterable[Record]) -> int:
    """Write into the registry what SLURM explicitly says of `rows`, where it differs; return how many rows changed.

    A record counts for the row with its id and its user. A row that another worker has moved meanwhile is left to the
    next pass.
    """
    rows = list(rows)
    changed = _changed(rows, _by_job(queue), _by_job(history))
    written = 0
    while batch := list(islice(changed, _BATCH)):
        written += _write(batch)
    return written


def _changed(rows: Sequence[Row], queued: _Records, accounted: _Records) -> Iterator[_Change]:
    successors = _successors([row.id for row in rows if row.slurm_id_reused])
    for row in rows:
        key = (row.slurm_id, row.account)
        if key not in queued and key not in accounted:
            continue
        if row.slurm_id_reused:  # what the controller says is of a later job
            queue, until = [], successors.get(row.id)
        else:
            queue, until = records_of_submission(row, queued.get(key, ())), None
        state = interpret.job_state(queue, records_of_submission(row, accounted.get(key, ()), until))
        if state and (changes := changed_columns(row, state)):
            yield row, state, changes


def records_of_submission(job: Row | Job, records: Sequence[Record], until: datetime | None = None) -> list[Record]:
    """Leave out the records of an earlier job that had the same id, and of one that got it later: at `until`."""
    earliest = job.submitted_at or job.created_at - CLOCK_SLACK
    return [
        record
        for record in records
        if record.submitted_at is None
        or (record.submitted_at >= earliest and (until is None or record.submitted_at < until))
    ]


def _successors(slurm_id_reused: Sequence[UUID]) -> dict[UUID, datetime]:
    """Return for each row whose id was reused: when the next job with that id was submitted."""
    if not slurm_id_reused:
        return {}
    same = {name: OuterRef(name) for name in ("cluster", "account", "slurm_id")}
    later = Job.objects.filter(**same, created_at__gt=OuterRef("created_at")).order_by("created_at")
    begun = Subquery(later.values(begun=Coalesce("submitted_at", "created_at"))[:1])
    return dict(Job.objects.filter(pk__in=slurm_id_reused).order_by().values_list("pk", begun))


def changed_columns(job: Row | Job, state: JobState) -> dict[str, Any]:
    """Return the columns of `job` that `state` changes, with their new values."""
    values = {
        "slurm_state": state.slurm_state,
        "reason": _reason(job, state),
        "is_array": state.is_array or job.is_array,
        "tasks": job.tasks if state.tasks is None else state.tasks,
        "submitted_at": job.submitted_at or state.submitted_at,
    }
    if state.status is None:
        log.warning("unknown-slurm-state", slurm_id=job.slurm_id, account=job.account, slurm_state=state.slurm_state)
    elif not _is_outdated(job, state):
        known = {field: getattr(state, field) for field in _BY_STATUS if field not in state.unread}
        values |= known | _known_end(job, state)
    else:
        return {}
    return {field: value for field, value in values.items() if getattr(job, field) != value}


def _reason(job: Row | Job, state: JobState) -> str:
    """Return why the job waits or has failed. Accounting says none; why it waited no longer holds once it has begun."""
    if state.reason is not None:
        return state.reason
    return job.reason if state.status is None or Status(job.status).final else ""


def _known_end(job: Row | Job, state: JobState) -> dict[str, Any]:
    """Return the controller's exit code and signal, to keep them, if accounting reports the same end without them."""
    if job.signal is None or (job.slurm_state, job.ended_at) != (state.slurm_state, state.ended_at):
        return {}
    is_known = state.signal is None or interpret.is_same_code(job.exit_code, state.exit_code)
    return {"exit_code": job.exit_code, "signal": job.signal} if is_known else {}


def _is_outdated(job: Row | Job, state: JobState) -> bool:
    """Return whether `state` is older than what the row already says, and not a job that SLURM has taken up again."""
    if state.status not in ACTIVE:
        return False
    if job.abort_requested_at:
        return Status(job.status).final
    return state.from_accounting and (Status(job.status).final or state.status is Status.QUEUED)


def _by_job(records: Iterable[Record]) -> _Records:
    """Sort by id and user. Most jobs have one record, and get a list of one: a list that grows reserves more memory."""
    by_job: dict[tuple[int | None, str], list[Record]] = {}
    for record in records:
        if others := by_job.get((record.job, record.user)):
            others.append(record)
        else:
            by_job[record.job, record.user] = [record]
    return by_job


def _write(changed: Sequence[_Change]) -> int:
    """Write one batch, at once or not at all; return how many rows that were."""
    now = timezone.now()
    table = [
        [
            row.id,
            row.status,
            Source.ACCOUNTING if state.from_accounting else Source.POLL,
            "status" in changes or "slurm_state" in changes,
            *(changes.get(name, getattr(row, name)) for name in _COLUMNS),
        ]
        for row, state, changes in changed
    ]
    columns = [list(column) for column in zip(*table, strict=True)]
    tasks = _COLUMNS.index("tasks") - len(_COLUMNS)
    columns[tasks] = [None if counts is None else Jsonb(counts) for counts in columns[tasks]]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [*columns, now, now, CHANNEL])
        return int(cursor.rowcount)
