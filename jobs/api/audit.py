"""The callers' part of the audit log: one line for each call that asked for a change, whatever came of it.

The line of a submission is stored behind the answer's back: what has to survive is in the job's own row, which was
committed before the cluster was asked, and `complete` writes the lines of processes that died in between.
"""

import re
import uuid
from typing import Any, Protocol

import structlog
from django.db import DatabaseError, connection
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from audit import ledger
from clusters.errors import ClusterError, Failed, Interrupted, Malformed, Refused, TimedOut, TooMuch, Unreachable
from jobs import after_response
from jobs.errors import OutcomeUnknown, StillInFlight, SubmissionRefused
from jobs.metrics import SUBMISSIONS
from jobs.models import Job

log = structlog.get_logger(__name__)

_ACTIONS = {"create": "submit", "update": "abort", "destroy": "delete"}
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

_COMPLETE = """
    INSERT INTO audit_entry (at, account, dn, operator, address, action, cluster, submission, subject, outcome, detail,
                             request_id)
    SELECT j.created_at, j.account, j.owner_dn, '', '', 'submit', c.name, j.id, j.job_id,
           CASE j.submission WHEN 'SUBMITTED' THEN 'done' WHEN 'FAILED' THEN 'refused' ELSE 'unknown' END,
           'told from the registry: the process that answered died'
               || coalesce('; ' || left(j.failure->>'message', 300), ''), ''
    FROM jobs_job j JOIN clusters_cluster c ON c.id = j.cluster_id
    WHERE j.created_at BETWEEN now() - interval '1 day' AND now() - interval '5 minutes'
      AND NOT EXISTS (SELECT FROM audit_entry a WHERE a.submission = j.id AND a.action = 'submit')
    ON CONFLICT DO NOTHING
"""


class Call(Protocol):
    """What a view knows at its end; `subject` only where the job is the caller's own, `fault` where it failed."""

    request: Request
    action: str
    submission: uuid.UUID | None
    subject: Job | None
    host: str
    fault: Exception | None


def record(call: Call, response: Response, job_id: str) -> None:
    """Write down a call of an authenticated caller; not one that was too fast: those are counted.

    `job_id` is what the caller asked for, whether there is such a job or not.
    """
    action = _ACTIONS.get(call.action)
    caller = getattr(call.request, "user", None)
    if action is None or caller is None or response.status_code == _TOO_MANY:
        return
    if response.has_header("Idempotency-Replayed") or isinstance(call.fault, StillInFlight):
        action = "submit-again"
    job = call.subject
    line = ledger.entry(
        action,
        _outcome(response.status_code),
        account=caller.account,
        dn=caller.dn,
        cluster=job.cluster.name if job else call.host,
        submission=job.pk if job else call.submission,
        subject=(job.job_id if job else job_id.replace("\0", "\ufffd"))[:300],
        code=response.status_code,
        detail=_reason(call.fault, response),
    )
    if call.action == "create":
        SUBMISSIONS.labels(call.host, line.outcome).inc()
        after_response.run_after_response(lambda: ledger.later(line))
    else:
        ledger.store([line])


def _reason(fault: Exception | None, response: Response) -> str:
    """Return why a call came to nothing, in one line, without anything of the script or of a header.

    What a login shell or a command says could repeat the script: of that only sentences that are known are kept.
    """
    if fault is None or response.status_code < 400:  # noqa: PLR2004 - HTTP's own boundary
        return ""
    match fault:
        case ValidationError():
            words = "; ".join(_faults(fault.detail))
        case SubmissionRefused():
            words = _refusal(fault)
        case Unreachable() | Refused():
            words = str(fault)
        case ClusterError() | OutcomeUnknown():
            words = _meaning(fault.__cause__ or fault)
        case _:
            words = str(response.data.get("error_message", "")) if isinstance(response.data, dict) else ""
    line = " ".join(words.split())[:_LONGEST_REASON]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)


def _meaning(fault: BaseException) -> str:
    """Return what kind of fault it is, in words of this service alone."""
    return next((words for kind, words in _MEANINGS.items() if isinstance(fault, kind)), type(fault).__name__)


def _refusal(fault: SubmissionRefused) -> str:
    """Return why a cluster did not take a job: in SLURM's words or the system's where they are known ones."""
    if fault.exit_code:
        words, said = f"{fault}, exit code {fault.exit_code}", _SLURMS_WORDS.search(fault.stderr[:_LONGEST_SEARCHED])
        return f"{words}: {said[1]}" if said else words
    subject, _, told = str(fault)[:_LONGEST_SEARCHED].partition(":")
    known = next((words for words in _SYSTEMS_WORDS if words in told), "")
    return f"{subject}: {known}" if known else subject


def _faults(detail: Any, name: str = "") -> list[str]:
    """Return what is wrong with each field. A name that is none of ours is the caller's text, and is left out."""
    if isinstance(detail, dict):
        told = {(str(key) if key in _NAMES else "another field"): value for key, value in detail.items()}
        return [fault for key, value in told.items() for fault in _faults(value, key)]
    if isinstance(detail, list):
        return [fault for value in detail for fault in _faults(value, name)]
    return [f"{name}: {detail}" if name else str(detail)]


def complete() -> int:
    """Write the missing lines of the last day's submissions from their rows; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(_COMPLETE)
        found = int(cursor.rowcount)
    if found:
        log.warning("audit-lines-completed", count=found)
    return found


def _outcome(code: int) -> str:
    if code == _UNKNOWN:
        return "unknown"
    if code >= _FAILED:
        return "failed"
    return "refused" if code >= 400 else "done"  # noqa: PLR2004 - HTTP's own boundary
