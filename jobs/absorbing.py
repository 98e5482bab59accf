"""What SLURM said becomes what the registry says: read, compare, and write only where it differs, many rows at once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from psycopg.types.json import Jsonb

from clusters.slurm import Record
from jobs import reading
from jobs.models import CHANNEL, Event, Job, JobQuerySet, Source
from jobs.reading import Reading
from jobs.states import ACTIVE, Status

log = structlog.get_logger(__name__)

# Clocks differ: a record this much older than our row can still be of the same submission.
CLOCK_SLACK = timedelta(hours=1)

_BATCH = 5_000  # rows a statement

# What a reading says of a job, and each column's type in PostgreSQL. An unknown word tells the first five only.
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
    "confirmed": "boolean",
}
_COLUMNS = list(_TYPES)
_TOLD = _COLUMNS[5:]

_UPDATE = f"""
    UPDATE jobs_job AS job SET {", ".join(f"{name} = said.{name}" for name in _COLUMNS)}, checked_at = %s
    FROM unnest(%s::uuid[], %s::text[], {", ".join(f"%s::{kind}[]" for kind in _TYPES.values())})
        AS said(id, before, {", ".join(_COLUMNS)})
    WHERE job.id = said.id AND job.status = said.before RETURNING job.id
"""  # noqa: S608 - made of the constants above


class Row(NamedTuple):
    """The columns of a job that SLURM's words are compared with: lighter than a model's instance."""

    id: UUID
    account: str
    job_id: str
    slurm_id: int | None
    created_at: datetime
    recycled: bool
    abort_requested_at: datetime | None
    slurm_state: str
    reason: str
    is_array: bool
    tasks: dict[str, int] | None
    submitted_at: datetime | None
    status: str
    started_at: datetime | None
    ended_at: datetime | None
    wall_seconds: int | None
    nodes: int | None
    cores: int | None
    exit_code: int | None
    signal: int | None
    confirmed: bool

    @classmethod
    def of(cls, jobs: JobQuerySet) -> "list[Row]":
        """Return the rows of `jobs`."""
        return list(map(cls._make, jobs.order_by().values_list(*cls._fields)))


def absorb(rows: Iterable[Row], queue: Iterable[Record], history: Iterable[Record]) -> int:
    """Write into the registry what SLURM explicitly says of `rows`, where it differs; return how many rows changed.

    A record counts for the row with its id and its user. A row that another worker has moved meanwhile is left to the
    next pass.
    """
    queued, accounted = _by_job(queue), _by_job(history)
    rows = list(rows)
    successors = _successors([row.id for row in rows if row.recycled])
    changed: list[tuple[Row, Reading, dict[str, Any]]] = []
    for row in rows:
        key = (row.slurm_id, row.account)
        if key not in queued and key not in accounted:
            continue
        if row.recycled:  # the controller speaks of a later job
            queue, until = [], successors.get(row.id)
        else:
            queue, until = of_this_submission(row, queued.get(key, ())), None
        said = reading.read(queue, of_this_submission(row, accounted.get(key, ()), until))
        if said and (changes := differing(row, said)):
            changed.append((row, said, changes))
    return sum(_write(changed[start : start + _BATCH]) for start in range(0, len(changed), _BATCH))


def of_this_submission(job: Row | Job, records: Sequence[Record], until: datetime | None = None) -> list[Record]:
    """Leave out the records of an earlier job that had the same id, and of one that got it later: at `until`."""
    earliest = job.submitted_at or job.created_at - CLOCK_SLACK
    return [
        record
        for record in records
        if record.submitted_at is None
        or (record.submitted_at >= earliest and (until is None or record.submitted_at < until))
    ]


def _successors(recycled: Sequence[UUID]) -> dict[UUID, datetime]:
    """Return when the jobs were submitted that got the ids of the rows `recycled` next."""
    if not recycled:
        return {}
    same = {name: OuterRef(name) for name in ("cluster", "account", "slurm_id")}
    later = Job.objects.filter(**same, created_at__gt=OuterRef("created_at")).order_by("created_at")
    begun = Subquery(later.values(begun=Coalesce("submitted_at", "created_at"))[:1])
    return dict(Job.objects.filter(pk__in=recycled).order_by().values_list("pk", begun))


def differing(job: Row | Job, said: Reading) -> dict[str, Any]:
    """Return the columns of `job` that `said` changes."""
    values = {
        "slurm_state": said.slurm_state,
        "reason": job.reason if said.reason is None else said.reason,
        "is_array": said.is_array or job.is_array,
        "tasks": job.tasks if said.tasks is None else said.tasks,
        "submitted_at": job.submitted_at or said.submitted_at,
    }
    if said.status is None:
        log.warning("unknown-slurm-state", job_id=job.job_id, slurm_state=said.slurm_state)
    elif not _goes_back(job, said):
        values |= {field: getattr(said, field) for field in _TOLD}
    else:
        return {}
    return {field: value for field, value in values.items() if getattr(job, field) != value}


def _goes_back(job: Row | Job, said: Reading) -> bool:
    """Return whether `said` is older than what the row already says, and not a job that SLURM has taken up again."""
    if said.status not in ACTIVE:
        return False
    if job.abort_requested_at:
        return Status(job.status).final
    return said.from_accounting and (Status(job.status).final or said.status is Status.QUEUED)


def _by_job(records: Iterable[Record]) -> dict[tuple[int | None, str], list[Record]]:
    found: dict[tuple[int | None, str], list[Record]] = defaultdict(list)
    for record in records:
        found[record.job, record.user].append(record)
    return dict(found)


@transaction.atomic
def _write(changed: Sequence[tuple[Row, Reading, dict[str, Any]]]) -> int:
    """Write one batch: the rows that nobody has moved meanwhile, their events, and a word to who waits for them."""
    now = timezone.now()
    table = [[changes.get(name, getattr(row, name)) for name in _COLUMNS] for row, _said, changes in changed]
    columns = [list(column) for column in zip(*table, strict=True)]
    tasks = _COLUMNS.index("tasks")
    columns[tasks] = [None if counts is None else Jsonb(counts) for counts in columns[tasks]]
    with connection.cursor() as cursor:
        ids, before = [row.id for row, _said, _changes in changed], [row.status for row, _said, _changes in changed]
        cursor.execute(_UPDATE, [now, ids, before, *columns])
        written = {pk for (pk,) in cursor.fetchall()}
        moved = [
            Event(
                job_id=row.id,
                at=now,
                source=Source.ACCOUNTING if said.from_accounting else Source.POLL,
                status=changes.get("status", row.status),
                slurm_state=changes.get("slurm_state", row.slurm_state),
            )
            for row, said, changes in changed
            if row.id in written and {"status", "slurm_state"} & set(changes)
        ]
        Event.objects.bulk_create(moved, batch_size=_BATCH)
        cursor.execute("SELECT pg_notify(%s, id::text) FROM unnest(%s::uuid[]) AS id", [CHANNEL, list(written)])
    return len(written)
