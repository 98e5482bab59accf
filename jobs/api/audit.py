"""The callers' part of the audit log: one line for each call that asked for a change, whatever came of it.

The line of a submission is stored after the response has been sent: what has to survive is in the job's own row, which
was committed before the cluster was asked, and `backfill` writes the lines of processes that died in between.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from django.db import DatabaseError
from django.db.models import Exists, OuterRef
from django.utils import timezone
from prometheus_client import Counter
from rest_framework.exceptions import ValidationError

from audit import callers
from audit.models import Entry
from clusters.errors import ClusterError, Failed, Interrupted, Malformed, Refused, TimedOut, TooMuch, Unreachable
from jobs import after_response
from jobs.errors import OutcomeUnknown, SubmissionRefused
from jobs.models import Job, SubmissionStatus

log = structlog.get_logger(__name__)

_SUBMISSIONS = Counter(
    "submitter_submissions",
    "Answered submissions: done, refused, failed or unknown; without a cluster where the input named none",
    ["cluster", "outcome"],
)

_TOO_MANY, _UNKNOWN, _FAILED = 429, 408, 500
_LONGEST_REASON = 300  # characters
_NAMES = frozenset({"host", "script", "working_directory", "tag", "action", "Idempotency-Key"})
# The controller's own words (slurm_strerror(3)). What else sbatch says may repeat the script's options.
_SLURMS_WORDS = re.compile(r"^sbatch: error: Batch job submission failed: ([ -~]{1,200})$", re.MULTILINE)
# Why no directory can be entered (chdir(2)), in the words of strerror(3).
_SYSTEMS_WORDS = (
    "No such file or directory", "Not a directory", "Permission denied", "Too many levels of symbolic links",
    "File name too long", "Input/output error",
)  # fmt: skip
_MEANINGS: dict[type[BaseException], str] = {
    Interrupted: "the connection was lost while the command ran",
    TimedOut: "the cluster did not answer in time",
    Malformed: "the cluster's answer was not understood",
    Failed: "a command of SLURM failed on the cluster",
    TooMuch: "the cluster's answer was too long",
    DatabaseError: "the outcome could not be kept",
}
_LONGEST_SEARCHED = 8_192  # characters of what sbatch said

_SEARCHED = timedelta(days=1)
_GRACE = timedelta(minutes=5)  # a call that is being answered will leave its line itself
_REGISTERED: dict[str, str] = {SubmissionStatus.SUBMITTED: "done", SubmissionStatus.FAILED: "refused"}


@dataclass(frozen=True)
class Target:
    """What a call is about, as far as that is known: a job of the caller's, a submission, or what was asked for."""

    job_id: str = ""
    cluster: str = ""
    submission: uuid.UUID | None = None

    @classmethod
    def of(cls, job: Job) -> "Target":
        """Return the caller's own `job` as a target."""
        return cls(job.job_id, job.cluster.name, job.pk)


@dataclass(frozen=True)
class AuditedCall:
    """A call of an authenticated caller that asked for a change, and how it was answered.

    `action` is submit, submit-again, abort or delete. `fault` is why the call came to nothing, and `message` what the
    answer says of that.
    """

    action: str
    account: str
    dn: str
    target: Target
    status_code: int
    fault: Exception | None = None
    message: str = ""


class CallFailed(Exception):
    """`fault` has ended a call that is about `target`."""

    def __init__(self, target: Target, fault: Exception) -> None:
        super().__init__(str(fault))
        self.target = target
        self.fault = fault


@contextmanager
def about(target: Target) -> Iterator[None]:
    """Have whatever is raised in the block say that the call is about `target`. Raises CallFailed."""
    try:
        yield
    except Exception as exc:
        raise CallFailed(target, exc) from exc


def record(call: AuditedCall) -> None:
    """Write down `call`; not one that came too fast: those are counted."""
    if call.status_code == _TOO_MANY:
        return
    line = callers.Call(
        action=call.action,
        outcome=_outcome(call.status_code),
        account=call.account,
        dn=call.dn,
        cluster=call.target.cluster,
        submission=call.target.submission,
        subject=call.target.job_id.replace("\0", "\ufffd")[:300],
        code=call.status_code,
        detail=_reason(call),
    )
    if call.action in {"submit", "submit-again"}:
        _SUBMISSIONS.labels(call.target.cluster, line.outcome).inc()
        after_response.run_after_response(partial(callers.record_later, line))
    else:
        callers.record(line)


def _reason(call: AuditedCall) -> str:
    """Return why a call came to nothing, in one line, without anything of the script or of a header.

    What a login shell or a command says could repeat the script: of that only sentences that are known are kept.
    """
    match call.fault:
        case ValidationError() as fault:
            reason = "; ".join(_faults(fault.detail))
        case SubmissionRefused() as fault:
            reason = _refusal(fault)
        case Unreachable() | Refused() as fault:
            reason = str(fault)
        case ClusterError() | OutcomeUnknown() as fault:
            reason = _meaning(fault.__cause__ or fault)
        case _:
            reason = call.message
    line = " ".join(reason.split())[:_LONGEST_REASON]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)


def _meaning(fault: BaseException) -> str:
    """Return what kind of fault it is, in words of this service alone."""
    return next((meaning for kind, meaning in _MEANINGS.items() if isinstance(fault, kind)), type(fault).__name__)


def _refusal(fault: SubmissionRefused) -> str:
    """Return why a cluster did not take a job: in SLURM's words or the system's where they are known ones."""
    if fault.exit_code:
        message = f"{fault}, exit code {fault.exit_code}"
        known = _SLURMS_WORDS.search(fault.stderr[:_LONGEST_SEARCHED])
        return f"{message}: {known[1]}" if known else message
    subject, _, complaint = str(fault)[:_LONGEST_SEARCHED].partition(":")
    reason = next((sentence for sentence in _SYSTEMS_WORDS if sentence in complaint), "")
    return f"{subject}: {reason}" if reason else subject


def _faults(detail: Any, name: str = "") -> list[str]:
    """Return what is wrong with each field. A name that is none of ours is the caller's text, and is left out."""
    if isinstance(detail, dict):
        named = {(str(key) if key in _NAMES else "another field"): value for key, value in detail.items()}
        return [fault for key, value in named.items() for fault in _faults(value, key)]
    if isinstance(detail, list):
        return [fault for value in detail for fault in _faults(value, name)]
    return [f"{name}: {detail}" if name else str(detail)]


def backfill() -> int:
    """Write the missing lines of the last day's submissions from their rows; return how many."""
    now = timezone.now()
    line = Entry.objects.filter(submission=OuterRef("pk"), action="submit")
    jobs = Job.objects.filter(created_at__range=(now - _SEARCHED, now - _GRACE)).exclude(Exists(line))
    count = callers.record_missing(_from_registry(job) for job in jobs.select_related("cluster").iterator())
    if count:
        log.warning("audit-lines-completed", count=count)
    return count


def _from_registry(job: Job) -> callers.Call:
    """Return the call that began the submission of `job`; nothing is known of its address and of its id."""
    why = str((job.failure or {}).get("message") or "")[:_LONGEST_REASON]
    return callers.Call(
        answered_at=job.created_at,
        action="submit",
        outcome=_REGISTERED.get(job.submission_status, "unknown"),
        account=job.account,
        dn=job.owner_dn,
        cluster=job.cluster.name,
        submission=job.pk,
        subject=job.job_id,
        detail="; ".join(filter(None, ["written from the registry: the process that answered died", why])),
        address="",
        request_id="",
    )


def _outcome(code: int) -> str:
    if code == _UNKNOWN:
        return "unknown"
    if code >= _FAILED:
        return "failed"
    return "refused" if code >= 400 else "done"  # noqa: PLR2004 - HTTP's own boundary
