"""Actions for many jobs at once: a page that counts them and asks, then one that shows how far it is."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from adminkit.pagination import BOUND
from jobs import bulk_operations
from jobs.models import BulkAction, BulkOperation, BulkOperationItem, Job, SubmissionStatus
from jobs.states import ACTIVE
from jobs.tasks import run_bulk_operation


class Bulk:
    """The actions and the bulk operation's page, as a part of a ModelAdmin."""

    admin_site: admin.AdminSite

    @admin.action(description="Refresh now: ask SLURM about them", permissions=["refresh"])
    def refresh_jobs(self: Any, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        """Have SLURM asked about each of `jobs`."""
        return _ask_or_order(
            self, request, BulkAction.REFRESH, jobs.filter(submission_status=SubmissionStatus.SUBMITTED)
        )

    @admin.action(description="Abort", permissions=["abort"])
    def abort_jobs(self: Any, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        """Cancel those of `jobs` that are active, also those that their owners have deleted."""
        active = jobs.filter(submission_status=SubmissionStatus.SUBMITTED, status__in=sorted(ACTIVE))
        return _ask_or_order(self, request, BulkAction.ABORT, active)

    def has_refresh_permission(self, request: HttpRequest) -> bool:
        """Whether this operator may have SLURM asked."""
        return request.user.has_perm("jobs.refresh_job")

    def has_abort_permission(self, request: HttpRequest) -> bool:
        """Whether this operator may abort others' jobs."""
        return request.user.has_perm("jobs.abort_job")

    def bulk_urls(self: Any) -> list[URLPattern]:
        """Return the routes of a bulk operation's page and of its figures."""
        view = self.admin_site.admin_view
        return [
            path("bulk-operations/<uuid:pk>/", view(self.operation), name="jobs_bulk_operation"),
            path(
                "bulk-operations/<uuid:pk>/progress/",
                view(self.operation_progress),
                name="jobs_bulk_operation_progress",
            ),
        ]

    def operation(self: Any, request: HttpRequest, pk: Any) -> HttpResponse:
        """Show how far a bulk operation is; the page itself asks again until it is over."""
        operation = _operation(self, request, pk)
        progress = bulk_operations.progress(operation)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{operation.get_verb_display()} {_counted(progress.total)}",
            "opts": Job._meta,  # noqa: SLF001 - Django documents _meta
            "operation": operation,
            "progress": progress,
            "failed": operation.items.filter(state=BulkOperationItem.State.FAILED).select_related("job")[:50],
        }
        return TemplateResponse(request, "admin/jobs/bulk_operation/progress.html", context)

    def operation_progress(self: Any, request: HttpRequest, pk: Any) -> JsonResponse:
        """Return the figures of a bulk operation."""
        progress = bulk_operations.progress(_operation(self, request, pk))
        figures = {"total": progress.total, "done": progress.done, "failed": progress.failed, "over": progress.over}
        response = JsonResponse(figures)
        response["Cache-Control"] = "no-store"
        return response


def _counted(jobs: int) -> str:
    return "1 job" if jobs == 1 else f"{jobs} jobs"


def _operation(page: Any, request: HttpRequest, pk: Any) -> BulkOperation:
    if not page.has_view_permission(request):
        raise PermissionDenied
    operation = BulkOperation.objects.filter(pk=pk).select_related("operator").first()
    if operation is None:
        raise Http404("no such bulk operation")
    return operation


def _ask_or_order(page: Any, request: HttpRequest, verb: BulkAction, jobs: QuerySet[Job]) -> HttpResponse | None:
    """Show the confirmation, or, when it comes back, give the order."""
    chosen = list(
        jobs.select_related("cluster").only("id", "job_id", "account", "status", "cluster__name")[: BOUND + 1]
    )
    if not chosen:
        messages.warning(request, "None of the chosen jobs is one for that: it has ended, or SLURM never had it.")
        return None
    if len(chosen) > BOUND:
        messages.error(request, f"More than {BOUND:,} jobs at once: narrow the list by its filters.")
        return None
    if request.POST.get("confirmed") == "yes":
        return _order(request, verb, chosen)
    return _confirmation(page, request, verb, chosen)


def _order(request: HttpRequest, verb: BulkAction, chosen: list[Job]) -> HttpResponse:
    operation = bulk_operations.create(verb, chosen, request.user, request.META.get("REMOTE_ADDR", ""))  # type: ignore[arg-type]
    run_bulk_operation.delay(str(operation.pk))
    return HttpResponseRedirect(reverse("admin:jobs_bulk_operation", args=[operation.pk]))


def _confirmation(page: Any, request: HttpRequest, verb: BulkAction, chosen: list[Job]) -> HttpResponse:
    by_cluster: dict[str, int] = {}
    for job in chosen:
        by_cluster[job.cluster.name] = by_cluster.get(job.cluster.name, 0) + 1
    context = {
        **page.admin_site.each_context(request),
        "title": f"{verb.label} {_counted(len(chosen))}?",
        "opts": Job._meta,  # noqa: SLF001
        "verb": verb,
        "count": len(chosen),
        "by_cluster": sorted(by_cluster.items()),
        "accounts": sorted({job.account for job in chosen})[:20],
        "sample": chosen[:10],
        "action": f"{verb}_jobs",
        "selected": request.POST.getlist(helpers.ACTION_CHECKBOX_NAME),
        "across": request.POST.get("select_across", "0"),
        "checkbox": helpers.ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/jobs/job/confirm.html", context)
