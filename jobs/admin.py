"""The operators' view of the registry: to look, not to touch."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from jobs.models import Job


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    """Jobs by cluster, status, tag and account, with their runtime columns."""

    list_display = [
        "__str__", "cluster", "account", "tag", "submission", "status", "slurm_state", "nodes", "cores",
        "created_at", "started_at", "ended_at", "wall_seconds",
    ]  # fmt: skip
    list_filter = ["cluster", "status", "submission", "account", ("tag", admin.AllValuesFieldListFilter)]
    search_fields = ["job_id", "tag", "account", "owner_dn"]
    list_select_related = ["cluster"]
    date_hierarchy = "created_at"

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Jobs are submitted by their owners."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Rows say what SLURM said."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Owners delete their jobs."""
        return False
