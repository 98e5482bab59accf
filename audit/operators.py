"""What operators do in the admin: each line of Django's own history becomes a line of the audit log."""

from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db.models.signals import post_save
from django.dispatch import receiver

from audit import ledger

_ACTIONS = {ADDITION: "add", CHANGE: "change", DELETION: "remove"}


@receiver(post_save, sender=LogEntry)
def note(instance: LogEntry, *, created: bool, **_: Any) -> None:
    """Write down who did it; in the same transaction as the history's own line."""
    if not created:
        return
    kind = instance.content_type.model if instance.content_type else ""
    line = ledger.entry(
        _ACTIONS.get(instance.action_flag, "change"),
        "done",
        operator=instance.user.get_username(),
        subject=f"{kind} {instance.object_repr}".strip()[:300],
        detail=instance.get_change_message(),
    )
    line.save(force_insert=True)
