"""Who gets into the operators' pages, and what these pages may hold."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from clusters.models import Cluster
from jobs.models import Job
from tests.api.admin.conftest import GROUPS, LIST, Enter
from tests.api.conftest import Cast

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("group", GROUPS)
def test_every_operator_sees_the_start_page_the_jobs_and_the_clusters(
    enter: Enter, group: str, jobs: list[Job], zeus: Cluster
) -> None:
    browser = enter(group)
    assert "zeus.cyfronet.pl" in browser.get("/admin/").text
    assert jobs[0].job_id in browser.get(LIST).text
    assert browser.get(f"{LIST}{jobs[0].pk}/change/").status_code == 200
    assert browser.get(f"/admin/clusters/cluster/{zeus.pk}/change/").status_code == 200
    assert browser.get(f"/admin/clusters/cluster/{zeus.pk}/operate/").status_code == 200


def test_a_proxy_opens_no_page_of_the_admin(cast: Cast) -> None:
    for path in ("/admin/", LIST, "/admin/jobs/job/csv/"):
        answer = cast.alice("GET", path)
        assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/admin/login/")


def test_somebody_who_is_no_operator_gets_no_further_than_the_login() -> None:
    client = Client()
    client.force_login(User.objects.create_user("nobody"))
    assert client.get("/admin/").status_code == 302


def test_an_address_that_guesses_passwords_is_locked_out(settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    User.objects.create_superuser("root", password="the right one, long")  # noqa: S106 - of this test alone
    guess = {"username": "root", "password": "wrong"}
    answers = [Client().post("/admin/login/", guess).status_code for _ in range(4)]
    right = Client().post("/admin/login/", {**guess, "password": "the right one, long"})
    assert (answers, right.status_code) == ([200, 200, 429, 429], 429)


RIGHT = "the right one, long"


def log_in(name: str, password: str, address: str = "192.0.2.1") -> int:
    code: int = (
        Client().post("/admin/login/", {"username": name, "password": password}, REMOTE_ADDR=address).status_code
    )
    return code


def test_an_operators_own_logins_do_not_undo_the_lock(settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    User.objects.create_superuser("root", password=RIGHT)
    User.objects.create_user("operator", password=RIGHT, is_staff=True)
    codes = [log_in(*login) for _ in range(3) for login in (("root", "wrong"), ("operator", RIGHT))]
    assert codes == [200, 302, 200, 302, 429, 429]
    assert log_in("root", RIGHT) == 429


def test_a_login_forgives_the_failures_of_its_own_name(settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    User.objects.create_user("operator", password=RIGHT, is_staff=True)
    codes = [log_in("operator", password) for password in ("wrong", "wrong", RIGHT, "wrong", "wrong", RIGHT)]
    assert codes == [200, 200, 302, 200, 200, 302]


@pytest.mark.parametrize(
    ("guessing", "also_locked", "heard"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1:2:3"], "2001:db8::9", "2001:db8:0:1::1"),
        (["::ffff:192.0.2.7", "192.0.2.7", "::ffff:c000:207"], "192.0.2.7", "::ffff:192.0.2.8"),
        (["", "", ""], "", "192.0.2.9"),
    ],
    ids=["an IPv6 network", "an IPv4 address in both families", "no known address"],
)
def test_addresses_of_one_client_are_locked_out_together(
    settings: Any, guessing: list[str], also_locked: str, heard: str
) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    User.objects.create_superuser("root", password=RIGHT)
    assert [log_in("root", "wrong", address) for address in guessing] == [200, 200, 429]
    assert log_in("root", RIGHT, also_locked) == 429
    assert log_in("root", RIGHT, heard) == 302


def test_a_header_with_a_proxy_does_not_weaken_the_lock(cast: Cast) -> None:
    assert cast.alice("GET", "/admin/login/").status_code == 200


def test_no_page_of_the_admin_has_a_script_or_a_style_in_it(enter: Enter, jobs: list[Job], zeus: Cluster) -> None:
    browser = enter("administrator")
    paths = ["/admin/", LIST, f"{LIST}{jobs[0].pk}/change/", f"/admin/clusters/cluster/{zeus.pk}/change/"]
    for path in [*paths, f"/admin/clusters/cluster/{zeus.pk}/operate/", "/admin/auth/user/"]:
        text = browser.get(path).text
        assert not re.search(r"<script(?![^>]*(src=|application/json))|<style|\sstyle=|\son[a-z]+=", text), path
