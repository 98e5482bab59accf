"""The admin's frame: the dashboard as its start page, and the site's name."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from submitter.ops import dashboard

# What operators call the rooms and their tables, in the order in which they need them.
_APPS = {
    "jobs": "Jobs",
    "clusters": "Clusters",
    "audit": "Audit log",
    "auth": "Operators' accounts",
    "axes": "Logins to these pages",
}
_TABLES = {
    "Entry": "Audit log",
    "AccessAttempt": "Failed logins and locked addresses",
    "AccessLog": "Logins",
}


class OperatorSite(admin.AdminSite):
    """Django's admin, which begins with the dashboard. A login by password opens it, never a header of a proxy."""

    site_header = "Job submitter"
    site_title = "Job submitter"
    index_title = "Is all well?"
    site_url = "/"
    enable_nav_sidebar = False  # the start page lists everything, and lists need the width

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # It deletes rows without `delete_model`, in which a page may refuse (the last superuser is not deleted).
        self.disable_action("delete_selected")

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register as Django does. Every page's changes are in the audit log, and its list tells of unknown filters."""
        from adminkit.known_filters import CheckedFilters  # noqa: PLC0415 - it needs the apps; this module is theirs
        from audit.admin_history import AuditedAdmin  # noqa: PLC0415 - the same

        page = admin_class or admin.ModelAdmin
        bases = (page,) if issubclass(page, AuditedAdmin) else (AuditedAdmin, page)
        super().register(model_or_iterable, type(page.__name__, (CheckedFilters, *bases), {}), **options)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """List the pages by names that need no knowledge of the programs behind them."""
        apps: list[Any] = super().get_app_list(request, app_label)
        for app in apps:
            app["name"] = _APPS.get(app["app_label"], app["name"])
            for table in app["models"]:
                table["name"] = _TABLES.get(table["object_name"], table["name"])
        order = list(_APPS)
        return sorted(apps, key=lambda app: order.index(app["app_label"]) if app["app_label"] in order else 99)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the dashboard to those who may see clusters and jobs, and the list of pages to everybody."""
        seen = request.user.has_perms(["clusters.view_cluster", "jobs.view_job"])
        context = {"dashboard": dashboard.look() if seen else None, **(extra_context or {})}
        return super().index(request, context)

    def password_change(  # type: ignore[override]  # Django's answer is a redirect, too
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Let operators set their own password. Django keeps no history of that; the audit log does."""
        answer = super().password_change(request, extra_context)
        if request.method == "POST" and isinstance(answer, HttpResponseRedirect):
            _record_own_password(request.user)
        return answer


def _record_own_password(user: Any) -> None:
    from audit import operators  # noqa: PLC0415 - it needs the models; the site is made before they are loaded

    operators.record(operators.Act(operator=user, obj=user, action="password", message="Changed their own password"))
