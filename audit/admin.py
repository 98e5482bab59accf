"""The page of the audit log: filters and a search by its indexes, and nothing that could change a line."""

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import Truncator

from adminkit.pagination import BoundedPaginator
from adminkit.readonly import ReadOnly
from audit.models import Entry

_KINDS = ("job", "cluster", "user", "group", "command")  # with which subjects of operators' lines begin


class _WordFilter(admin.SimpleListFilter):
    """A filter by a column that has a few known values; the table is not searched for those that occur."""

    values: tuple[str, ...]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the values."""
        return [(value, value) for value in self.values]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002 - Django's signature
        """Return the lines that have the chosen value."""
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


class ActionFilter(_WordFilter):
    """Filters by what was asked for."""

    title = parameter_name = "action"
    values = (
        "submit", "submit-again", "abort", "delete", "refresh", "export", "test", "enable", "disable",
        "fetch-host-keys", "confirm-host-keys", "add", "change", "password", "remove", "command",
    )  # fmt: skip


class OutcomeFilter(_WordFilter):
    """Filters by what came of it."""

    title = parameter_name = "outcome"
    values = ("done", "refused", "failed", "unknown")


class TimeFilter(admin.DateFieldListFilter):
    """Filters by time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "time (UTC)"


class WhoFilter(admin.SimpleListFilter):
    """Filters by callers or operators."""

    title, parameter_name = "who", "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the two."""
        return [("operators", "operators"), ("callers", "users of the API")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002 - Django's signature
        """Return the lines of the chosen ones."""
        match self.value():
            case "operators":
                return queryset.exclude(operator="")
            case "callers":
                return queryset.filter(operator="")
        return queryset


@admin.register(Entry)
class EntryAdmin(ReadOnly, admin.ModelAdmin):
    """Shows lines, newest first. Nothing here counts the whole table."""

    list_display = ["time", "who", "action", "outcome", "on_what", "why", "address"]
    list_filter = [ActionFilter, OutcomeFilter, WhoFilter, ("at", TimeFilter)]
    search_fields = ["subject"]  # that there is a field to type in: `get_search_results` has the search
    search_help_text = "A job_id, a submission's id, an account, an operator, a cluster or a request id, in full."
    fieldsets = [
        (None, {"fields": ["at", "action", "outcome", "code", "detail"]}),
        ("Who", {"fields": ["operator", "account", "dn", "address", "request_id"]}),
        ("On what", {"fields": ["subject", "cluster", "submission"]}),
    ]
    show_full_result_count = False
    paginator = BoundedPaginator
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 100
    list_max_show_all = 0
    sortable_by = ()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list under its name."""
        return super().changelist_view(
            request, {"title": "Audit log", "list_name": "Audit log", **(extra_context or {})}
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show one line under the log's name."""
        context = {"title": "A line of the audit log", "list_name": "Audit log", **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description="time (UTC)")
    def time(self, entry: Entry) -> str:
        """Return when it was answered, to the second."""
        return f"{entry.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="who")
    def who(self, entry: Entry) -> str:
        """Return the operator, and whose job it was; or the account, whose user it was."""
        if not entry.operator:
            return entry.account
        account = format_html('<div class="quiet small">account {}</div>', entry.account) if entry.account else ""
        return format_html("operator {}{}", entry.operator, account)

    @admin.display(description="on what")
    def on_what(self, entry: Entry) -> str:
        """Return the job or the like, and the cluster where that is not its name."""
        cluster = entry.cluster if entry.cluster not in entry.subject else ""
        return format_html('{}<div class="quiet small">{}</div>', entry.subject, cluster)

    @admin.display(description="what was said")
    def why(self, entry: Entry) -> str:
        """Return the beginning of the detail."""
        return Truncator(entry.detail).chars(100)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:  # noqa: ARG002
        """Search by the indexes."""
        return _search(queryset, search_term.strip().replace("\0", "\ufffd")), False


def _search(entries: QuerySet[Entry], text: str) -> QuerySet[Entry]:
    """Return those of `entries` that `text` names."""
    if not text:
        return entries
    subjects = [text, *(f"{kind} {text}" for kind in _KINDS)]
    named = Q(account=text) | Q(subject__in=subjects) | Q(request_id=text) | Q(operator=text)
    try:
        return entries.filter(named | Q(submission=uuid.UUID(text), action="submit"))
    except ValueError:
        return entries.filter(named)
