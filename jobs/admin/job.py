"""The list of jobs and the page of one. Rows hold what SLURM has said, so they are not edited."""

from typing import Any

import structlog
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBadRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse

from adminkit.pagination import BoundedPaginator
from adminkit.readonly import ReadOnly
from audit import operators
from jobs.admin import export, filters, search, shown
from jobs.admin.bulk import BulkOperationsAdmin
from jobs.admin.shown import JobColumns
from jobs.models import Event, Job

log = structlog.get_logger(__name__)


class EventInline(ReadOnly, admin.TabularInline):
    """The job's history, to read."""

    model = Event
    extra = 0
    can_delete = False
    verbose_name_plural = "history"
    fields = ["when", "status", "slurm_state", "told_by"]
    readonly_fields = ["when", "status", "slurm_state", "told_by"]

    @admin.display(description="when (UTC)")
    def when(self, event: Event) -> str:
        """Return when the registry heard of it."""
        return shown.time(event.at)

    @admin.display(description="told by")
    def told_by(self, event: Event) -> str:
        """Return who told of it; an operator by name."""
        return f"operator {event.by}" if event.by else event.get_source_display()


@admin.register(Job)
class JobAdmin(ReadOnly, BulkOperationsAdmin, JobColumns):
    """Jobs by cluster, status, tag, account, SLURM's state and time; nothing here counts or scans the table."""

    change_list_template = "admin/jobs/job/change_list.html"
    change_form_template = "admin/jobs/job/change_form.html"
    list_display = ["name", "state", "whose", "short_tag", "begun", "ended", "length", "size"]
    list_filter = [
        "cluster", filters.State, filters.Submitted, filters.Since, filters.Until, filters.Account, filters.Tag,
        filters.SlurmState, filters.Deleted,
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
        (None, {"fields": ["state", "job_id", "cluster", "account", "owner_dn", "tag"]}),
        ("What SLURM says", {"fields": ["slurm_state", "why", "exited", "is_confirmed", "checked"]}),
        ("Run", {"fields": ["nodes", "cores", "length", "array", "output", "errors", "working_directory"]}),
        ("Times (UTC)", {"fields": ["begun", "taken", "started", "ended", "abort_asked", "deleted"]}),
        ("Submission", {"fields": [
            "outcome", "refused", "submission_id", "key", "slurm_id", "is_acknowledged", "is_slurm_id_reused",
        ]}),
    ]  # fmt: skip
    readonly_fields = [
        "state", "why", "exited", "is_confirmed", "checked", "length", "array", "output", "errors", "begun", "taken",
        "started", "ended", "abort_asked", "deleted", "outcome", "refused", "submission_id", "key", "is_acknowledged",
        "is_slurm_id_reused",
    ]  # fmt: skip

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:  # noqa: ARG002
        """Search by the indexes."""
        return search.search(queryset, search_term), False

    def get_urls(self) -> list[URLPattern]:
        """Add the CSV."""
        view = self.admin_site.admin_view(self.csv)
        return [path("csv/", view, name="jobs_job_csv"), *super().get_urls()]

    def csv(self, request: HttpRequest) -> HttpResponseBase:
        """Send the list as it is filtered, all of it; 400 and sentences where a filter is not understood."""
        if not request.user.has_perm("jobs.export_job") or not self.has_view_permission(request):
            raise PermissionDenied
        listed: Any = self.get_changelist_instance(request)
        if listed.faults:
            return HttpResponseBadRequest("\n".join(listed.faults) + "\n", content_type="text/plain; charset=utf-8")
        jobs: QuerySet[Job] = listed.get_queryset(request)
        query = request.GET.urlencode()
        log.info("operator-action", action="export", operator=request.user.get_username(), query=query)
        message = f"Exported as CSV: {query or 'all'}"
        act = operators.Act(operator=request.user, action="export", message=message, subject="list of jobs")
        operators.record(act)
        return export.answer(jobs.order_by(*self.ordering))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the job with what operators did to it."""
        done = LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(Job), object_id=object_id
        ).select_related("user")
        context = {"operators": done, "title": "Job", **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list, with the address of its CSV."""
        query = request.GET.urlencode()
        address = reverse("admin:jobs_job_csv") + (f"?{query}" if query else "")
        context = {"csv_address": address, "title": "Jobs", **(extra_context or {})}
        return super().changelist_view(request, context)
