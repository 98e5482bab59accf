"""A job as its caller reads it: from the columns of its row to the contract's fields.

Lists are long: a row is a tuple, and no model's instance and no serializer is made of it. Instances of 1,000 jobs took
26 ms, their tuples take 3; a serializer took 11 ms to write them out, this takes 4. PostgreSQL by itself (json_agg)
would take 11 for all of that, by rules of its own for time zones and URLs.

Times are texts here, as PostgreSQL writes them for this service: in UTC, `2026-11-01 12:00:00.25+00`. Answers show
little else of them, and 1,000 jobs have 5,000: as datetimes they took 4 ms more.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.backends.utils import CursorWrapper
from psycopg.types.json import JsonbLoader
from psycopg.types.string import TextLoader

from clusters.models import Cluster
from clusters.slurm import filenames
from clusters.slurm.filenames import Pattern
from jobs import states
from jobs.api import serializers
from jobs.api.serializers import duration
from jobs.models import Job
from jobs.states import ACTIVE


class Row(NamedTuple):
    """What is read of a job, in this order; `revision` stands for all of it that an answer shows (see jobs.models)."""

    id: str
    cluster_id: int
    account: str
    job_id: str
    slurm_id: int | None
    status: str
    tag: str | None
    slurm_state: str
    reason: str
    tasks: dict[str, int] | None
    stdout: str
    stderr: str
    nodes: int | None
    cores: int | None
    exit_code: int | None
    signal: int | None
    submitted_at: str | None
    started_at: str | None
    ended_at: str | None
    wall_seconds: int | None
    accounting_confirmed: bool
    checked_at: str | None
    revision: int = 0

    @classmethod
    def of(cls, job: Job) -> "Row":
        """Return the Row of an instance, which may not be in the database: the revision is left out."""
        return cls(*map(_as_read, (getattr(job, name) for name in JOB_COLUMNS[:-1])))

    @property
    def is_final(self) -> bool:
        """Whether the job stays like this unless SLURM itself takes it up again."""
        return self.status not in ACTIVE

    @property
    def is_polled(self) -> bool:
        """Whether polls ask about it, and one has found it already."""
        return bool(self.slurm_state) and not (self.is_final and self.accounting_confirmed)


class ClusterRow(NamedTuple):
    """What answers show of a job's cluster (`key`), and when it was last polled with success for this owner."""

    key: int
    name: str
    time_zone: str
    download_url: str
    polled_at: str | None = None

    @classmethod
    def of(cls, cluster: Cluster) -> "ClusterRow":
        """Return the ClusterRow of an instance, for a job that no poll has found yet."""
        return cls(cluster.pk, cluster.name, cluster.time_zone, cluster.download_url)


JOB_COLUMNS = Row._fields
CLUSTER_COLUMNS = "c.id, c.name, c.time_zone, c.download_url, p.succeeded_at"
"""The columns of a ClusterRow, where `c` is a cluster and `p` its poll."""


def _digest_of_format() -> str:
    """Return what tells lists of this version of the service from those of another: a digest of what writes them."""
    here = Path(__file__)
    files = [Path(str(module.__file__)) for module in (filenames, serializers, states)]
    return sha256(b"".join(file.read_bytes() for file in (*files, here, here.with_name("listing.py")))).hexdigest()


FORMAT = _digest_of_format()
"""A part of each list's ETag: an upgrade makes new tags. A change of the time zones' rules does not."""


def read_as_text(cursor: CursorWrapper) -> None:
    """Have `cursor` return times and keys as texts: 1,000 rows take 3 ms, by Django's loaders 9."""
    for kind, loader in (("timestamptz", TextLoader), ("uuid", TextLoader), ("jsonb", JsonbLoader)):
        cursor.cursor.adapters.register_loader(kind, loader)


def _as_read(value: Any) -> Any:
    """Return `value` of an instance as `read_as_text` has it."""
    if isinstance(value, datetime):
        return str(value.astimezone(UTC))
    return str(value) if isinstance(value, UUID) else value


def job_fields(row: Row, cluster: ClusterRow, jobs_url: str) -> dict[str, Any]:
    """Return the job's fields in the contract's forms; runtime fields are absent until they are known.

    `jobs_url` is the absolute URL of the collection.
    """
    return {
        "job_id": row.job_id,
        "stdout_path": _output_url(row, cluster, row.stdout, f"{jobs_url}/{row.job_id}/stdout"),
        "stderr_path": _output_url(row, cluster, row.stderr, f"{jobs_url}/{row.job_id}/stderr"),
        "status": row.status,
        "tag": row.tag,
        **_runtime(row, cluster.time_zone),
        "host": cluster.name,
        "slurm_state": row.slurm_state or None,
        "reason": row.reason or None,
        "exit_code": row.exit_code,
        "signal": row.signal or None,
        **({"tasks": row.tasks} if row.tasks else {}),
        "checked_at": _checked_at(row, cluster),
    }


def _output_url(row: Row, cluster: ClusterRow, path: str, own: str) -> str:
    """Return where the file `path` is: in the site's own download service, if it has one, else `own`."""
    if not (cluster.download_url and path):
        return own
    path = Pattern.of(path).of_array(row.slurm_id or 0)
    return cluster.download_url.format(path=quote(path), account=row.account, job_id=row.job_id)


def _runtime(row: Row, time_zone: str) -> dict[str, str]:
    started, ended = row.started_at, row.ended_at
    waited_until = started or (ended if row.is_final else None)
    fields = {
        "nodes": None if row.nodes is None else str(row.nodes),
        "cores": None if row.cores is None else str(row.cores),
        "start_time": _local(started, time_zone) if started else None,
        "end_time": _local(ended, time_zone) if ended else None,
        "start_time_utc": _utc(started) if started else None,
        "end_time_utc": _utc(ended) if ended else None,
        "wall_time": None if row.wall_seconds is None else duration(timedelta(seconds=row.wall_seconds)),
        "queue_time": _between(row.submitted_at, waited_until) if waited_until and row.submitted_at else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _utc(time: str) -> str:
    return f"{time[:10]}T{time[11:19]}Z"


def _local(time: str, time_zone: str) -> str:
    """Return `time` in `time_zone`. The conversion is cached per minute, because zone offsets are whole minutes."""
    return _local_minute(time[:16], time_zone) + time[16:19]


@lru_cache(maxsize=8192)
def _local_minute(minute: str, time_zone: str) -> str:
    return str(datetime.fromisoformat(f"{minute}+00:00").astimezone(ZoneInfo(time_zone)))[:16]


def _between(begin: str, end: str) -> str:
    return duration(datetime.fromisoformat(end) - datetime.fromisoformat(begin))


def _checked_at(row: Row, cluster: ClusterRow) -> str | None:
    """Return when SLURM was last asked about this job with success: at its last change, or since then if it is open."""
    checked = row.checked_at
    if cluster.polled_at and row.is_polled and (checked is None or checked[:19] < cluster.polled_at[:19]):
        checked = cluster.polled_at
    return _utc(checked) if checked else None
