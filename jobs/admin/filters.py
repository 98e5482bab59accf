"""Filters of the job list that ask nothing of the table: what can be chosen is known, or is typed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from jobs.models import Job
from jobs.states import WORDS

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
        return [(key, words) for key, (words, _) in _PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:  # noqa: ARG002
        """Keep the jobs of the chosen period."""
        if self.value() not in _PERIODS:
            return queryset
        return queryset.filter(created_at__gte=timezone.now() - timedelta(hours=_PERIODS[str(self.value())][1]))


class Typed(admin.SimpleListFilter):
    """A value that is typed, since the table has too many of them to choose from."""

    template = "admin/jobs/job/typed_filter.html"
    hint = ""
    offered: tuple[str, ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return one, that Django shows the filter at all."""
        return [("", "")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return what the form needs: the value, and the other filters to keep."""
        kept = changelist.get_filters_params()
        kept.pop(self.parameter_name, None)
        yield {
            "value": self.value() or "",
            "hint": self.hint,
            "offered": self.offered,
            "kept": [(key, value) for key, values in kept.items() for value in values],
            "query": changelist.query,
            "without": changelist.get_query_string(remove=[self.parameter_name]),
        }


class SlurmState(Typed):
    """SLURM's own word for the job's state."""

    title = "SLURM state"
    parameter_name = "slurm_state"
    offered = tuple(sorted(WORDS))

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


class Since(Typed):
    """Not before a time of one's own."""

    title = "begun since"
    parameter_name = "since"
    hint = "2026-01-31 12:00"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:  # noqa: ARG002
        """Keep the jobs from that time (UTC) on; nothing where it is no time."""
        return _bounded(queryset, "created_at__gte", self.value())


class Until(Typed):
    """Before a time of one's own."""

    title = "begun before"
    parameter_name = "until"
    hint = "2026-01-31 18:00"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:  # noqa: ARG002
        """Keep the jobs before that time (UTC); nothing where it is no time."""
        return _bounded(queryset, "created_at__lt", self.value())


def _bounded(queryset: QuerySet[Job], lookup: str, text: str | None) -> QuerySet[Job]:
    if not text:
        return queryset
    try:
        time = parse_datetime(text.strip() if len(text.strip()) > 10 else f"{text.strip()} 00:00")  # noqa: PLR2004 - a date
    except ValueError:
        time = None
    if time is None:
        return queryset.none()
    return queryset.filter(**{lookup: time if timezone.is_aware(time) else timezone.make_aware(time)})
