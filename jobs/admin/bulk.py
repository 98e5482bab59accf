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
from jobs.models import Errand, Job, Step, Submission, Verb
from jobs.states import ACTIVE
from jobs.tasks import run_errand


class Bulk:
    """The actions and the errand's page, as a part of a ModelAdmin."""

    admin_site: admin.AdminSite

    @admin.action(description="Refresh now: ask SLURM about them", permissions=["refresh"])
    def refresh_jobs(self: Any, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        """Have SLURM asked about each of `jobs`."""
        return _ask_or_order(self, request, Verb.REFRESH, jobs.filter(submission=Submission.SUBMITTED))

    @admin.action(description="Abort", permissions=["abort"])
    def abort_jobs(self: Any, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        """Cancel those of `jobs` that are active, also those that their owners have deleted."""
        active = jobs.filter(submission=Submission.SUBMITTED, status__in=sorted(ACTIVE))
        return _ask_or_order(self, request, Verb.ABORT, active)

    def has_refresh_permission(self, request: HttpRequest) -> bool:
        """Whether this operator may have SLURM asked."""
        return request.user.has_perm("jobs.refresh_job")

    def has_abort_permission(self, request: HttpRequest) -> bool:
        """Whether this operator may abort others' jobs."""
        return request.user.has_perm("jobs.abort_job")

    def bulk_urls(self: Any) -> list[URLPattern]:
        """Return the routes of an errand's page and of its figures."""
        view = self.admin_site.admin_view
        return [
            path("errands/<uuid:pk>/", view(self.errand), name="jobs_errand"),
            path("errands/<uuid:pk>/progress/", view(self.errand_progress), name="jobs_errand_progress"),
        ]

    def errand(self: Any, request: HttpRequest, pk: Any) -> HttpResponse:
        """Show how far an errand is; the page itself asks again until it is over."""
        errand = _errand(self, request, pk)
        progress = bulk_operations.progress(errand)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{errand.get_verb_display()} {_counted(progress.total)}",
            "opts": Job._meta,  # noqa: SLF001 - Django documents _meta
            "errand": errand,
            "progress": progress,
            "failed": errand.steps.filter(state=Step.State.FAILED).select_related("job")[:50],
        }
        return TemplateResponse(request, "admin/jobs/errand/progress.html", context)

    def errand_progress(self: Any, request: HttpRequest, pk: Any) -> JsonResponse:
        """Return the figures of an errand."""
        progress = bulk_operations.progress(_errand(self, request, pk))
        figures = {"total": progress.total, "done": progress.done, "failed": progress.failed, "over": progress.over}
        response = JsonResponse(figures)
        response["Cache-Control"] = "no-store"
        return response


def _counted(jobs: int) -> str:
    return "1 job" if jobs == 1 else f"{jobs} jobs"


def _errand(page: Any, request: HttpRequest, pk: Any) -> Errand:
    if not page.has_view_permission(request):
        raise PermissionDenied
    errand = Errand.objects.filter(pk=pk).select_related("operator").first()
    if errand is None:
        raise Http404("no such errand")
    return errand


def _ask_or_order(page: Any, request: HttpRequest, verb: Verb, jobs: QuerySet[Job]) -> HttpResponse | None:
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


def _order(request: HttpRequest, verb: Verb, chosen: list[Job]) -> HttpResponse:
    errand = bulk_operations.order(verb, chosen, request.user, request.META.get("REMOTE_ADDR", ""))  # type: ignore[arg-type]
    run_errand.delay(str(errand.pk))
    return HttpResponseRedirect(reverse("admin:jobs_errand", args=[errand.pk]))


def _confirmation(page: Any, request: HttpRequest, verb: Verb, chosen: list[Job]) -> HttpResponse:
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
