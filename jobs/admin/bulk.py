"""Actions for many jobs at once: a page that counts them and asks, then one that shows how far it is."""

from collections import Counter
from typing import cast
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from jobs import bulk_operations
from jobs.models import BulkAction, BulkOperation, BulkOperationItem, Job, SubmissionStatus
from jobs.states import ACTIVE
from jobs.tasks import run_bulk_operation

_MOST_JOBS = 5_000  # in one bulk operation


class ConfirmationForm(forms.Form):
    """What the confirmation page sends back to the list: the same action on the same jobs, and that it is meant."""

    action = forms.CharField(widget=forms.HiddenInput)
    index = forms.IntegerField(required=False, widget=forms.HiddenInput, help_text="which of the list's action forms")
    select_across = forms.BooleanField(required=False, widget=forms.HiddenInput)
    confirmed = forms.BooleanField(required=False, widget=forms.HiddenInput)

    @classmethod
    def repeating(cls, request: HttpRequest) -> "ConfirmationForm":
        """Return the form that sends the action in `request` once more, confirmed."""
        sent = cls(request.POST)
        sent.full_clean()
        form = cls(initial={"index": 0, **sent.cleaned_data, "confirmed": True})
        form.fields[ACTION_CHECKBOX_NAME] = forms.Field(widget=forms.MultipleHiddenInput)
        form.initial[ACTION_CHECKBOX_NAME] = request.POST.getlist(ACTION_CHECKBOX_NAME)
        return form


class BulkOperationsAdmin(admin.ModelAdmin):
    """The actions on jobs, and the page of a bulk operation."""

    @admin.action(description="Refresh now: ask SLURM about them", permissions=["refresh"])
    def refresh_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        """Have SLURM asked about each of `jobs`."""
        submitted = jobs.filter(submission_status=SubmissionStatus.SUBMITTED)
        return self._confirm_or_begin(request, BulkAction.REFRESH, submitted)

    @admin.action(description="Abort", permissions=["abort"])
    def abort_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        """Cancel those of `jobs` that are active, also those that their owners have deleted."""
        active = jobs.filter(submission_status=SubmissionStatus.SUBMITTED, status__in=sorted(ACTIVE))
        return self._confirm_or_begin(request, BulkAction.ABORT, active)

    def has_refresh_permission(self, request: HttpRequest) -> bool:
        """Whether this operator may have SLURM asked."""
        return request.user.has_perm("jobs.refresh_job")

    def has_abort_permission(self, request: HttpRequest) -> bool:
        """Whether this operator may abort others' jobs."""
        return request.user.has_perm("jobs.abort_job")

    def get_urls(self) -> list[URLPattern]:
        """Add a bulk operation's page and its figures."""
        view, page = self.admin_site.admin_view, "bulk-operations/<uuid:pk>/"
        own = [
            path(page, view(self.operation), name="jobs_bulk_operation"),
            path(f"{page}progress/", view(self.operation_progress), name="jobs_bulk_operation_progress"),
        ]
        return [*own, *super().get_urls()]

    def operation(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show how far a bulk operation is; the page itself asks again until it is over."""
        operation = self._operation(request, pk)
        progress = bulk_operations.progress(operation)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{operation.get_verb_display()} {_counted(progress.total)}",
            "opts": self.opts,
            "operation": operation,
            "progress": progress,
            "failed": operation.items.filter(state=BulkOperationItem.State.FAILED).select_related("job")[:50],
        }
        return TemplateResponse(request, "admin/jobs/bulk_operation/progress.html", context)

    def operation_progress(self, request: HttpRequest, pk: UUID) -> JsonResponse:
        """Return the figures of a bulk operation."""
        progress = bulk_operations.progress(self._operation(request, pk))
        figures = {
            "total": progress.total,
            "done": progress.done,
            "failed": progress.failed,
            "over": progress.is_finished,
        }
        response = JsonResponse(figures)
        response["Cache-Control"] = "no-store"
        return response

    def _operation(self, request: HttpRequest, pk: UUID) -> BulkOperation:
        if not self.has_view_permission(request):
            raise PermissionDenied
        operation = BulkOperation.objects.filter(pk=pk).select_related("operator").first()
        if operation is None:
            raise Http404("no such bulk operation")
        return operation

    def _confirm_or_begin(self, request: HttpRequest, verb: BulkAction, jobs: QuerySet[Job]) -> HttpResponse | None:
        """Show the confirmation page, or, when it comes back, begin the bulk operation."""
        shown = jobs.select_related("cluster").only("id", "job_id", "account", "status", "cluster__name")
        chosen = list(shown[: _MOST_JOBS + 1])
        if not chosen:
            messages.warning(request, "None of the chosen jobs is one for that: it has ended, or SLURM never had it.")
            return None
        if len(chosen) > _MOST_JOBS:
            messages.error(request, f"More than {_MOST_JOBS:,} jobs at once: narrow the list by its filters.")
            return None
        form = ConfirmationForm(request.POST)
        if form.is_valid() and form.cleaned_data["confirmed"]:
            return _begin(request, verb, chosen)
        return self._confirmation(request, verb, chosen)

    def _confirmation(self, request: HttpRequest, verb: BulkAction, chosen: list[Job]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb.label} {_counted(len(chosen))}?",
            "opts": self.opts,
            "verb": verb,
            "count": len(chosen),
            "by_cluster": sorted(Counter(job.cluster.name for job in chosen).items()),
            "accounts": sorted({job.account for job in chosen})[:20],
            "sample": chosen[:10],
            "form": ConfirmationForm.repeating(request),
        }
        return TemplateResponse(request, "admin/jobs/job/confirm.html", context)


def _begin(request: HttpRequest, verb: BulkAction, chosen: list[Job]) -> HttpResponse:
    operator = cast("User", request.user)  # the admin site lets nobody anonymous in
    operation = bulk_operations.create(verb, chosen, operator, request.META.get("REMOTE_ADDR", ""))
    run_bulk_operation.delay(str(operation.pk))
    return HttpResponseRedirect(reverse("admin:jobs_bulk_operation", args=[operation.pk]))


def _counted(jobs: int) -> str:
    return "1 job" if jobs == 1 else f"{jobs} jobs"
