"""The operators' accounts and groups: nobody gives, changes or takes over what is more than they have themselves."""

from typing import Any

from axes.admin import AccessAttemptAdmin, AccessLogAdmin
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from adminkit.readonly import ReadOnly
from audit.admin_history import AuditedAdmin

LAST = "This is the last superuser who can log in: make another one first."


def exceeds(operator: Any, granted: Q) -> bool:
    """Return whether a permission that `granted` finds is one that the operator does not have; a superuser has all."""
    if operator.is_superuser:
        return False
    return Permission.objects.filter(granted).exclude(pk__in=held_by(operator)).exists()


def held_by(user: Any) -> QuerySet[Permission]:
    """Return the permissions of a user, given to them or to their groups, whether or not the account is active."""
    return Permission.objects.filter(Q(user=user) | Q(group__user=user))


def may_manage(operator: Any, user: Any) -> bool:
    """Return whether the operator may change an account: whoever sets its password can do all that it may do."""
    if user.is_superuser and not operator.is_superuser:
        return False
    return not exceeds(operator, Q(user=user) | Q(group__user=user))


def is_last_superuser(user: Any, *, lock: bool = True) -> bool:
    """Return whether this account is the only superuser's who can log in.

    With `lock`, which takes a transaction, two superusers cannot go at the same time.
    """
    rows = User.objects.filter(is_superuser=True).order_by("pk")
    superusers = rows.select_for_update() if lock else rows
    return {row.pk for row in superusers if row.is_active and row.is_staff and _has_password(row)} == {user.pk}


def _has_password(user: User) -> bool:
    return not user.password.startswith(UNUSABLE_PASSWORD_PREFIX)


class AccountForm(UserChangeForm):
    """The form of an account, which leaves a superuser who can log in."""

    def clean(self) -> dict[str, Any]:
        """Return the values. Raises ValidationError where nobody would be left."""
        values = super().clean() or self.cleaned_data
        kept = all(values.get(name, True) for name in ("is_superuser", "is_active", "is_staff"))
        if not kept and is_last_superuser(self.instance):
            raise ValidationError(LAST)
        return values


class PasswordForm(AdminPasswordChangeForm):
    """The form of an account's password, which leaves a superuser who can log in."""

    def clean(self) -> dict[str, Any]:
        """Return the values, with an error where nobody would be left."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if not values["set_usable_password"] and is_last_superuser(self.user):
            self.add_error("usable_password", LAST)  # the page shows errors of fields only
        return values


class OperatorAdmin(AuditedAdmin, UserAdmin):
    """Accounts. Who is no superuser manages those that may do no more than they may themselves."""

    form = AccountForm
    change_password_form = PasswordForm

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the account may be changed; Django asks the same of the page of its password."""
        return super().has_change_permission(request, obj) and (obj is None or may_manage(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the account may be deleted."""
        if not super().has_delete_permission(request, obj):
            return False
        return obj is None or (may_manage(request.user, obj) and not is_last_superuser(obj, lock=False))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Have superusers alone make superusers, and give permissions apart from groups."""
        own = [] if request.user.is_superuser else ["is_superuser", "user_permissions"]
        return [*super().get_readonly_fields(request, obj), *own]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Offer groups that may do no more than the operator."""
        if db_field.name == "groups" and not request.user.is_superuser:
            beyond = Permission.objects.exclude(pk__in=held_by(request.user))
            options["queryset"] = Group.objects.exclude(permissions__in=beyond)
        return super().formfield_for_manytomany(db_field, request, **options)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete the account. Raises PermissionDenied for the last superuser's."""
        if is_last_superuser(obj):
            raise PermissionDenied(LAST)
        super().delete_model(request, obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002 - Django's name
        """Show or set an account's password."""
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)

    def history_action(self, request: HttpRequest) -> str:
        """Return a word of its own for the page that sets a password."""
        return "password" if _is_password_page(request) else super().history_action(request)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Tell of a change; of a password in a sentence, where Django would list the form's fields."""
        sentence = "Set the account's password" if _is_password_page(request) else message
        return super().log_change(request, obj, sentence)


def _is_password_page(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and match.url_name == "auth_user_password_change"


class OperatorGroupAdmin(GroupAdmin):
    """Groups. Who is no superuser changes those that may do no more than they may, and gives them no more."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the group may be changed."""
        return super().has_change_permission(request, obj) and not self._exceeds(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the group may be deleted."""
        return super().has_delete_permission(request, obj) and not self._exceeds(request, obj)

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **options: Any) -> Any:
        """Offer permissions that the operator has."""
        if db_field.name == "permissions" and not request.user.is_superuser:
            options["queryset"] = Permission.objects.filter(pk__in=held_by(request.user))
        return super().formfield_for_manytomany(db_field, request, **options)

    def _exceeds(self, request: HttpRequest, group: Any) -> bool:
        return group is not None and exceeds(request.user, Q(group=group))


class AttemptAdmin(AccessAttemptAdmin):  # type: ignore[misc]  # axes ships no types
    """Failed logins. To delete one lets its address in again; what has expired goes by itself at each login."""

    list_display = ("username", "ip_address", "failures_since_start", "status", "attempt_time", "user_agent")
    actions = ()  # axes' own asks for no permission, and leaves no line in the audit log
    date_hierarchy = None
    show_facets = ShowFacets.NEVER
    search_help_text = "To let a locked address in again, open its failed logins and delete them."

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list under a name that tells what it is."""
        return super().changelist_view(
            request, {**_named("Failed logins and locked addresses"), **(extra_context or {})}
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nothing is changed."""
        return False


class LoginAdmin(ReadOnly, AccessLogAdmin):  # type: ignore[misc]  # axes ships no types
    """Logins, to read."""

    list_display = ("username", "ip_address", "attempt_time", "logout_time", "user_agent")
    date_hierarchy = None
    show_facets = ShowFacets.NEVER

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list under a name that tells what it is."""
        return super().changelist_view(request, {**_named("Logins"), **(extra_context or {})})


def _named(name: str) -> dict[str, str]:
    return {"title": name, "list_name": name}


PAGES = {User: OperatorAdmin, Group: OperatorGroupAdmin, AccessAttempt: AttemptAdmin, AccessLog: LoginAdmin}
for model, page in PAGES.items():
    admin.site.unregister(model)
    admin.site.register(model, page)
admin.site.unregister(AccessFailureLog)  # of a log that is not kept (AXES_ENABLE_ACCESS_FAILURE_LOG)
