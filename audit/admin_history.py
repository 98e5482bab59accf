"""A base of the admin's pages: what Django writes into its history of a row, the audit log gets as well."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from audit import operators


class AuditedAdmin(ModelAdmin):
    """A ModelAdmin whose additions, changes and deletions are lines of the audit log, in the same transaction.

    The site gives this base to every page that has not got it (submitter.ops.admin_site). A page that has it may name
    an action of its own by `history_action`.
    """

    def history_action(self, request: HttpRequest) -> str:  # noqa: ARG002 - for those that override it
        """Return the audit log's word for a change that `request` makes; "" for Django's own: add, change, remove."""
        return ""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> LogEntry:
        """Tell of a row that was added."""
        return self._record(super().log_addition(request, obj, message), request)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> LogEntry:
        """Tell of a row that was changed."""
        return self._record(super().log_change(request, obj, message), request)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Tell of rows that are about to be deleted."""
        history = super().log_deletions(request, queryset)
        operators.record_changes(history, action=self.history_action(request))
        return history

    def _record(self, entry: LogEntry, request: HttpRequest) -> LogEntry:
        operators.record_changes([entry], action=self.history_action(request))
        return entry
