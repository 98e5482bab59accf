"""`manage.py prunejobs --older-than 365d`: for sites that must forget."""

import re
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from jobs.models import FOLLOWED_FOR, Job
from jobs.states import ACTIVE

_BATCH = 1_000  # rows a statement, so that no other statement waits for long
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def period(text: str) -> timedelta:
    """Return the time that `text` means, such as 365d, 52w or 48h. Raises CommandError."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text)
    if not match:
        raise CommandError(f"{text} is no time such as 365d, 52w or 48h")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


class Command(BaseCommand):
    """Removes rows for good, with their history. What may still move stays, however old."""

    help = (
        "Remove, for good, the rows of jobs that ended and of submissions that were refused longer ago than AGE. "
        "Jobs that may still run stay, and so does the audit log."
    )
    examples = ("prunejobs --older-than 365d --dry-run", "prunejobs --older-than 365d")

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the age and whether only to count."""
        parser.add_argument(
            "--older-than", required=True, metavar="AGE", help="days, weeks or hours, such as 365d, 52w or 48h"
        )
        parser.add_argument("--dry-run", action="store_true", help="remove nothing, only say how many there are")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Remove them batch by batch, and print how many there were."""
        before = timezone.now() - period(options["older_than"])
        old = Job.objects.filter(created_at__lt=before).exclude(submission_status="PENDING")
        may_move = {"submission_status": "SUBMITTED", "status__in": sorted(ACTIVE)}
        old = old.exclude(**may_move, deleted_at=None).exclude(
            **may_move, deleted_at__gte=timezone.now() - FOLLOWED_FOR
        )
        old = old.exclude(ended_at__gte=before)
        if options["dry_run"]:
            self.stdout.write(f"{old.count()} jobs are older than {before:%Y-%m-%d %H:%M} UTC")
            return
        removed = 0
        while ids := list(old.order_by().values_list("pk", flat=True)[:_BATCH]):
            Job.objects.filter(pk__in=ids).delete()
            removed += len(ids)
        self.stdout.write(f"{removed} jobs were removed that are older than {before:%Y-%m-%d %H:%M} UTC")
