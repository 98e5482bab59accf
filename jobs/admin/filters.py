"""Filters of the job list. None reads the table for its choices: they are fixed, or the value is typed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from jobs.models import FOLLOWED_FOR, Job, SubmissionStatus
from jobs.states import ACTIVE, STATES, Status

_PERIODS = {
    "1h": ("Last hour", 1),
    "24h": ("Last 24 hours", 24),
    "7d": ("Last 7 days", 168),
    "30d": ("Last 30 days", 720),
}


class Submitted(admin.SimpleListFilter):
    """When the submission began."""

    title = "time of submission"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the periods."""
        return [(key, label) for key, (label, _) in _PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:  # noqa: ARG002
        """Keep the jobs of the chosen period."""
        if self.value() not in _PERIODS:
            return queryset
        return queryset.filter(created_at__gte=timezone.now() - timedelta(hours=_PERIODS[str(self.value())][1]))


class State(admin.SimpleListFilter):
    """The status of jobs that SLURM has, or what came of submissions that are no jobs."""

    title = "status"
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the statuses, and the two outcomes that have none."""
        return [*((status, status) for status in Status), ("refused", "refused"), ("pending", "no answer yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:  # noqa: ARG002
        """Keep the jobs in that status; of deleted ones those that SLURM is still asked about."""
        value = self.value()
        if value in {"refused", "pending"}:
            return queryset.filter(
                submission_status=SubmissionStatus.FAILED if value == "refused" else SubmissionStatus.PENDING
            )
        if value not in set(Status):
            return queryset
        jobs = queryset.filter(submission_status=SubmissionStatus.SUBMITTED, status=value)
        if value in ACTIVE:
            return jobs.filter(Q(deleted_at=None) | Q(deleted_at__gte=timezone.now() - FOLLOWED_FOR))
        return jobs


class Deleted(admin.SimpleListFilter):
    """Whether its owner still sees it."""

    title = "deletion"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the two choices."""
        return [("no", "not deleted"), ("yes", "deleted by the owner")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:  # noqa: ARG002
        """Keep the deleted jobs, or the others."""
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() == "no")


class Typed(admin.SimpleListFilter):
    """A value that is typed, since the table has too many of them to choose from.

    `fault` says what is wrong with it, where it cannot be understood: then the list is empty, and says so.
    """

    template = "admin/jobs/job/typed_filter.html"
    hint = fault = ""
    offered: tuple[str, ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return one choice: Django shows no filter without any."""
        return [("", "")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return what the form needs: the value, and the other filters to keep."""
        kept = changelist.get_filters_params()
        kept.pop(self.parameter_name, None)
        yield {
            "value": self.value() or "",
            "hint": self.hint,
            "fault": self.fault,
            "offered": self.offered,
            "kept": [(key, value) for key, values in kept.items() for value in values],
            "query": changelist.query,
            "without": changelist.get_query_string(remove=[self.parameter_name]),
        }


class SlurmState(Typed):
    """The job's state as SLURM calls it."""

    title = "SLURM state"
    parameter_name = "slurm_state"
    offered = tuple(sorted(STATES))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:  # noqa: ARG002
        """Keep the jobs in that state."""
        return queryset.filter(slurm_state=str(self.value()).strip().upper()) if self.value() else queryset


class Tag(Typed):
    """Exactly this tag."""

    title = "tag"
    parameter_name = "tagged"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:  # noqa: ARG002
        """Keep the jobs with the tag."""
        return queryset.filter(tag=self.value()) if self.value() else queryset


class Account(Typed):
    """Exactly this account."""

    title = "account"
    parameter_name = "as"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:  # noqa: ARG002
        """Keep the account's jobs."""
        return queryset.filter(account=self.value()) if self.value() else queryset


class Moment(Typed):
    """A time that is typed, UTC."""

    hint = "2026-01-31 12:00"
    lookup = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:  # noqa: ARG002
        """Keep the jobs before or after the time; none where what is typed is no time, and then `fault` says so."""
        text = (self.value() or "").strip()
        if not text:
            return queryset
        time = _moment(text)
        if time is None:
            self.fault = f"“{text[:60]}” is no time: write it as 2026-01-31, or as 2026-01-31 12:00 (UTC)."
            return queryset.none()
        return queryset.filter(**{self.lookup: time})


class Since(Moment):
    """Jobs whose submission began at that time or later."""

    title = "submitted from (UTC)"
    parameter_name = "since"
    lookup = "created_at__gte"


class Until(Moment):
    """Jobs whose submission began before that time."""

    title = "submitted before (UTC)"
    parameter_name = "until"
    hint = "2026-01-31 18:00"
    lookup = "created_at__lt"


def _moment(text: str) -> datetime | None:
    """Return the time, or the beginning of the day, that `text` means; None where it is none."""
    try:
        time = parse_datetime(text if len(text) > len("2026-01-31") else f"{text} 00:00")
        return time if time is None or timezone.is_aware(time) else timezone.make_aware(time)
    except (ValueError, OverflowError):
        return None
