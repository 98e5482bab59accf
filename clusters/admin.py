"""The operators' view of clusters, and of when each was last asked."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from clusters.models import Cluster, Poll


class PollInline(admin.TabularInline):
    """What came of the last polls, to read."""

    model = Poll
    extra = 0
    can_delete = False
    readonly_fields = ["account", "succeeded_at", "failed_at", "error"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Polls are written by the workers alone."""
        return False


@admin.register(Cluster)
class ClusterAdmin(admin.ModelAdmin):
    """Clusters to add, change, enable and disable."""

    list_display = ["name", "enabled", "address", "port", "job_domain", "time_zone", "poll_account"]
    list_filter = ["enabled"]
    search_fields = ["name", "address", "job_domain"]
    inlines = [PollInline]
