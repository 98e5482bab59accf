"""The operators' accounts: nobody makes more of themselves, or of anybody, than they are."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from tests.api.admin.conftest import Enter

pytestmark = pytest.mark.django_db

USERS = "/admin/auth/user/"
PASSWORD = "the right one, long"  # noqa: S105 - of these tests alone


def page(user: User, view: str = "change") -> str:
    return f"{USERS}{user.pk}/{view}/"


def form(user: User, **changes: Any) -> dict[str, Any]:
    """Return what a browser sends to change the account; None leaves a box empty."""
    sent = {
        "username": user.username, "is_active": "on", "is_staff": "on",
        "is_superuser": "on" if user.is_superuser else None,
        "date_joined_0": "2026-01-01", "date_joined_1": "12:00:00", **changes,
    }  # fmt: skip
    return {name: value for name, value in sent.items() if value is not None}


def permission(name: str) -> Permission:
    label, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=label, codename=codename)


@pytest.fixture
def administrator(enter: Enter) -> Client:
    """A browser of somebody in the group administrator, who is called so."""
    return enter("administrator")


@pytest.fixture
def root(client: Client) -> Client:
    """A browser of the only superuser, who is called so."""
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    return client


def _direct(user: User) -> None:
    user.user_permissions.add(permission("auth.change_permission"))


def _by_group(user: User) -> None:
    group = Group.objects.create(name="more")
    group.permissions.add(permission("auth.change_group"))
    user.groups.add(group)


def _superuser(user: User) -> None:
    user.is_superuser = True


def _idle_superuser(user: User) -> None:
    user.is_superuser, user.is_active = True, False


def _idle(user: User) -> None:
    _direct(user)
    user.is_active = False


@pytest.fixture(params=[_superuser, _idle_superuser, _direct, _by_group, _idle])
def stronger(request: pytest.FixtureRequest) -> User:
    """An account that may do something that an administrator may not, or could if it were activated."""
    user = User.objects.create_user("stronger", password=PASSWORD, is_staff=True)
    make: Callable[[User], None] = request.param
    make(user)
    user.save()
    return user


def test_an_administrator_cannot_make_themselves_a_superuser(administrator: Client) -> None:
    user = User.objects.get(username="administrator")
    extra = permission("auth.change_permission")
    sent = form(user, is_superuser="on", user_permissions=[extra.pk], groups=[user.groups.get().pk])
    assert administrator.post(page(user), sent).status_code == 302
    user.refresh_from_db()
    assert (user.is_superuser, list(user.user_permissions.all())) == (False, [])
    assert user.groups.get().name == "administrator"


def test_an_administrator_cannot_make_a_superuser_of_a_new_account(administrator: Client) -> None:
    sent = {"username": "new", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    answer = administrator.post(f"{USERS}add/", {**sent, "is_superuser": "on", "is_staff": "on"})
    new = User.objects.get(username="new")
    assert (answer.status_code, new.is_superuser, new.is_staff) == (302, False, False)
    assert administrator.post(page(new), form(new, is_superuser="on")).status_code == 302
    new.refresh_from_db()
    assert (new.is_superuser, new.is_staff) == (False, True)


def test_an_administrator_gives_the_groups_that_may_do_no_more_than_they(administrator: Client) -> None:
    more = Group.objects.create(name="more")
    more.permissions.add(permission("auth.change_group"), permission("jobs.view_job"))
    for user in (User.objects.create_user("new"), User.objects.get(username="administrator")):
        before = set(user.groups.all())
        answer = administrator.post(page(user), form(user, groups=[more.pk]))
        assert "groups" in answer.context["adminform"].form.errors
        assert set(user.groups.all()) == before
    new = User.objects.get(username="new")
    assert administrator.post(page(new), form(new, groups=[Group.objects.get(name="operator").pk])).status_code == 302
    assert [group.name for group in new.groups.all()] == ["operator"]


def test_an_administrator_sees_a_stronger_account_and_changes_nothing(administrator: Client, stronger: User) -> None:
    assert administrator.get(page(stronger)).status_code == 200
    assert administrator.post(page(stronger), form(stronger, username="taken")).status_code == 403
    stronger.refresh_from_db()
    assert stronger.username == "stronger"


def test_an_administrator_sets_no_password_of_a_stronger_account(administrator: Client, stronger: User) -> None:
    sent = {"password1": "another one, long", "password2": "another one, long", "usable_password": "true"}
    assert administrator.get(page(stronger, "password")).status_code == 403
    assert administrator.post(page(stronger, "password"), sent).status_code == 403
    stronger.refresh_from_db()
    assert stronger.check_password(PASSWORD)


def test_an_administrator_deletes_no_stronger_account(administrator: Client, stronger: User) -> None:
    assert administrator.post(page(stronger, "delete"), {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=stronger.pk).exists()


def test_an_administrator_manages_who_may_do_no_more(administrator: Client) -> None:
    user = User.objects.create_user("operator", password=PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name="operator"))
    sent = {"password1": "another one, long", "password2": "another one, long", "usable_password": "true"}
    assert administrator.post(page(user, "password"), sent).status_code == 302
    user.refresh_from_db()
    assert user.check_password("another one, long")
    assert administrator.post(page(user), form(user, is_active=None)).status_code == 302
    user.refresh_from_db()
    assert not user.is_active
    assert administrator.post(page(user, "delete"), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=user.pk).exists()


def test_who_may_change_groups_gives_them_no_more_than_they_have(administrator: Client) -> None:
    user = User.objects.get(username="administrator")
    user.user_permissions.add(permission("auth.change_group"), permission("auth.delete_group"))
    more = Group.objects.create(name="more")
    more.permissions.add(permission("auth.add_group"))
    assert administrator.post(f"/admin/auth/group/{more.pk}/change/", {"name": "mine"}).status_code == 403
    assert administrator.post(f"/admin/auth/group/{more.pk}/delete/", {"post": "yes"}).status_code == 403
    own = user.groups.get()
    sent = {"name": own.name, "permissions": [permission("auth.add_group").pk]}
    answer = administrator.post(f"/admin/auth/group/{own.pk}/change/", sent)
    assert "permissions" in answer.context["adminform"].form.errors
    assert not own.permissions.filter(codename="add_group").exists()


@pytest.mark.parametrize("lost", ["is_superuser", "is_active", "is_staff"])
def test_the_last_superuser_stays_one(root: Client, lost: str) -> None:
    user = User.objects.get(username="root")
    User.objects.create_superuser("idle", password=PASSWORD, is_active=False)
    User.objects.create_superuser("without password")
    answer = root.post(page(user), form(user, **{lost: None}))
    assert "the last superuser" in str(answer.context["adminform"].form.non_field_errors())
    user.refresh_from_db()
    assert getattr(user, lost)


def test_the_last_superuser_keeps_their_account_and_a_password(root: Client) -> None:
    user = User.objects.get(username="root")
    assert root.post(page(user, "delete"), {"post": "yes"}).status_code == 403
    answer = root.post(page(user, "password"), {"usable_password": "false", "unset-password": "yes"})
    assert "the last superuser" in answer.text
    user.refresh_from_db()
    assert user.has_usable_password()


def test_one_of_two_superusers_may_go(root: Client) -> None:
    first, second, third = (
        User.objects.get(username="root"),
        User.objects.create_superuser("second", password=PASSWORD),
        User.objects.create_superuser("third", password=PASSWORD),
    )
    assert root.post(page(second, "delete"), {"post": "yes"}).status_code == 302
    sent = {"usable_password": "false", "unset-password": "yes"}
    assert root.post(page(third, "password"), sent).status_code == 302
    third.refresh_from_db()
    assert not third.has_usable_password()
    third.set_password(PASSWORD)
    third.save()
    assert root.post(page(first), form(first, is_superuser=None)).status_code == 302
    assert list(User.objects.filter(is_superuser=True)) == [third]


def test_a_superuser_makes_another(root: Client) -> None:
    new = User.objects.create_user("new")
    assert root.post(page(new), form(new, is_superuser="on")).status_code == 302
    new.refresh_from_db()
    assert new.is_superuser
