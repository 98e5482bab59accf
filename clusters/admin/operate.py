"""What is done to one cluster on a page of its own: try it, compare its host keys, enable or disable it."""

from dataclasses import dataclass, field

import structlog
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from audit import operators
from clusters.admin import host_keys
from clusters.admin.operations import FORMS, OperationForm, PingForm, PinKeysForm, SwitchForm
from clusters.connectivity import ping
from clusters.errors import ClusterError
from clusters.models import Cluster

log = structlog.get_logger(__name__)


@dataclass
class Findings:
    """What the page shows beside the cluster itself.

    `output`: what the connection test has printed, as `account`; `failed`: it did. `shown`: host keys, each with its
    type, its fingerprint, and whether it is pinned, and `sealed` the same for the form that pins them. `fault`: why
    nothing was done.
    """

    output: str = ""
    failed: bool = False
    account: str = ""
    shown: list[tuple[str, str, str, bool]] = field(default_factory=list)
    sealed: str = ""
    fault: str = ""


class OperateAdmin(admin.ModelAdmin):
    """The page, as the part of the clusters' admin that it is."""

    def get_urls(self) -> list[URLPattern]:
        """Add the page."""
        page = path("<int:pk>/operate/", self.admin_site.admin_view(self.operate), name="clusters_cluster_operate")
        return [page, *super().get_urls()]

    def operate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the page; first do what was asked for, if the operator may."""
        cluster = get_object_or_404(Cluster, pk=pk)
        if not self.has_view_permission(request, cluster):
            raise PermissionDenied
        done = self._handle(request, cluster) if request.method == "POST" else Findings()
        return done if isinstance(done, HttpResponse) else self._page(request, cluster, done)

    def _page(self, request: HttpRequest, cluster: Cluster, findings: Findings) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"Operate {cluster.name}",
            "opts": self.opts,
            "cluster": cluster,
            "pinned": [(key.split()[0], host_keys.fingerprint(key)) for key in cluster.host_keys],
            "findings": findings,
        }
        return TemplateResponse(request, "admin/clusters/cluster/operate.html", context)

    def _handle(self, request: HttpRequest, cluster: Cluster) -> Findings | HttpResponse:
        """Do what the form asks for; what is not done is recorded as well. Raises PermissionDenied."""
        form_class = FORMS.get(request.POST.get("do", ""))
        if form_class is None:
            raise PermissionDenied
        form = form_class(cluster, request.POST)
        if not request.user.has_perm(form.permission):
            words = "The operator has no permission for it"
            note(request, cluster, action=form.action, outcome="refused", words=words)
            raise PermissionDenied
        if not form.is_valid():
            return self._not_done(request, form, "refused", form.fault)
        match form:
            case PingForm():
                return self._ping(request, form)
            case SwitchForm():
                return self._switch(request, form)
            case PinKeysForm():
                return self._pin_keys(request, form)
        return self._fetch_keys(request, form)

    def _not_done(self, request: HttpRequest, form: OperationForm, outcome: str, fault: str) -> Findings:
        words = f"Not done ({form.action}): {fault}"
        note(request, form.cluster, action=form.action, outcome=outcome, words=words)
        return Findings(fault=fault)

    def _ping(self, request: HttpRequest, form: PingForm) -> Findings:
        cluster, account = form.cluster, form.cleaned_data["account"]
        try:
            findings = Findings(output=f"{cluster}: {ping(cluster, account)}", account=account)
        except ClusterError as exc:
            findings = Findings(output=f"{cluster}: {type(exc).__name__}: {exc}", failed=True, account=account)
        words = f"Connection test{f' as {account}' if account else ''}: {findings.output}"
        outcome = "failed" if findings.failed else "done"
        note(request, cluster, action=form.action, words=words, outcome=outcome, account=account)
        return findings

    def _switch(self, request: HttpRequest, form: SwitchForm) -> HttpResponse:
        enabled, message = form.cleaned_data["enabled"], form.cleaned_data["message"]
        Cluster.objects.filter(pk=form.cluster.pk).update(enabled=enabled, disabled_message=message)
        words = "Enabled" if enabled else f"Disabled; users are told: {message or 'that the host is not known'}"
        return self._done(request, form, words)

    def _fetch_keys(self, request: HttpRequest, form: OperationForm) -> Findings:
        cluster = form.cluster
        try:
            keys = host_keys.fetch_keys(cluster)
        except ClusterError as exc:
            return self._not_done(request, form, "failed", f"{type(exc).__name__}: {exc}")
        note(request, cluster, action=form.action, words="Host keys fetched for comparison")
        shown = [(key, key.split()[0], host_keys.fingerprint(key), key in cluster.host_keys) for key in keys]
        return Findings(shown=shown, sealed=host_keys.seal(cluster, keys))

    def _pin_keys(self, request: HttpRequest, form: PinKeysForm) -> HttpResponse:
        """Pin the chosen keys in the place of all others."""
        chosen = form.cleaned_data["chosen"]
        Cluster.objects.filter(pk=form.cluster.pk).update(host_keys=chosen)
        return self._done(request, form, "Host keys pinned: " + ", ".join(map(host_keys.fingerprint, chosen)))

    def _done(self, request: HttpRequest, form: OperationForm, words: str) -> HttpResponse:
        """Record that the cluster was changed, and show the page anew."""
        note(request, form.cluster, action=form.action, words=words)
        messages.success(request, f"{words}. The cluster is {form.cluster}.")
        return HttpResponseRedirect(reverse("admin:clusters_cluster_operate", args=[form.cluster.pk]))


def note(
    request: HttpRequest, cluster: Cluster, *, action: str, words: str, outcome: str = "done", account: str = ""
) -> None:
    """Write down in the admin's history, the audit log and the log what an operator did to `cluster`."""
    act = operators.Act(
        operator=request.user, obj=cluster, action=action, outcome=outcome, message=words, cluster=cluster.name,
        account=account,
    )  # fmt: skip
    operators.record(act)
    log.info(
        "operator-action",
        action=action,
        operator=request.user.get_username(),
        cluster=cluster.name,
        outcome=outcome,
        detail=words,
    )
