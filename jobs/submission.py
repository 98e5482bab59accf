"""Submits a job exactly once, whatever process dies: the row is committed first, then sbatch runs, then the outcome."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from clusters import schedule, submitting
from clusters.errors import ClusterError, Malformed, Refused, TimedOut, Unreachable
from clusters.slurm.description import NewJob
from clusters.slurm.sbatch import Accepted, NotSubmitted, Rejected
from clusters.submitting import SubmissionSlot, SubmissionUpdate, WorkingDirectoryError
from jobs import hosts, placement, statements
from jobs.errors import KeyReused, OutcomeUnknown, RefusedBefore, StillInFlight, SubmissionRefused
from jobs.hosts import Host
from jobs.models import Job, SubmissionStatus
from jobs.placement import Outcome
from jobs.states import Status

# One statement where the ORM would need two or, with a key, five: for a row without a key it takes Python 0.87 ms of
# processor time, this 0.23. ON CONFLICT, since PostgreSQL writes the whole row into its log with an error.
_REGISTER = """
    WITH host AS (
        SELECT id FROM clusters_cluster WHERE ctid = %(ctid)s::tid AND xmin = %(xmin)s::xid AND id = %(cluster)s
    ), registered AS (
        INSERT INTO jobs_job (
            id, cluster_id, account, owner_dn, tag, working_directory, created_at, idempotency_key, request_digest,
            submission_status, acknowledged, job_id, slurm_id_reused, status, slurm_state, reason, is_array, stdout,
            stderr, accounting_confirmed
        )
        SELECT
            %(id)s::uuid, id, %(account)s::text, %(owner_dn)s::text, %(tag)s::text, %(directory)s::text,
            %(created_at)s::timestamptz, %(key)s::text, %(digest)s::text,
            'PENDING', false, '', false, 'QUEUED', '', '', false, '', '', false
        FROM host
        ON CONFLICT (account, idempotency_key) DO NOTHING
        RETURNING id
    )
    SELECT EXISTS (SELECT FROM host), EXISTS (SELECT FROM registered)
"""
# By the ORM 0.29 ms of processor time, so 0.06.
_ACCEPTED = """
    UPDATE jobs_job SET submission_status = 'SUBMITTED', cluster_id = %s, slurm_id = %s, job_id = %s, checked_at = %s
    WHERE id = %s AND submission_status IN ('PENDING', 'FAILED')
"""
_ANSWERED = "UPDATE jobs_job SET answer = %s::jsonb WHERE id = %s"

_DESCRIPTION = ("stdout_path", "stderr_path", "is_array", "submitted_at")
# One statement for all submissions that were acknowledged together. A poll may have written the time before.
_ACKNOWLEDGED = """
    UPDATE jobs_job SET acknowledged = jobs_job.acknowledged OR updates.cleared,
        stdout = coalesce(updates.stdout, jobs_job.stdout), stderr = coalesce(updates.stderr, jobs_job.stderr),
        is_array = coalesce(updates.is_array, jobs_job.is_array),
        submitted_at = coalesce(updates.submitted_at, jobs_job.submitted_at)
    FROM unnest(%s::uuid[], %s::boolean[], %s::text[], %s::text[], %s::boolean[], %s::timestamptz[])
        AS updates(id, cleared, stdout, stderr, is_array, submitted_at)
    WHERE jobs_job.id = updates.id
"""


@dataclass(frozen=True)
class Order:
    """What a caller wants to run. `directory` is absolute or relative to the home; empty for the home.

    `key` and `digest` tell a repeated request: the caller's Idempotency-Key, and SHA-256 of the request's body.
    """

    script: str
    directory: str = ""
    tag: str | None = None
    key: str | None = None
    digest: str = ""


def submit(slot: SubmissionSlot, host: Host, owner_dn: str, order: Order) -> tuple[Job, bool]:
    """Run sbatch on the cluster of `slot`, `host`; return the job, and whether an earlier request had submitted it.

    The row, whose id is the slot's token, is committed before the cluster is asked, and no transaction is open
    meanwhile: whatever dies, the row stays, and jobs.recovery finishes it. Raises SubmissionRefused, Unreachable or
    Refused (there is no job), OutcomeUnknown (there may be one), KeyReused, StillInFlight; and hosts.Changed, before
    anything was done.
    """
    values = {
        "id": slot.token,
        "cluster": slot.cluster,
        "account": slot.account,
        "owner_dn": owner_dn,
        "tag": order.tag,
        "working_directory": order.directory,
        "idempotency_key": order.key,
        "request_digest": order.digest,
    }
    job = Job(**values)
    if not _register(job, host):
        return _replay(slot.account, order), True
    _run(slot, job, order)
    return job, False


def as_submitted(job: Job) -> Job:
    """Return `job` as it was when it had just been submitted: what the first answer showed."""
    return Job(
        id=job.id, cluster=job.cluster, account=job.account, tag=job.tag, job_id=job.job_id, slurm_id=job.slurm_id,
        stdout=job.stdout, stderr=job.stderr, status=Status.QUEUED, checked_at=job.checked_at,
    )  # fmt: skip


def stored_or_new_answer(job: Job, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the stored first answer; if there is none, store `answer` and return it."""
    if job.idempotency_key is None:
        return answer
    if job.answer is None:
        with statements.prepared() as cursor:
            cursor.execute(_ANSWERED, [json.dumps(answer), job.pk])
        return answer
    first: dict[str, Any] = job.answer
    return first


def _register(job: Job, host: Host) -> bool:
    """Commit the row of a new submission; return False where its Idempotency-Key has one already.

    Raises hosts.Changed where the cluster's row is no longer the one with which the order was checked.
    """
    values: dict[str, Any] = {
        "ctid": host.ctid, "xmin": host.xmin, "cluster": host.cluster.pk, "id": job.id, "account": job.account,
        "owner_dn": job.owner_dn, "tag": job.tag, "directory": job.working_directory, "created_at": job.created_at,
        "key": job.idempotency_key, "digest": job.request_digest,
    }  # fmt: skip
    with statements.prepared() as cursor:
        cursor.execute(_REGISTER, values)
        is_current, is_registered = cursor.fetchone()
    if not is_current:
        hosts.forget(host)
        raise hosts.Changed(host.cluster.name)
    return bool(is_registered)


def _run(slot: SubmissionSlot, job: Job, order: Order) -> None:
    """Run sbatch, and write the outcome into the row of `job`."""
    try:
        answer = submitting.submit(slot, order.directory, order.script)
    except (Unreachable, Refused) as exc:
        store_outcome(job, NotSubmitted(str(exc)))
        raise
    except (TimedOut, Malformed) as exc:
        raise OutcomeUnknown(job.id, exc) from exc
    try:
        outcome = placement.place_job(job, answer.outcome)
        store_outcome(job, outcome)
        if answer.new:
            store_description(job, answer.new)
    except (DatabaseError, ClusterError) as exc:
        raise OutcomeUnknown(job.id, exc) from exc
    if not answer.sbatch_runs:
        submitting.acknowledge(slot, answer.outcome if isinstance(answer.outcome, Accepted) else None, _store_updates)
    if not isinstance(outcome, Accepted):
        raise _refusal(outcome)


def _replay(account: str, order: Order) -> Job:
    """Return the job that the first request with this key has submitted. Raises what the first one raised."""
    first = Job.objects.select_related("cluster").get(account=account, idempotency_key=order.key)
    if first.request_digest != order.digest:
        raise KeyReused(
            "this Idempotency-Key was used before with another request; give each submission a key of its own"
        )
    if first.submission_status == SubmissionStatus.PENDING:
        raise StillInFlight(first.id)
    if first.submission_status == SubmissionStatus.FAILED:
        raise RefusedBefore(first.id, first.failure or {})
    return first


def store_outcome(job: Job, outcome: Outcome) -> bool:
    """Write the outcome of a submission that had none; return False if it had one by now."""
    if isinstance(outcome, Accepted):
        return _accept(job, outcome.job)
    # Where nothing was submitted, and nothing will be, the caller may try again with the same key.
    return _fail(job, _refusal(outcome), keeps_key=not isinstance(outcome, NotSubmitted))


def _refusal(outcome: WorkingDirectoryError | Rejected | NotSubmitted) -> SubmissionRefused:
    """Return what the caller is told of a submission that has no job."""
    match outcome:
        case WorkingDirectoryError(message):
            return SubmissionRefused(f"working_directory: {message}")
        case Rejected(exit_code, stdout, stderr, message):
            return SubmissionRefused(message, exit_code=exit_code, stdout=stdout, stderr=stderr)
        case NotSubmitted(reason):
            return SubmissionRefused(f"nothing was submitted: {reason or 'the request did not reach sbatch'}")


def _accept(job: Job, slurm_id: int) -> bool:
    job.submission_status, job.slurm_id, job.checked_at = SubmissionStatus.SUBMITTED, slurm_id, timezone.now()
    job.job_id = f"{slurm_id}.{job.cluster.job_domain}"
    try:
        # One statement is a transaction; only inside another one its failure has to be undone apart.
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            return _write_accepted(job)
    except IntegrityError:
        # SLURM has used the id before (its ids wrap, and a new controller begins anew): from now on it means this job.
        with transaction.atomic():
            Job.objects.filter(cluster=job.cluster, account=job.account, slurm_id=slurm_id).update(slurm_id_reused=True)
            return _write_accepted(job)


def _write_accepted(job: Job) -> bool:
    """Write that there is a job, where the row has no outcome yet or says that there is none."""
    with statements.prepared() as cursor:
        cursor.execute(_ACCEPTED, [job.cluster_id, job.slurm_id, job.job_id, job.checked_at, job.pk])
        return bool(cursor.rowcount == 1)


def _fail(job: Job, refusal: SubmissionRefused, *, keeps_key: bool) -> bool:
    values: dict[str, Any] = {"submission_status": SubmissionStatus.FAILED, "failure": refusal.stored()}
    if not keeps_key:
        values["idempotency_key"] = None
    for field, value in values.items():
        setattr(job, field, value)
    return Job.objects.filter(pk=job.pk, submission_status=SubmissionStatus.PENDING).update(**values) == 1


def _store_updates(updates: Sequence[SubmissionUpdate]) -> None:
    """Write what the cluster has told of submissions of one account. Runs in a thread of the pool."""
    columns: list[list[Any]] = [[each.slot.token for each in updates], [each.cleared for each in updates]]
    columns += [[each.new and getattr(each.new, name) for each in updates] for name in _DESCRIPTION]
    with connection.cursor() as cursor:
        cursor.execute(_ACKNOWLEDGED, columns)
    slot = updates[0].slot
    if any(each.new for each in updates):
        schedule.expedite(slot.cluster, slot.account)


def store_description(job: Job, new: NewJob) -> None:
    """Write what the controller says of a new job."""
    described: dict[str, Any] = {"stdout": new.stdout_path, "stderr": new.stderr_path, "is_array": new.is_array}
    if new.submitted_at:  # a poll may have written it before
        described["submitted_at"] = new.submitted_at
    Job.objects.filter(pk=job.pk).update(**described)
    for field, value in described.items():
        setattr(job, field, value)
