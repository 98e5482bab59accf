"""What is done to one cluster on a page of its own: try it, compare its host keys, enable or disable it."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from django import forms
from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from clusters import hostkeys
from clusters.errors import ClusterError
from clusters.models import Cluster
from clusters.ping import ping

log = structlog.get_logger(__name__)

NEEDS = {
    "ping": "clusters.ping_cluster",
    "switch": "clusters.switch_cluster",
    "fetch": "clusters.change_cluster",
    "pin": "clusters.change_cluster",
}


@dataclass
class Findings:
    """What the page shows beside the cluster itself."""

    output: str = ""
    failed: bool = False
    account: str = ""
    shown: list[tuple[str, str, str, bool]] = field(default_factory=list)
    sealed: str = ""
    fault: str = ""


class _Logs(Protocol):
    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any: ...


class Operations:
    """The page, as a part of a ModelAdmin."""

    admin_site: admin.AdminSite

    def operate(self: Any, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the page; do what was asked for, if the operator may."""
        cluster = Cluster.objects.filter(pk=pk).first()
        if cluster is None:
            raise Http404("no such cluster")
        if not self.has_view_permission(request, cluster):
            raise PermissionDenied
        findings = Findings()
        if request.method == "POST":
            findings_or_response = _do(self, request, cluster)
            if isinstance(findings_or_response, HttpResponse):
                return findings_or_response
            findings = findings_or_response
        pinned = [(key.split()[0], hostkeys.fingerprint(key)) for key in cluster.host_keys]
        context = {
            **self.admin_site.each_context(request),
            "title": f"Operate {cluster.name}",
            "opts": Cluster._meta,  # noqa: SLF001 - Django documents _meta
            "cluster": cluster,
            "pinned": pinned,
            "findings": findings,
        }
        return TemplateResponse(request, "admin/clusters/cluster/operate.html", context)


def _do(page: _Logs, request: HttpRequest, cluster: Cluster) -> Findings | HttpResponse:
    action = request.POST.get("do", "")
    if action not in NEEDS or not request.user.has_perm(NEEDS[action]):
        raise PermissionDenied
    verbs = {"ping": _ping, "switch": _switch, "fetch": _fetch, "pin": _pin}
    return verbs[action](page, request, cluster)


def note(page: _Logs, request: HttpRequest, cluster: Cluster, words: str) -> None:
    """Write down in the admin's history and in the log what an operator did to `cluster`."""
    page.log_change(request, cluster, words)
    log.info("operator-action", operator=request.user.get_username(), cluster=cluster.name, outcome=words)


def _again(cluster: Cluster) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:clusters_cluster_operate", args=[cluster.pk]))


def _ping(page: _Logs, request: HttpRequest, cluster: Cluster) -> Findings:
    account = request.POST.get("account", "").strip()
    try:
        findings = Findings(output=f"{cluster}: {ping(cluster, account)}", account=account)
    except ClusterError as exc:
        findings = Findings(output=f"{cluster}: {type(exc).__name__}: {exc}", failed=True, account=account)
    note(page, request, cluster, f"Connection test{f' as {account}' if account else ''}: {findings.output}")
    return findings


def _switch(page: _Logs, request: HttpRequest, cluster: Cluster) -> Findings | HttpResponse:
    enabled = request.POST.get("enabled") == "yes"
    try:
        message = forms.CharField(max_length=500, required=False).clean(request.POST.get("message", ""))
    except forms.ValidationError as exc:
        return Findings(fault=" ".join(exc.messages))
    if enabled and not cluster.host_keys:
        return Findings(fault="Without a host key it cannot be enabled: fetch and confirm its key first.")
    Cluster.objects.filter(pk=cluster.pk).update(enabled=enabled, disabled_message=message)
    words = "Enabled" if enabled else f"Disabled; users are told: {message or 'that the host is not known'}"
    note(page, request, cluster, words)
    messages.success(request, f"{cluster}: {words}.")
    return _again(cluster)


def _fetch(page: _Logs, request: HttpRequest, cluster: Cluster) -> Findings:
    try:
        keys = hostkeys.fetch(cluster)
    except ClusterError as exc:
        return Findings(fault=f"{type(exc).__name__}: {exc}")
    note(page, request, cluster, "Host keys fetched for comparison")
    shown = [(key, key.split()[0], hostkeys.fingerprint(key), key in cluster.host_keys) for key in keys]
    return Findings(shown=shown, sealed=hostkeys.seal(cluster, keys))


def _pin(page: _Logs, request: HttpRequest, cluster: Cluster) -> Findings | HttpResponse:
    """Write down the keys that a person has confirmed: of those that were shown, and in the place of all others."""
    try:
        shown = hostkeys.unseal(cluster, request.POST.get("sealed", ""))
    except signing.BadSignature:
        return Findings(fault="The keys are no longer those that were shown: fetch them again.")
    chosen = [key for key in shown if key in request.POST.getlist("key")]
    if not chosen or request.POST.get("compared") != "yes":
        return Findings(fault="Nothing was pinned: choose the keys, and say that you have compared them.")
    Cluster.objects.filter(pk=cluster.pk).update(host_keys=chosen)
    words = "Host keys pinned: " + ", ".join(hostkeys.fingerprint(key) for key in chosen)
    note(page, request, cluster, words)
    messages.success(request, f"{cluster}: {words}")
    return _again(cluster)
