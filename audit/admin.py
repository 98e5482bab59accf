"""The audit log to read: filters and a search over its indexes, and nothing that could change it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from audit.models import Entry
from audit.paging import BoundedPaginator
from audit.readonly import ReadOnly


class _Words(admin.SimpleListFilter):
    """One of a few words that lines have; the table is not searched for those that there are."""

    words: tuple[str, ...]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the words."""
        return [(word, word) for word in self.words]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002 - Django's signature
        """Keep the lines that have the chosen one."""
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


class ActionFilter(_Words):
    """What was asked for."""

    title = parameter_name = "action"
    words = ("submit", "submit-again", "abort", "delete", "add", "change", "remove")


class OutcomeFilter(_Words):
    """What came of it."""

    title = parameter_name = "outcome"
    words = ("done", "refused", "failed", "unknown")


@admin.register(Entry)
class EntryAdmin(ReadOnly, admin.ModelAdmin):
    """Lines, newest first; nothing here counts the whole table."""

    list_display = [
        "at", "action", "outcome", "code", "who", "cluster", "subject", "address", "request_id",
    ]  # fmt: skip
    list_filter = [ActionFilter, OutcomeFilter, ("at", admin.DateFieldListFilter)]
    search_fields = ["account__exact", "subject__exact", "request_id__exact", "operator__exact"]
    search_help_text = "an account, a job_id, a request id or an operator, in full"
    show_full_result_count = False
    paginator = BoundedPaginator
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 100
    list_max_show_all = 0
    sortable_by = ()

    @admin.display(description="who")
    def who(self, entry: Entry) -> str:
        """Return the operator, or the account."""
        return f"operator {entry.operator}" if entry.operator else entry.account
