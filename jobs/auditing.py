"""The callers' part of the audit log: one line for each call that asked for a change, whatever came of it.

The line of a submission is stored behind the answer's back: what has to survive is in the job's own row, which was
committed before the cluster was asked, and `complete` writes the lines of processes that died in between.
"""

import uuid
from typing import Protocol

import structlog
from django.db import connection
from rest_framework.request import Request
from rest_framework.response import Response

from audit import ledger
from jobs import afterwards
from jobs.metrics import SUBMISSIONS
from jobs.models import Job

log = structlog.get_logger(__name__)

_ACTIONS = {"create": "submit", "update": "abort", "destroy": "delete"}
_TOO_MANY, _UNKNOWN, _FAILED = 429, 408, 500

_COMPLETE = """
    INSERT INTO audit_entry (at, account, dn, operator, address, action, cluster, submission, subject, outcome, detail,
                             request_id)
    SELECT j.created_at, j.account, j.owner_dn, '', '', 'submit', c.name, j.id, j.job_id,
           CASE j.submission WHEN 'SUBMITTED' THEN 'done' WHEN 'FAILED' THEN 'refused' ELSE 'unknown' END,
           'told from the registry: the process that answered died', ''
    FROM jobs_job j JOIN clusters_cluster c ON c.id = j.cluster_id
    WHERE j.created_at BETWEEN now() - interval '1 day' AND now() - interval '5 minutes'
      AND NOT EXISTS (SELECT FROM audit_entry a WHERE a.submission = j.id AND a.action = 'submit')
    ON CONFLICT DO NOTHING
"""


class Call(Protocol):
    """What a view knows at its end; `subject` only where the job is the caller's own."""

    request: Request
    action: str
    submission: uuid.UUID | None
    subject: Job | None
    host: str


def record(call: Call, response: Response, job_id: str) -> None:
    """Write down a call of an authenticated caller; not one that was too fast: those are counted.

    `job_id` is what the caller asked for, whether there is such a job or not.
    """
    action = _ACTIONS.get(call.action)
    caller = getattr(call.request, "user", None)
    if action is None or caller is None or response.status_code == _TOO_MANY:
        return
    if response.has_header("Idempotency-Replayed"):
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
    )
    if call.action == "create":
        SUBMISSIONS.labels(call.host, line.outcome).inc()
        afterwards.do(lambda: ledger.later(line))
    else:
        ledger.store([line])


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
