"""The operators' pages as each of the three groups, without a cluster: the fake stands at the gateway."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clusters import gateway, hostkeys
from clusters.errors import Refused, Unreachable
from clusters.models import Cluster, Poll
from jobs import errands, tasks
from jobs.models import Errand, Event, Job, Source, Step, Submission, Verb
from jobs.states import Status
from submitter import dashboard
from tests.api.conftest import Cast, FakeGateway
from tests.api.test_end import record

# ruff: noqa: ARG001 - fixtures that make rows or stand in for the clusters are asked for their effect

pytestmark = pytest.mark.django_db

GROUPS = ["read-only operator", "operator", "administrator"]


@pytest.fixture(autouse=True)
def fresh_figures(settings: Any) -> None:
    """Have no test see another's figures, and need no collected static files."""
    cache.clear()
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@pytest.fixture
def enter() -> Callable[[str], Client]:
    """Return a browser of somebody in the group of that name."""

    def log_in(group: str) -> Client:
        user = User.objects.create_user(group.replace(" ", "-"), is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def jobs(zeus: Cluster) -> list[Job]:
    """Three running jobs of two accounts."""
    made = [
        Job(
            cluster=zeus, account=account, owner_dn=f"/CN={account}", tag=f"tag{n}", slurm_id=n, status=Status.RUNNING,
            job_id=f"{n}.{zeus.job_domain}", submission=Submission.SUBMITTED, submitted_at=timezone.now(),
        )
        for n, account in ((1, "plgalice"), (2, "plgalice"), (3, "plgbob"))
    ]  # fmt: skip
    return Job.objects.bulk_create(made)


@pytest.fixture
def no_celery(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take down what Celery is ordered to do."""
    ordered: list[str] = []
    monkeypatch.setattr(tasks.run_errand, "delay", ordered.append)
    return ordered


def chosen(jobs: list[Job], action: str, **more: str) -> dict[str, Any]:
    return {"action": action, "_selected_action": [str(job.pk) for job in jobs], **more}


LIST = "/admin/jobs/job/"


@pytest.mark.parametrize("group", GROUPS)
def test_every_operator_sees_the_start_page_the_jobs_and_the_clusters(
    enter: Callable[[str], Client], group: str, jobs: list[Job], zeus: Cluster
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


def test_a_header_with_a_proxy_does_not_weaken_the_lock(cast: Cast) -> None:
    assert cast.alice("GET", "/admin/login/").status_code == 200


@pytest.mark.parametrize(("group", "may"), [("read-only operator", False), ("operator", True), ("administrator", True)])
def test_only_who_may_act_is_offered_to_abort(
    enter: Callable[[str], Client], group: str, may: bool, jobs: list[Job], no_celery: list[str]
) -> None:
    browser = enter(group)
    assert ("abort_jobs" in browser.get(LIST).text) is may
    browser.post(LIST, chosen(jobs, "abort_jobs", confirmed="yes"))
    assert len(no_celery) == (1 if may else 0)


def test_an_abort_of_many_counts_them_first_and_does_nothing_yet(
    enter: Callable[[str], Client], jobs: list[Job], no_celery: list[str]
) -> None:
    Job.objects.filter(pk=jobs[2].pk).update(status=Status.FINISHED)
    page = enter("operator").post(LIST, chosen(jobs, "abort_jobs"))
    assert "Yes, abort 2 jobs" in page.text
    assert (no_celery, Errand.objects.count()) == ([], 0)


def test_a_confirmed_abort_cancels_each_and_says_in_its_history_who_did_it(
    enter: Callable[[str], Client], jobs: list[Job], no_celery: list[str], fake: FakeGateway
) -> None:
    browser = enter("operator")
    page = browser.post(LIST, chosen(jobs, "abort_jobs", confirmed="yes"))
    before = browser.get(page.headers["Location"] + "progress/").json()
    fake.queued = [
        record("RUNNING", job=job.slurm_id, user=job.account, submitted_at=job.submitted_at, ended_at=None)
        for job in jobs
    ]
    tasks.run_errand(no_celery[0])
    after = browser.get(page.headers["Location"] + "progress/").json()
    assert before == {"total": 3, "done": 0, "failed": 0, "over": False}
    assert after == {"total": 3, "done": 3, "failed": 0, "over": True}
    assert {(e.source, e.by) for e in Event.objects.all()} == {(Source.OPERATOR, "operator")}
    assert set(Job.objects.values_list("status", flat=True)) == {Status.ABORTED}
    assert LogEntry.objects.filter(object_id=str(jobs[0].pk), user__username="operator").count() == 1
    assert "abort from 127.0.0.1: done, ABORTED" in browser.get(f"{LIST}{jobs[0].pk}/change/").text


def test_a_cluster_that_does_not_answer_fails_its_step_and_no_other(
    enter: Callable[[str], Client], jobs: list[Job], no_celery: list[str], fake: FakeGateway
) -> None:
    browser = enter("operator")
    page = browser.post(LIST, chosen(jobs[:1], "refresh_jobs", confirmed="yes"))
    fake.outcome = Unreachable("down")
    tasks.run_errand(no_celery[0])
    assert browser.get(page.headers["Location"] + "progress/").json()["failed"] == 1
    assert "the cluster did not answer" in browser.get(page.headers["Location"]).text


def test_an_errand_goes_on_after_its_slice_and_after_its_worker_has_died(jobs: list[Job], fake: FakeGateway) -> None:
    user = User.objects.create_user("op")
    errand = errands.order(Verb.REFRESH, jobs, user, "")
    assert errands.work(errand.pk, seconds=0) is True
    assert errands.unfinished() == [errand.pk]
    assert errands.work(errand.pk) is False
    assert (errands.unfinished(), Step.objects.exclude(state="waiting").count()) == ([], 3)


def test_the_export_has_the_filtered_jobs_and_no_formula(enter: Callable[[str], Client], jobs: list[Job]) -> None:
    Job.objects.filter(pk=jobs[0].pk).update(tag="=cmd()")
    answer = enter("read-only operator").get(f"{LIST}csv/?as=plgalice")
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert {(row["account"], row["tag"]) for row in rows} == {("plgalice", "'=cmd()"), ("plgalice", "tag2")}
    assert LogEntry.objects.get().change_message == "Exported as CSV: as=plgalice"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=1", [1]), ("q=2.batch.grid.cyf-kr.edu.pl", [2]), ("q=tag3", [3]), ("q=plgbob", [3]),
        ("q=/CN%3Dplgalice", [1, 2]), ("tagged=tag1", [1]), ("as=plgbob", [3]), ("status__exact=QUEUED", []),
        ("slurm_state=PENDING", []), ("period=1h", [1, 2, 3]),
        ("since=2020-01-01", [1, 2, 3]), ("until=2020-01-01", []), ("until=nonsense", []), ("q=nothing", []),
    ],
)  # fmt: skip
def test_the_list_finds_what_is_asked_for(
    enter: Callable[[str], Client], jobs: list[Job], query: str, found: list[int]
) -> None:
    page = enter("read-only operator").get(f"{LIST}?{query}")
    assert page.status_code == 200
    assert sorted(job.slurm_id for job in page.context["cl"].result_list) == found


def test_no_page_of_the_admin_has_a_script_or_a_style_in_it(
    enter: Callable[[str], Client], jobs: list[Job], zeus: Cluster
) -> None:
    browser = enter("administrator")
    paths = ["/admin/", LIST, f"{LIST}{jobs[0].pk}/change/", f"/admin/clusters/cluster/{zeus.pk}/change/"]
    for path in [*paths, f"/admin/clusters/cluster/{zeus.pk}/operate/", "/admin/auth/user/"]:
        text = browser.get(path).text
        assert not re.search(r"<script(?![^>]*(src=|application/json))|<style|\sstyle=|\son[a-z]+=", text), path


def test_the_start_page_says_that_all_is_well_and_what_is_not(
    enter: Callable[[str], Client], zeus: Cluster, cast: Cast
) -> None:
    Poll.objects.create(cluster=zeus, account="plgpoll", succeeded_at=timezone.now())
    browser = enter("read-only operator")
    assert "All is well" in browser.get("/admin/").text
    Poll.objects.update(error="Refused: the login node does not let plgpoll in", failed_at=timezone.now(), failures=3)
    late = timezone.now() - timedelta(minutes=4)
    Job.objects.create(cluster=zeus, account="plgalice", owner_dn="/CN=a", created_at=late)
    text = browser.get("/admin/").text
    assert "zeus.cyfronet.pl is refused" in text
    assert "1 submissions have had no outcome" in text


def test_a_disabled_cluster_turns_submissions_away_with_the_operators_words(
    enter: Callable[[str], Client], zeus: Cluster, cast: Cast, fake: FakeGateway
) -> None:
    page = f"/admin/clusters/cluster/{zeus.pk}/operate/"
    browser = enter("operator")
    browser.post(page, {"do": "switch", "enabled": "no", "message": "maintenance until 6 pm"})
    body = {"host": "zeus", "script": "#!/bin/sh\n", "tag": "t"}
    answer = cast.alice("POST", "/api/jobs", body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert answer.json()["error_message"] == "zeus.cyfronet.pl takes no jobs now: maintenance until 6 pm"
    assert answer.json()["tag"] == "t"
    browser.post(page, {"do": "switch", "enabled": "yes"})
    assert cast.alice("POST", "/api/jobs", body).status_code == 201
    assert LogEntry.objects.filter(user__username="operator").count() == 2


def test_a_cluster_disabled_without_words_is_a_host_that_is_not_known(
    zeus: Cluster, cast: Cast, fake: FakeGateway
) -> None:
    Cluster.objects.update(enabled=False)
    assert cast.alice("POST", "/api/jobs", {"host": "zeus", "script": "#!/bin/sh\n"}).status_code == 422


@pytest.mark.parametrize("action", ["ping", "switch", "fetch", "pin"])
def test_who_only_looks_operates_nothing(enter: Callable[[str], Client], zeus: Cluster, action: str) -> None:
    page = f"/admin/clusters/cluster/{zeus.pk}/operate/"
    assert enter("read-only operator").post(page, {"do": action}).status_code == 403


def test_the_connection_test_shows_what_the_cluster_said(
    enter: Callable[[str], Client], zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = f"/admin/clusters/cluster/{zeus.pk}/operate/"
    browser = enter("operator")
    monkeypatch.setattr(gateway, "ping", lambda *_: ("slurm 22.05.8", "Slurmctld is UP"))
    assert "slurm 22.05.8 answers plgpoll" in browser.post(page, {"do": "ping"}).text

    def refuse(*_: Any) -> None:
        raise Refused("no plgnobody here")

    monkeypatch.setattr(gateway, "ping", refuse)
    assert "Refused: no plgnobody here" in browser.post(page, {"do": "ping", "account": "plgnobody"}).text
    assert LogEntry.objects.count() == 2


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0000000000000000000000000000000000000000000"


def test_host_keys_are_pinned_only_when_a_person_has_compared_them(
    enter: Callable[[str], Client], zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = f"/admin/clusters/cluster/{zeus.pk}/operate/"
    monkeypatch.setattr(hostkeys, "fetch", lambda _: [KEY])
    browser = enter("administrator")
    shown = browser.post(page, {"do": "fetch"})
    assert hostkeys.fingerprint(KEY) in shown.text
    form = {"do": "pin", "sealed": shown.context["findings"].sealed, "key": KEY}
    assert "Nothing was pinned" in browser.post(page, form).text
    zeus.refresh_from_db()
    assert zeus.host_keys == ["ssh-ed25519 AAAA"]
    assert browser.post(page, {**form, "compared": "yes"}).status_code == 302
    zeus.refresh_from_db()
    assert zeus.host_keys == [KEY]


def test_keys_that_were_never_shown_cannot_be_pinned(enter: Callable[[str], Client], zeus: Cluster) -> None:
    page = f"/admin/clusters/cluster/{zeus.pk}/operate/"
    sealed = hostkeys.seal(zeus, ["ssh-ed25519 BBBB"])
    browser = enter("administrator")
    browser.post(page, {"do": "pin", "sealed": sealed, "key": KEY, "compared": "yes"})
    Cluster.objects.update(port=23)
    page_of_another = browser.post(page, {"do": "pin", "sealed": sealed, "key": "ssh-ed25519 BBBB", "compared": "yes"})
    assert "no longer those that were shown" in page_of_another.text
    zeus.refresh_from_db()
    assert zeus.host_keys == ["ssh-ed25519 AAAA"]


def form_of(**changes: str) -> dict[str, str]:
    """Return what a browser sends to add a cluster."""
    return {
        "name": "new.example.org", "aliases": "new\nnewer", "job_domain": "batch.example.org",
        "time_zone": "Europe/Warsaw", "address": "login.example.org",
        "port": "22", "host_keys": "", "slurm_bin": "/usr/bin", "environment": "{}",
        "connect_timeout": "10", "command_timeout": "30", "channels": "8", "callers_per_account": "32", "callers": "60",
        "polls-TOTAL_FORMS": "0", "polls-INITIAL_FORMS": "0", **changes,
    }  # fmt: skip


def test_a_new_cluster_is_saved_disabled_and_then_gets_its_keys(enter: Callable[[str], Client]) -> None:
    answer = enter("administrator").post(reverse("admin:clusters_cluster_add"), form_of())
    assert answer.status_code == 302
    cluster = Cluster.objects.get()
    assert (cluster.aliases, cluster.host_keys, cluster.enabled) == (["new", "newer"], [], False)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"enabled": "on"}, "enabled", "Without a host key"),
        ({"host_keys": f"{KEY}\nnonsense"}, "host_keys", "Line 2: A host key is a type"),
        ({"aliases": "fine\nnot a name"}, "aliases", "Line 2: a host name"),
        ({"download_url": "https://x/{file}"}, "download_url", "file is not known here"),
        ({"download_url": "https://x/{path"}, "download_url", "The braces do not match"),
        ({"time_zone": "Mars/Base"}, "time_zone", "Mars/Base"),
        ({"callers_per_account": "99"}, "callers_per_account", "more callers than all together"),
        ({"environment": '{"A B": "c"}'}, "environment", "a name of letters"),
    ],
)
def test_what_is_wrong_with_a_cluster_is_said_at_the_field(
    enter: Callable[[str], Client], changes: dict[str, str], field: str, words: str
) -> None:
    page = enter("administrator").post(reverse("admin:clusters_cluster_add"), form_of(**changes))
    assert words in " ".join(page.context["adminform"].form.errors[field])


def test_the_figures_of_a_period_tell_median_and_p95(zeus: Cluster) -> None:
    now = timezone.now()
    for n in range(1, 101):
        begun = now - timedelta(seconds=200 + n)
        Job.objects.create(
            cluster=zeus, account="a", owner_dn="/CN=a", slurm_id=n, submission="FAILED" if n > 98 else "SUBMITTED",
            submitted_at=begun, started_at=begun + timedelta(seconds=n), ended_at=now, wall_seconds=n * 60,
        )  # fmt: skip
    told = dashboard.period("24 h")
    assert (told.submitted, told.failed, told.ended) == (100, 2, 100)
    assert told.rows == [("Queue time", "00:00:50", "00:01:35"), ("Wall time", "00:50:30", "01:35:03")]
