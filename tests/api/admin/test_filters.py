"""What is not understood of a list's address: it is said, and never taken for "all rows"."""

import re
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from audit.models import Entry
from clusters.models import Cluster
from jobs.models import Job
from tests.api.admin.conftest import LIST

pytestmark = pytest.mark.django_db

LISTS = [
    LIST, "/admin/audit/entry/", "/admin/clusters/cluster/", "/admin/auth/user/", "/admin/auth/group/",
    "/admin/axes/accessattempt/", "/admin/axes/accesslog/",
]  # fmt: skip
OF_JOBS = [
    ("nosuch=1", "nosuch"), ("cluster__id__exact=abc", "cluster__id__exact"),
    ("created_at__gte=foo", "created_at__gte"),
    ("cluster__id__exact=999", "cluster__id__exact"), ("account=%00", "account"), ("tag=%00", "tag"),
    ("slurm_state=%00", "slurm_state"), ("as=%00", "as"), ("tagged=%00", "tagged"), ("q=%00", "Search"),
    ("status=nonsense", "status"), ("status__exact=nonsense", "status__exact"), ("status__in=RUNNING,x", "status__in"),
    ("period=nonsense", "period"), ("deleted=maybe", "deleted"), ("since=nonsense", "Submitted from"),
    ("account__regex=(", "account__regex"), ("created_at__year=999999", "created_at__year"),
    ("cluster__polls__account=x", "cluster__polls__account"), ("account=plgalice&nosuch=1", "nosuch"),
]  # fmt: skip
OF_LINES = [
    ("action=%00", "action"), ("outcome=%00", "outcome"), ("action=nonsense", "action"),
    ("outcome=nonsense", "outcome"),
    ("who=nonsense", "who"), ("at__gte=foo", "at__gte"), ("nosuch=1", "nosuch"), ("q=%00", "Search"),
]  # fmt: skip


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


@pytest.fixture
def browser(admin_client: Client, jobs: list[Job]) -> Client:
    """A superuser's, with jobs, two clusters and a line of the audit log to see."""
    assert jobs
    Cluster.objects.create(name="hera", address="h", host_keys=[], job_domain="hera.example.org")
    Entry.objects.create(action="submit", outcome="done", account="plgalice")
    return admin_client


@pytest.mark.parametrize(("query", "name"), OF_JOBS)
def test_list_of_jobs_says_what_it_does_not_understand(browser: Client, query: str, name: str) -> None:
    answer = browser.get(f"{LIST}?{query}")
    assert (answer.status_code, list(answer.context["cl"].result_list)) == (200, [])
    assert name in said(answer)


@pytest.mark.parametrize(("query", "name"), OF_JOBS)
def test_csv_of_a_filter_that_is_not_understood_is_400(browser: Client, query: str, name: str) -> None:
    answer = browser.get(f"{LIST}csv/?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert name in answer.content.decode()


@pytest.mark.parametrize(("query", "name"), OF_LINES)
def test_audit_log_says_what_it_does_not_understand(browser: Client, query: str, name: str) -> None:
    answer = browser.get(f"/admin/audit/entry/?{query}")
    assert (answer.status_code, list(answer.context["cl"].result_list)) == (200, [])
    assert name in said(answer)


@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize("query", ["nosuch=1", "pk=abc", "id__gte=foo", "q=%00", "nosuch=%00", "%00=1", "id__nosuch=1"])
def test_every_list_says_what_it_does_not_understand(browser: Client, address: str, query: str) -> None:
    answer = browser.get(f"{address}?{query}")
    assert (answer.status_code, list(answer.context["cl"].result_list)) == (200, [])
    assert said(answer)


@pytest.mark.parametrize("lookup", sorted({*Job._meta.get_field("account").get_lookups(), "nosuch"}))
@pytest.mark.parametrize("value", ["(", "9,0001-01-01"])
def test_no_lookup_fails(browser: Client, lookup: str, value: str) -> None:
    columns = ["account", "created_at", "nodes", "cluster", "deleted_at", "id", "acknowledged"]
    answers = {column: browser.get(f"{LIST}?{column}__{lookup}={value}").status_code for column in columns}
    assert set(answers.values()) == {200}, answers


def test_many_faults_are_told_in_few_words(browser: Client) -> None:
    answer = browser.get(f"{LIST}?" + "&".join(f"nosuch{n}={'x' * 500}" for n in range(50)))
    assert len(list(get_messages(answer.wsgi_request))) == 5
    assert len(said(answer)) < 1000


def test_page_beyond_the_last_is_said(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.admin.JobAdmin.list_per_page", 2)
    answer = browser.get(f"{LIST}?p=99")
    assert (answer.status_code, said(answer)) == (200, "There is no page 99.")


def test_action_on_all_that_a_wrong_filter_finds_is_done_to_nothing(browser: Client, jobs: list[Job]) -> None:
    form = {"action": "refresh_jobs", "select_across": "1", "index": "0", "_selected_action": str(jobs[0].pk)}
    answer = browser.post(f"{LIST}?status__exact=nonsense", form, follow=True)
    assert re.search("None of the chosen jobs", answer.content.decode())


@pytest.mark.parametrize(
    "query", ["account=plgalice", "status__exact=RUNNING&account=plgalice", "status=RUNNING&as=plgalice"]
)
def test_filters_that_are_understood_filter(browser: Client, query: str) -> None:
    answer = browser.get(f"{LIST}?{query}")
    assert (len(answer.context["cl"].result_list), said(answer)) == (2, "")


def test_filter_with_one_choice_filters(admin_client: Client, jobs: list[Job]) -> None:
    for query, found in ((str(jobs[0].cluster_id), 3), ("999", 0), ("abc", 0)):
        answer = admin_client.get(f"{LIST}?cluster__id__exact={query}")
        assert len(answer.context["cl"].result_list) == found
