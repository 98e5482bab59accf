"""The verbs: submit, abort, delete, absorb. What views, tasks, commands and the admin call."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from clusters import gateway
from clusters.errors import Refused, Unreachable
from clusters.gateway import NoDirectory
from clusters.models import Cluster
from clusters.slurm import Record, Rejected, Submitted
from jobs import reading
from jobs.errors import SubmissionRefused
from jobs.models import Job, Submission
from jobs.reading import Reading
from jobs.states import ACTIVE, Status

log = structlog.get_logger(__name__)

# Clocks differ: a record this much older than our row can still be of the same submission.
CLOCK_SLACK = timedelta(hours=1)

# What a reading says of a job, column by column, and always the latest of it.
_TOLD = ("status", "started_at", "ended_at", "wall_seconds", "nodes", "cores", "exit_code", "signal", "confirmed")


@dataclass(frozen=True)
class Order:
    """What a caller wants to run. `directory` is absolute or relative to the home; empty for the home."""

    script: str
    directory: str = ""
    tag: str | None = None


def submit(cluster: Cluster, account: str, owner_dn: str, order: Order) -> Job:
    """Run sbatch on `cluster` as `account` and return the registered job.

    The row is committed before the cluster is asked, and no transaction is open meanwhile: whatever dies, the row
    stays. Raises SubmissionRefused, Unreachable or Refused (there is no job) and TimedOut or Malformed (there may be
    one: the row stays PENDING).
    """
    job = Job.objects.create(
        cluster=cluster, account=account, owner_dn=owner_dn, tag=order.tag, working_directory=order.directory
    )
    try:
        outcome = gateway.submit(cluster, account, job.id.hex, order.directory, order.script)
    except (Unreachable, Refused) as exc:
        _fail(job, str(exc))
        raise
    match outcome:
        case Submitted():
            _accept(job, outcome)
            return job
        case NoDirectory(message):
            _fail(job, message)
            raise SubmissionRefused(f"working_directory: {message}")
        case Rejected(code, stdout, stderr):
            _fail(job, stderr, exit_code=code, stdout=stdout)
            raise SubmissionRefused("sbatch refused the job", exit_code=code, stdout=stdout, stderr=stderr)


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
    """Cancel `job` if it is still active, and remove it. Raises ClusterError, and the job stays as it was."""
    if not Status(job.status).final:
        _cancel(job)
    job.delete()


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


def _accept(job: Job, accepted: Submitted) -> None:
    values = {
        "submission": Submission.SUBMITTED,
        "slurm_id": accepted.job,
        "job_id": f"{accepted.job}.{job.cluster.job_domain}",
        "stdout": accepted.stdout_path,
        "stderr": accepted.stderr_path,
        "submitted_at": accepted.submitted_at,
        "is_array": accepted.is_array,
        "checked_at": timezone.now(),
    }
    try:
        _write(job, values)
    except IntegrityError:
        # The id has come round again (or the controller was set up anew): from now on it means this job.
        with transaction.atomic():
            Job.objects.filter(cluster=job.cluster, account=job.account, slurm_id=accepted.job).update(recycled=True)
            _write(job, values)


def _fail(job: Job, stderr: str, *, exit_code: int = 0, stdout: str = "") -> None:
    failure = {"exit_code": exit_code, "standard_output": stdout, "error_output": stderr}
    _write(job, {"submission": Submission.FAILED, "failure": failure})


def _write(job: Job, values: dict[str, Any]) -> None:
    Job.objects.filter(pk=job.pk).update(**values)
    for field, value in values.items():
        setattr(job, field, value)


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
