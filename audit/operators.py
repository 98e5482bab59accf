"""What operators do, in the admin or by a command: each act is a line of the audit log, with a word of its own."""

import getpass
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model

from audit import context
from audit.models import Entry
from audit.storage import store

_ACTIONS = {ADDITION: "add", CHANGE: "change", DELETION: "remove"}
_LONGEST_MESSAGE = 1_000  # characters
_THIS_MACHINE = "this machine"


@dataclass(frozen=True, kw_only=True)
class Act:
    """What an operator did, or tried to do.

    `action` and `outcome` are words that the audit log's page filters by; `message` is a sentence for people. `obj` is
    the row that it was done to, on whose page the message is shown, and `subject` its name in the audit log: without
    one it is the kind of `obj` and its text. `account`, `cluster` and `submission` are those of the job, where it was
    about a job. `address` is the operator's: that of the request that is being answered unless it is given.
    """

    operator: User | AnonymousUser  # the type of `request.user`; nobody anonymous is an operator
    action: str
    message: str
    outcome: str = "done"
    obj: Model | None = None
    subject: str = ""
    account: str = ""
    cluster: str = ""
    submission: uuid.UUID | None = None
    address: str | None = None


def record(*acts: Act) -> None:
    """Write `acts` into Django's history of the rows and into the audit log: of all of them both, or nothing.

    Two statements, however many acts there are. Raises DatabaseError, for an act that cannot be told is not to be done:
    call it in the transaction that holds the act, where there is one.
    """
    with transaction.atomic():
        LogEntry.objects.bulk_create(_history(act) for act in acts)
        Entry.objects.bulk_create(_entry(act) for act in acts)


def record_changes(history: Iterable[LogEntry], *, action: str = "") -> None:
    """Write the audit log's lines of rows that Django's admin has just added to its history (audit.admin_history).

    `action` is the line's word, where it is not the one of Django's flag: add, change or remove.
    """
    Entry.objects.bulk_create(_entry(_change(entry, action)) for entry in history)


def record_command(name: str, arguments: str, *, outcome: str) -> None:
    """Write down that somebody on this machine ran the command `name`, which may have changed something.

    Who that was is what the machine says: `sudo` names its caller. Raises nothing.
    """
    entry = Entry(
        operator=context.fitting("operator", os.environ.get("SUDO_USER") or getpass.getuser()),
        address=_THIS_MACHINE,
        action="command",
        subject=context.fitting("subject", f"command {name}"),
        outcome=outcome,
        detail=_message(arguments),
        request_id=context.request_id(),
    )
    store([entry])


def _history(act: Act) -> LogEntry:
    return LogEntry(
        user_id=act.operator.pk,  # type: ignore[misc]  # who acts is logged in, so there is a key
        content_type=ContentType.objects.get_for_model(act.obj) if act.obj else None,
        object_id=str(act.obj.pk) if act.obj else None,
        object_repr=context.printable(str(act.obj or act.subject))[:200],
        action_flag=CHANGE,
        change_message=_message(act.message),
    )


def _change(entry: LogEntry, action: str) -> Act:
    """Return the act that an entry of Django's history tells of."""
    kind = entry.content_type.model if entry.content_type else ""
    return Act(
        operator=entry.user,
        action=action or _ACTIONS[entry.action_flag],
        message=entry.get_change_message(),
        subject=f"{kind} {entry.object_repr}".strip(),
        cluster=entry.object_repr if kind == "cluster" else "",
    )


def _entry(act: Act) -> Entry:
    kind = act.obj._meta.model_name if act.obj else ""  # noqa: SLF001 - Django documents _meta
    subject = act.subject or f"{kind} {act.obj or ''}".strip()
    return Entry(
        operator=context.fitting("operator", act.operator.get_username()),
        account=context.fitting("account", act.account),
        address=context.fitting("address", context.client_address() if act.address is None else act.address),
        action=context.fitting("action", act.action),
        cluster=context.fitting("cluster", act.cluster),
        submission=act.submission,
        subject=context.fitting("subject", subject),
        outcome=context.fitting("outcome", act.outcome),
        detail=_message(act.message),
        request_id=context.request_id(),
    )


def _message(text: str) -> str:
    return context.printable(text)[:_LONGEST_MESSAGE]
