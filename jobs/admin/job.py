"""The list of jobs and the page of one: rows say what SLURM said, so nobody edits them."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.text import Truncator

from audit import operators
from audit.paging import BoundedPaginator
from audit.readonly import ReadOnly
from jobs.admin import export, filters, search
from jobs.admin.bulk import Bulk
from jobs.models import Event, Job
from jobs.serializers import duration

log = structlog.get_logger(__name__)


def _time(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}" if time else ""


class EventInline(ReadOnly, admin.TabularInline):
    """The job's history, to read."""

    model = Event
    extra = 0
    can_delete = False
    verbose_name_plural = "history"
    fields = ["at", "status", "slurm_state", "source", "by"]
    readonly_fields = ["at", "status", "slurm_state", "source", "by"]


@admin.register(Job)
class JobAdmin(ReadOnly, Bulk, admin.ModelAdmin):
    """Jobs by cluster, status, tag, account, SLURM's state and time; nothing here counts or scans the table."""

    change_list_template = "admin/jobs/job/change_list.html"
    change_form_template = "admin/jobs/job/change_form.html"
    list_display = [
        "__str__", "badge", "slurm_state", "account", "short_tag", "begun", "started", "ended", "length", "nodes",
        "cores", "cluster_name",
    ]  # fmt: skip
    list_filter = [
        "cluster", "status", filters.SlurmState, filters.Submitted, filters.Since, filters.Until, filters.Tag,
        filters.Account,
    ]  # fmt: skip
    search_fields = ["job_id"]  # that there is a field to type in: `get_search_results` has the search
    search_help_text = search.HELP
    list_select_related = ["cluster"]
    list_per_page = 100
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    ordering = ["-created_at", "-id"]
    sortable_by = ()
    actions = ["refresh_jobs", "abort_jobs"]
    inlines = [EventInline]
    fieldsets = [
        (None, {"fields": ["job_id", "cluster", "account", "owner_dn", "tag", "id"]}),
        ("State", {"fields": ["status", "slurm_state", "reason", "exit_code", "signal", "confirmed", "checked_at"]}),
        ("Run", {"fields": [
            "nodes", "cores", "wall_seconds", "is_array", "tasks", "stdout", "stderr", "working_directory",
        ]}),
        ("Times (UTC)", {"fields": [
            "created_at", "submitted_at", "started_at", "ended_at", "abort_requested_at", "deleted_at",
        ]}),
        ("Submission", {"fields": ["submission", "settled", "failure", "idempotency_key", "slurm_id", "recycled"]}),
    ]  # fmt: skip

    @admin.display(description="cluster")
    def cluster_name(self, job: Job) -> str:
        """Return the cluster's name."""
        return job.cluster.name

    @admin.display(description="tag")
    def short_tag(self, job: Job) -> str:
        """Return the tag, or the beginning of a long one."""
        return Truncator(job.tag or "").chars(40)

    @admin.display(description="begun")
    def begun(self, job: Job) -> str:
        """Return when the submission began, UTC."""
        return _time(job.created_at)

    @admin.display(description="started")
    def started(self, job: Job) -> str:
        """Return when it started, UTC."""
        return _time(job.started_at)

    @admin.display(description="ended")
    def ended(self, job: Job) -> str:
        """Return when it ended, UTC."""
        return _time(job.ended_at)

    @admin.display(description="wall time")
    def length(self, job: Job) -> str:
        """Return how long it ran, in SLURM's form."""
        return "" if job.wall_seconds is None else duration(timedelta(seconds=job.wall_seconds))

    @admin.display(description="status")
    def badge(self, job: Job) -> str:
        """Return the status, or how far the submission is where SLURM has no job."""
        word = job.status if job.job_id else f"submission {job.submission.lower()}"
        return format_html('<span class="badge {}">{}</span>', job.status if job.job_id else "", word)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:  # noqa: ARG002
        """Search by the indexes."""
        return search.search(queryset, search_term), False

    def get_urls(self) -> list[URLPattern]:
        """Add the CSV and the errands."""
        view = self.admin_site.admin_view(self.csv)
        return [path("csv/", view, name="jobs_job_csv"), *self.bulk_urls(), *super().get_urls()]

    def csv(self, request: HttpRequest) -> HttpResponseBase:
        """Send the list as it is filtered, all of it."""
        if not request.user.has_perm("jobs.export_job") or not self.has_view_permission(request):
            raise PermissionDenied
        listed = self.get_changelist_instance(request)
        if isinstance(listed, HttpResponseRedirect):
            return listed
        jobs: QuerySet[Job] = listed.get_queryset(request)
        query = request.GET.urlencode()
        log.info("operator-action", action="export", operator=request.user.get_username(), query=query)
        operators.tell(
            request.user, None, f"Exported as CSV: {query or 'all'}", action="export", subject="list of jobs"
        )
        return export.answer(jobs.order_by(*self.ordering))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the job with what operators did to it."""
        done = LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(Job), object_id=object_id
        ).select_related("user")
        return super().change_view(request, object_id, form_url, {"operators": done, **(extra_context or {})})

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list, with the address of its CSV."""
        query = request.GET.urlencode()
        address = reverse("admin:jobs_job_csv") + (f"?{query}" if query else "")
        return super().changelist_view(request, {"csv_address": address, **(extra_context or {})})
