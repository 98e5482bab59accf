"""The list of clusters and the form of one."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html

from adminkit.readonly import ReadOnly
from clusters.admin.forms import ClusterForm
from clusters.admin.operate import OperateAdmin
from clusters.health import health_of
from clusters.models import Cluster, Poll


class PollInline(ReadOnly, admin.TabularInline):
    """What came of the last polls, to read."""

    model = Poll
    extra = 0
    can_delete = False
    verbose_name_plural = "what came of asking it (times are UTC)"
    fields = ["asked_as", "answered", "failed", "failures_in_a_row", "length", "due", "fault"]
    readonly_fields = ["asked_as", "answered", "failed", "failures_in_a_row", "length", "due", "fault"]

    @admin.display(description="asked as")
    def asked_as(self, poll: Poll) -> str:
        """Return the account."""
        return poll.account

    @admin.display(description="last answer")
    def answered(self, poll: Poll) -> str:
        """Return when it answered last."""
        return _time(poll.succeeded_at, "never")

    @admin.display(description="last failure")
    def failed(self, poll: Poll) -> str:
        """Return when it did not answer last."""
        return _time(poll.failed_at, "never")

    @admin.display(description="failures in a row")
    def failures_in_a_row(self, poll: Poll) -> int:
        """Return how often it has not answered since it last did."""
        return poll.failures

    @admin.display(description="took")
    def length(self, poll: Poll) -> str:
        """Return how long the last question took."""
        return "" if poll.duration is None else f"{poll.duration:.2f} s"

    @admin.display(description="next, if it has jobs")
    def due(self, poll: Poll) -> str:
        """Return before when it is not asked again."""
        return _time(poll.due_at, "at once")

    @admin.display(description="what was wrong")
    def fault(self, poll: Poll) -> str:
        """Return the error of the last poll."""
        return poll.error


def _time(moment: datetime | None, none: str) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else none


@admin.register(Cluster)
class ClusterAdmin(OperateAdmin):
    """Clusters to add, change, try, enable and disable."""

    form = ClusterForm
    change_form_template = "admin/clusters/cluster/change_form.html"
    list_display = ["name", "condition", "asked", "address", "port", "job_domain", "time_zone", "poll_account"]
    list_filter = ["enabled"]
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
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
        state = health_of(cluster, list(cluster.polls.all()), busy=False).state
        return format_html('<span class="badge {}">{}</span>', state.replace(" ", "-"), state)

    @admin.display(description="last answer (UTC)")
    def asked(self, cluster: Cluster) -> str:
        """Return when it was last asked with success, UTC."""
        return _time(health_of(cluster, list(cluster.polls.all()), busy=False).succeeded_at, "never")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list under its name."""
        return super().changelist_view(request, {"title": "Clusters", **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read the polls with the clusters."""
        return super().get_queryset(request).prefetch_related("polls")
