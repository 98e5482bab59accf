"""What is done to one cluster on a page of its own: try it, compare its host keys, enable or disable it."""

from dataclasses import dataclass, field
from typing import Any

import structlog
from django import forms
from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from audit import operators
from clusters import host_keys
from clusters.connectivity import ping
from clusters.errors import ClusterError
from clusters.models import Cluster

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
            findings_or_response = _do(request, cluster)
            if isinstance(findings_or_response, HttpResponse):
                return findings_or_response
            findings = findings_or_response
        pinned = [(key.split()[0], host_keys.fingerprint(key)) for key in cluster.host_keys]
        context = {
            **self.admin_site.each_context(request),
            "title": f"Operate {cluster.name}",
            "opts": Cluster._meta,  # noqa: SLF001 - Django documents _meta
            "cluster": cluster,
            "pinned": pinned,
            "findings": findings,
        }
        return TemplateResponse(request, "admin/clusters/cluster/operate.html", context)


def _do(request: HttpRequest, cluster: Cluster) -> Findings | HttpResponse:
    """Do what was asked for; what was not done for want of something is told as well, and why."""
    asked = request.POST.get("do", "")
    if asked not in NEEDS:
        raise PermissionDenied
    if not request.user.has_perm(NEEDS[asked]):
        note(
            request, cluster, action=_action(request), outcome="refused", words="The operator has no permission for it"
        )
        raise PermissionDenied
    verbs = {"ping": _ping, "switch": _switch, "fetch": _fetch, "pin": _pin}
    done = verbs[asked](request, cluster)
    if isinstance(done, Findings) and done.fault:
        _not_done(request, cluster, "failed" if asked == "fetch" else "refused", done.fault)
    return done


def _not_done(request: HttpRequest, cluster: Cluster, outcome: str, why: str) -> None:
    action = _action(request)
    note(request, cluster, action=action, outcome=outcome, words=f"Not done ({action}): {why}")


def _action(request: HttpRequest) -> str:
    """Return the audit log's word for what was asked for."""
    asked = request.POST.get("do", "")
    if asked == "switch":
        return "enable" if request.POST.get("enabled") == "yes" else "disable"
    return {"ping": "test", "fetch": "fetch-host-keys", "pin": "confirm-host-keys"}[asked]


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


def _again(cluster: Cluster) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:clusters_cluster_operate", args=[cluster.pk]))


def _ping(request: HttpRequest, cluster: Cluster) -> Findings:
    try:
        account = forms.CharField(max_length=32, required=False).clean(request.POST.get("account", ""))
    except forms.ValidationError as exc:
        return Findings(fault=f"That is no account's name: {' '.join(exc.messages)}")
    try:
        findings = Findings(output=f"{cluster}: {ping(cluster, account)}", account=account)
    except ClusterError as exc:
        findings = Findings(output=f"{cluster}: {type(exc).__name__}: {exc}", failed=True, account=account)
    words = f"Connection test{f' as {account}' if account else ''}: {findings.output}"
    note(request, cluster, action="test", words=words, outcome="failed" if findings.failed else "done", account=account)
    return findings


def _switch(request: HttpRequest, cluster: Cluster) -> Findings | HttpResponse:
    enabled = request.POST.get("enabled") == "yes"
    try:
        message = forms.CharField(max_length=500, required=False).clean(request.POST.get("message", ""))
    except forms.ValidationError as exc:
        return Findings(fault=" ".join(exc.messages))
    if enabled and not cluster.host_keys:
        return Findings(fault="Without a host key it cannot be enabled: fetch and confirm its key first.")
    Cluster.objects.filter(pk=cluster.pk).update(enabled=enabled, disabled_message=message)
    words = "Enabled" if enabled else f"Disabled; users are told: {message or 'that the host is not known'}"
    note(request, cluster, action=_action(request), words=words)
    messages.success(request, f"{words}. The cluster is {cluster}.")
    return _again(cluster)


def _fetch(request: HttpRequest, cluster: Cluster) -> Findings:
    try:
        keys = host_keys.fetch_keys(cluster)
    except ClusterError as exc:
        return Findings(fault=f"{type(exc).__name__}: {exc}")
    note(request, cluster, action="fetch-host-keys", words="Host keys fetched for comparison")
    shown = [(key, key.split()[0], host_keys.fingerprint(key), key in cluster.host_keys) for key in keys]
    return Findings(shown=shown, sealed=host_keys.seal(cluster, keys))


def _pin(request: HttpRequest, cluster: Cluster) -> Findings | HttpResponse:
    """Write down the keys that a person has confirmed: of those that were shown, and in the place of all others."""
    try:
        shown = host_keys.unseal(cluster, request.POST.get("sealed", ""))
    except signing.BadSignature:
        return Findings(fault="The keys are no longer those that were shown: fetch them again.")
    chosen = [key for key in shown if key in request.POST.getlist("key")]
    if not chosen or request.POST.get("compared") != "yes":
        return Findings(fault="Nothing was pinned: choose the keys, and say that you have compared them.")
    Cluster.objects.filter(pk=cluster.pk).update(host_keys=chosen)
    words = "Host keys pinned: " + ", ".join(host_keys.fingerprint(key) for key in chosen)
    note(request, cluster, action="confirm-host-keys", words=words)
    messages.success(request, f"{words}. The cluster is {cluster}.")
    return _again(cluster)
