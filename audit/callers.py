"""What callers of the API ask for: each call that asks for a change is a line of the audit log, whatever came of it."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.utils import timezone

from audit import context, ledger
from audit.models import Entry
from audit.storage import store

_BATCH = 200  # lines of one statement


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that asked for a change, once it has been answered.

    `action` and `outcome` are words that the audit log's page filters by. `submission` is the key of the job's row,
    `subject` the job's id or what the caller gave as one, `code` the HTTP status. `detail` says why the call came to
    nothing, and must repeat neither a script nor a header. `request_id` and `address` are those of the request that is
    being answered unless they are given; `answered_at` is now unless it is given.
    """

    action: str
    outcome: str
    account: str = ""
    dn: str = ""
    cluster: str = ""
    submission: uuid.UUID | None = None
    subject: str = ""
    code: int | None = None
    detail: str = ""
    request_id: str | None = None
    address: str | None = None
    answered_at: datetime | None = None


def record(call: Call) -> None:
    """Store the line of `call` now; a line that the database does not take goes to the log. Raises nothing."""
    store([_entry(call)])


def record_later(call: Call) -> None:
    """Have the line of `call` stored within moments by another thread: for what has a row of its own as well.

    The line is lost when the process is killed in between; `record_missing` writes it then.
    """
    ledger.later(_entry(call))


def record_missing(calls: Iterable[Call]) -> int:
    """Store the lines of `calls`, of which those that have a line already get none; return how many were handed in."""
    count, waiting = 0, iter(calls)
    while batch := [_entry(call) for call in islice(waiting, _BATCH)]:
        store(batch)
        count += len(batch)
    return count


def _entry(call: Call) -> Entry:
    return Entry(
        at=call.answered_at or timezone.now(),
        account=call.account,
        dn=call.dn,
        address=context.client_address() if call.address is None else call.address,
        action=call.action,
        cluster=call.cluster,
        submission=call.submission,
        subject=call.subject,
        outcome=call.outcome,
        code=call.code,
        detail=call.detail,
        request_id=context.request_id() if call.request_id is None else call.request_id,
    )
