"""What operators do, in the admin or by a command: each act is a line of the audit log, with a word of its own."""

import getpass
import os
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Field, Model
from django.db.models.signals import post_save
from django.dispatch import receiver

from audit import ledger
from audit.models import Entry

_ACTIONS = {ADDITION: "add", CHANGE: "change", DELETION: "remove"}
_LONGEST_WORDS = 1_000  # characters
_HERE = "this machine"


def record(user: Any, obj: Model | None, words: str, *, action: str, outcome: str = "done", **line: Any) -> LogEntry:
    """Write down what the operator `user` did to `obj`: in the admin's own history, returned, and in the audit log.

    `action` and `outcome` are the line's words, `line` its other fields: `subject` (else the kind of `obj` and its
    name), `account`, `cluster`, `submission`, and `address` where it is not the answered request's.
    """
    entry = LogEntry(
        user_id=user.pk,
        content_type=ContentType.objects.get_for_model(obj) if obj else None,
        object_id=str(obj.pk) if obj else None,
        object_repr=_clean(str(obj or line.get("subject", "")))[:200],
        action_flag=CHANGE,
        change_message=_clean(words)[:_LONGEST_WORDS],
    )
    entry.told = {"action": action, "outcome": outcome, **line}  # type: ignore[attr-defined]  # for `note`, below
    entry.save()
    return entry


def tell_command(name: str, words: str, *, outcome: str) -> None:
    """Write down that somebody on this machine ran the command `name`, which may have changed something.

    Who that was is what the machine says: `sudo` names its caller.
    """
    who = os.environ.get("SUDO_USER") or getpass.getuser()
    line = ledger.entry(
        "command", outcome, operator=_bounded("operator", who), subject=_bounded("subject", f"command {name}"),
        address=_HERE, detail=_clean(words)[:_LONGEST_WORDS],
    )  # fmt: skip
    ledger.store([line])


@receiver(post_save, sender=LogEntry)
def note(instance: LogEntry, *, created: bool, **_: Any) -> None:
    """Write the line of a history's entry, the admin's own ones included; in the same transaction."""
    if not created:
        return
    kind = instance.content_type.model if instance.content_type else ""
    told = {
        "action": _ACTIONS.get(instance.action_flag, "change"),
        "outcome": "done",
        "subject": f"{kind} {instance.object_repr}".strip(),
        "cluster": instance.object_repr if kind == "cluster" else "",
        **getattr(instance, "told", {}),
    }
    fields = {name: _bounded(name, value) if isinstance(value, str) else value for name, value in told.items()}
    line = ledger.entry(operator=instance.user.get_username(), detail=instance.get_change_message(), **fields)
    line.save(force_insert=True)


def _bounded(name: str, text: str) -> str:
    """Return as much of `text` as the field has room for."""
    field = Entry._meta.get_field(name)  # noqa: SLF001 - Django documents _meta
    return _clean(text)[: field.max_length] if isinstance(field, Field) else text


def _clean(text: str) -> str:
    """Return `text` without what PostgreSQL takes in no text: NUL, and halves of surrogates."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
