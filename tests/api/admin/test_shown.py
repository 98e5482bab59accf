"""What operators read: statuses that are true, words instead of raw values, and what was not understood."""

import csv
import html
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.paginator import Paginator
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from adminkit import pagination
from audit import callers
from clusters.models import Cluster, Poll
from jobs.models import Event, Job, Source, SubmissionStatus
from jobs.states import Status
from tests.api.admin.conftest import LIST, Enter
from tests.api.test_polling import registered

pytestmark = pytest.mark.django_db

SAID = "sbatch: error: Batch job submission failed: Invalid qos specification"


@pytest.fixture
def browser(enter: Enter) -> Client:
    """Return the browser of somebody who only looks."""
    return enter("read-only operator")


@pytest.fixture
def kinds(zeus: Cluster) -> dict[str, Job]:
    """A job of each kind that the list tells apart."""
    now = timezone.now()
    values: dict[str, Any] = {"cluster": zeus, "account": "plgalice", "owner_dn": "/CN=a"}
    failure = {"message": "sbatch refused the job", "exit_code": 1, "stdout": "", "stderr": f"{SAID}\n"}
    return {
        "queued": registered(zeus, 1, status=Status.QUEUED),
        "deleted, still asked about": registered(zeus, 2, status=Status.QUEUED, deleted_at=now),
        "deleted long ago": registered(zeus, 3, status=Status.QUEUED, deleted_at=now - timedelta(days=30)),
        "deleted and aborted": registered(zeus, 4, status=Status.ABORTED, deleted_at=now),
        "refused": Job.objects.create(**values, submission_status=SubmissionStatus.FAILED, failure=failure),
        "pending": Job.objects.create(**values),
    }


def shown(browser: Client, query: str) -> set[Any]:
    return {job.pk for job in browser.get(f"{LIST}?{query}").context["cl"].result_list}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status__exact=QUEUED", ["queued", "deleted, still asked about"]),
        ("status__exact=ABORTED", ["deleted and aborted"]),
        ("status__exact=refused", ["refused"]),
        ("status__exact=pending", ["pending"]),
        ("deleted=yes", ["deleted, still asked about", "deleted long ago", "deleted and aborted"]),
        ("deleted=no", ["queued", "refused", "pending"]),
    ],
)
def test_a_filter_finds_what_its_word_says(
    browser: Client, kinds: dict[str, Job], query: str, found: list[str]
) -> None:
    assert shown(browser, query) == {kinds[name].pk for name in found}


def test_the_start_page_counts_what_its_links_show(browser: Client, kinds: dict[str, Job], zeus: Cluster) -> None:
    assert kinds
    page = browser.get("/admin/")
    [line] = page.context["dashboard"].clusters
    assert line.queued == 2 == len(shown(browser, f"cluster__id__exact={zeus.pk}&status__exact=QUEUED"))
    for period in page.context["dashboard"].periods:
        assert period.refused == 1 == len(shown(browser, f"period={period.key}&status__exact=refused"))
        assert period.submitted == 6 == len(shown(browser, f"period={period.key}"))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("queued", "QUEUED"),
        ("deleted, still asked about", "QUEUED deleted"),
        ("deleted long ago", "unknown deleted"),
        ("deleted and aborted", "ABORTED deleted"),
        ("refused", f"refused{SAID}"),
        ("pending", "no answer yet"),
    ],
)
def test_the_status_is_that_of_a_job_or_says_that_there_is_none(
    browser: Client, kinds: dict[str, Job], kind: str, words: str
) -> None:
    page = browser.get(f"{LIST}?q={kinds[kind].pk}").text
    cell = re.search(r'<td class="field-state">(.*?)</td>', page)
    assert cell
    assert strip_tags(cell[1]) == words
    assert strip_tags(cell[1]) in strip_tags(browser.get(f"{LIST}{kinds[kind].pk}/change/").text)


def test_the_csv_has_a_status_only_where_there_is_a_job(browser: Client, kinds: dict[str, Job]) -> None:
    text = b"".join(browser.get(f"{LIST}csv/")).decode()
    rows = {row["id"]: (row["submission"], row["status"]) for row in csv.DictReader(io.StringIO(text))}
    assert rows[str(kinds["refused"].pk)] == ("FAILED", "")
    assert rows[str(kinds["pending"].pk)] == ("PENDING", "")
    assert rows[str(kinds["queued"].pk)] == ("SUBMITTED", "QUEUED")


def test_the_page_of_a_refused_submission_says_why_without_json(browser: Client, kinds: dict[str, Job]) -> None:
    page = browser.get(f"{LIST}{kinds['refused'].pk}/change/").text
    assert f"sbatch refused the job\nexit code 1\n{SAID}</pre>" in page
    assert "&quot;exit_code&quot;" not in page
    assert "refused: there is no job" in page


def test_the_page_of_a_job_is_written_in_words(browser: Client, zeus: Cluster) -> None:
    job = registered(
        zeus, 5, status=Status.ERROR, is_array=True, tasks={"ERROR": 3}, wall_seconds=3725, exit_code=0, signal=9
    )
    Event.objects.create(job=job, source=Source.OPERATOR, status=Status.ERROR, by="jane")
    page = browser.get(f"{LIST}{job.pk}/change/").text
    for words in ("3 ERROR", "01:02:05", "ended by signal 9", "operator jane", "In the audit log"):
        assert words in page
    assert "icon-no" not in page
    assert f"?q={job.job_id}" in page


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "31.01.2026", "2026-01-31 25:00"])
def test_a_time_that_is_not_understood_is_said(enter: Enter, kinds: dict[str, Job], name: str, text: str) -> None:
    assert kinds
    browser = enter("read-only operator")
    page = browser.get(LIST, {name: text})
    assert f"“{text}” is no time" in page.text
    assert list(page.context["cl"].result_list) == []
    export = browser.get(f"{LIST}csv/", {name: text})
    assert (export.status_code, f"“{text}” is no time" in export.text) == (400, True)


@pytest.mark.parametrize("text", ["2020-01-31", "2020-01-31 12:00", " 2020-01-31T12:00:30Z ", "2020-01-31 12:00+02:00"])
def test_a_time_may_be_written_in_each_form_of_iso(browser: Client, kinds: dict[str, Job], text: str) -> None:
    page = browser.get(LIST, {"since": text})
    assert "is no time" not in page.text
    assert len(page.context["cl"].result_list) == len(kinds)


@pytest.mark.parametrize(("rows", "is_cut"), [(7, False), (8, True)])
def test_a_list_says_that_there_is_more_only_where_there_is(
    browser: Client, zeus: Cluster, monkeypatch: pytest.MonkeyPatch, rows: int, is_cut: bool
) -> None:
    monkeypatch.setattr(pagination, "BOUND", 7)
    for number in range(rows):
        registered(zeus, number + 1)
        callers.record(callers.Call(action="submit", outcome="done", account="plgalice"))
    for page in (browser.get(LIST).text, browser.get("/admin/audit/entry/").text):
        assert ("There are more than 7: these are the newest." in page) is is_cut
        assert "Show all" not in page
    found = browser.get(f"{LIST}?as=plgalice").text
    assert ("more than 7 jobs" in found) is is_cut
    assert "clear search and filters" in found


def test_a_polls_length_is_rounded_and_told_with_its_unit(browser: Client, zeus: Cluster) -> None:
    Poll.objects.create(cluster=zeus, account="plgpoll", duration=0.1 + 0.2, succeeded_at=timezone.now())
    page = browser.get(f"/admin/clusters/cluster/{zeus.pk}/change/").text
    assert "0.30 s" in page
    assert "0.300000" not in page


def test_a_clusters_name_is_not_capitalised(enter: Enter, zeus: Cluster) -> None:
    page = enter("operator").post(
        f"/admin/clusters/cluster/{zeus.pk}/operate/", {"do": "switch", "enabled": "no"}, follow=True
    )
    assert "The cluster is zeus.cyfronet.pl." in page.text
    assert "Zeus" not in page.text


def test_the_start_page_lists_the_pages_by_names_that_say_what_they_are(admin_client: Client) -> None:
    page = admin_client.get("/admin/")
    rooms = [(room["name"], [table["name"] for table in room["models"]]) for room in page.context["app_list"]]
    assert rooms == [
        ("Jobs", ["Jobs"]),
        ("Clusters", ["Clusters"]),
        ("Audit log", ["Audit log"]),
        ("Operators' accounts", ["Groups", "Users"]),
        ("Logins to these pages", ["Failed logins and locked addresses", "Logins"]),
    ]
    assert not hasattr(Paginator, "is_cut")  # Django's own lists count all that they have
    assert admin_client.get("/admin/auth/user/").status_code == 200


def test_the_job_page_says_in_plain_words_what_the_registry_holds(browser: Client, kinds: dict[str, Job]) -> None:
    page = browser.get(f"{LIST}{kinds['deleted and aborted'].pk}/change/").text
    assert "its owner can no longer see the job" in page
    assert "not an array job" in page
    assert "The service's own record of the submission in the user's home directory" in html.unescape(page)
    assert "not removed yet" in page
    assert "SLURM has used the job's number again, for a later job" in html.unescape(page)
