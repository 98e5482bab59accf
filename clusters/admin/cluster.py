"""The list of clusters and the form of one."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.html import format_html

from audit.readonly import ReadOnly
from clusters.admin.forms import ClusterForm
from clusters.admin.operate import Operations
from clusters.condition import of
from clusters.models import Cluster, Poll


class PollInline(ReadOnly, admin.TabularInline):
    """What came of the last polls, to read."""

    model = Poll
    extra = 0
    can_delete = False
    fields = ["account", "succeeded_at", "failed_at", "failures", "took", "due_at", "error"]
    readonly_fields = ["account", "succeeded_at", "failed_at", "failures", "took", "due_at", "error"]


@admin.register(Cluster)
class ClusterAdmin(Operations, admin.ModelAdmin):
    """Clusters to add, change, try, enable and disable."""

    form = ClusterForm
    change_form_template = "admin/clusters/cluster/change_form.html"
    list_display = ["name", "condition", "asked", "address", "port", "job_domain", "time_zone", "poll_account"]
    list_filter = ["enabled"]
    search_fields = ["name", "address", "job_domain"]
    inlines = [PollInline]
    fieldsets = [
        (None, {"fields": ["name", "aliases", "job_domain", "time_zone"]}),
        ("Whether users may submit", {"fields": ["enabled", "disabled_message"]}),
        ("Login node", {"fields": ["address", "port", "host_keys"]}),
        ("SLURM", {"fields": ["slurm_bin", "slurm_name", "environment", "poll_account"]}),
        ("Output files", {"fields": ["download_url"]}),
        ("Limits", {"fields": ["connect_timeout", "command_timeout", "channels", "callers_per_account", "callers"]}),
    ]

    @admin.display(description="state")
    def condition(self, cluster: Cluster) -> str:
        """Return the badge of the cluster's state."""
        state = of(cluster, list(cluster.polls.all()), busy=False).state
        return format_html('<span class="badge {}">{}</span>', state.replace(" ", "-"), state)

    @admin.display(description="last answer")
    def asked(self, cluster: Cluster) -> str:
        """Return when it was last asked with success, UTC."""
        time = of(cluster, list(cluster.polls.all()), busy=False).succeeded_at
        return f"{time:%Y-%m-%d %H:%M:%S}" if time else "never"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read the polls with the clusters."""
        return super().get_queryset(request).prefetch_related("polls")

    def get_urls(self) -> list[URLPattern]:
        """Add the page on which one is operated."""
        page = path("<int:pk>/operate/", self.admin_site.admin_view(self.operate), name="clusters_cluster_operate")
        return [page, *super().get_urls()]
