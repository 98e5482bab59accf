"""The audit log tells each act of an operator by a word of its own: who, from where, on what, how it went and why."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import ManagementUtility
from django.test import Client
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from audit.models import Entry
from clusters import gateway
from clusters.admin import host_keys
from clusters.errors import ClusterError, Failed, Refused, TimedOut, Unreachable
from clusters.models import Cluster
from jobs import tasks
from jobs.models import Job
from submitter import commandline
from tests.api.admin.conftest import LIST, Enter
from tests.api.admin.test_clusters import KEY
from tests.api.gateway import FakeGateway
from tests.api.test_end import record

pytestmark = pytest.mark.django_db

ADDRESS = "192.0.2.44"


def told(entry: Entry) -> tuple[str, str, str, str, str]:
    return entry.action, entry.outcome, entry.operator, entry.address, entry.subject


def found(browser: Client, text: str) -> list[Entry]:
    """Return what the audit log's page shows to who searches for `text`."""
    return list(browser.get("/admin/audit/entry/", {"q": text}).context["cl"].result_list)


def act(browser: Client, jobs: list[Job], verb: str, ordered: list[str]) -> None:
    sent = {"action": f"{verb}_jobs", "_selected_action": [str(job.pk) for job in jobs], "confirmed": "yes"}
    assert browser.post(LIST, sent, REMOTE_ADDR=ADDRESS).status_code == 302
    with bound_contextvars(request_id="r-12345678"):
        tasks.run_bulk_operation(ordered[0])


@pytest.mark.parametrize("verb", ["abort", "refresh"])
def test_what_was_done_to_many_jobs_is_found_by_each_ones_job_id(
    enter: Enter, jobs: list[Job], no_celery: list[str], fake: FakeGateway, verb: str
) -> None:
    browser = enter("operator")
    fake.queued = [
        record("COMPLETING", job=job.slurm_id, user=job.account, submitted_at=job.submitted_at, ended_at=None)
        for job in jobs
    ]
    act(browser, jobs, verb, no_celery)
    for job in jobs:
        [entry] = found(browser, job.job_id)
        assert told(entry) == (verb, "done", "operator", ADDRESS, job.job_id)
        assert (entry.account, entry.cluster, entry.submission) == (job.account, job.cluster.name, job.pk)
        assert entry.request_id == "r-12345678"


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(Unreachable("no route"), "failed"), (Refused("not let in"), "refused"), (TimedOut("no end"), "unknown")],
)
def test_what_could_not_be_done_to_a_job_is_told_with_the_reason(
    enter: Enter, jobs: list[Job], no_celery: list[str], fake: FakeGateway, fault: ClusterError, outcome: str
) -> None:
    browser = enter("operator")
    fake.outcome = fault
    act(browser, jobs[:1], "abort", no_celery)
    [entry] = found(browser, jobs[0].job_id)
    assert told(entry) == ("abort", outcome, "operator", ADDRESS, jobs[0].job_id)
    assert str(fault) in entry.detail


def _ping_ok(*_: Any) -> tuple[str, str]:
    return "slurm 22.05.8", "Slurmctld is UP"


def _ping_fails(*_: Any) -> None:
    raise Failed("sbatch: not found")


def _fetch_fails(*_: Any) -> None:
    raise Unreachable("no route")


OPERATED = [
    ({"do": "ping", "account": "plgalice"}, (gateway, "ping", _ping_ok), ("test", "done"), "slurm 22.05.8"),
    ({"do": "ping", "account": "plgalice"}, (gateway, "ping", _ping_fails), ("test", "failed"), "sbatch: not found"),
    ({"do": "switch", "enabled": "no", "message": "until 6"}, None, ("disable", "done"), "until 6"),
    ({"do": "switch", "enabled": "yes"}, None, ("enable", "done"), "Enabled"),
    ({"do": "switch", "enabled": "no", "message": "x" * 501}, None, ("disable", "refused"), "500 characters"),
    ({"do": "fetch"}, (host_keys, "fetch_keys", lambda _: [KEY]), ("fetch-host-keys", "done"), "fetched"),
    ({"do": "fetch"}, (host_keys, "fetch_keys", _fetch_fails), ("fetch-host-keys", "failed"), "no route"),
    ({"do": "pin", "sealed": "forged"}, None, ("confirm-host-keys", "refused"), "no longer those"),
]


@pytest.mark.parametrize(("sent", "stands", "expected", "words"), OPERATED)
def test_what_is_done_to_a_cluster_has_a_word_of_its_own(
    enter: Enter,
    zeus: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    sent: dict[str, str],
    stands: tuple[Any, str, Callable[..., Any]] | None,
    expected: tuple[str, str],
    words: str,
) -> None:
    monkeypatch.setattr(gateway, "slurm_name", lambda *_: "zeus")
    if stands:
        monkeypatch.setattr(*stands)
    browser = enter("administrator")
    with bound_contextvars(client=ADDRESS):
        browser.post(f"/admin/clusters/cluster/{zeus.pk}/operate/", sent)
    [entry] = found(browser, zeus.name)
    assert told(entry) == (*expected, "administrator", ADDRESS, f"cluster {zeus.name}")
    assert (entry.cluster, entry.account) == (zeus.name, sent.get("account", ""))
    assert words in entry.detail


def test_confirmed_host_keys_are_told(enter: Enter, zeus: Cluster) -> None:
    sent = {"do": "pin", "sealed": host_keys.seal(zeus, [KEY]), "key": KEY, "compared": "yes"}
    enter("administrator").post(f"/admin/clusters/cluster/{zeus.pk}/operate/", sent)
    entry = Entry.objects.get()
    assert (entry.action, entry.outcome, entry.cluster) == ("confirm-host-keys", "done", zeus.name)
    assert host_keys.fingerprint(KEY) in entry.detail


def test_who_may_not_operate_a_cluster_is_told_as_refused(enter: Enter, zeus: Cluster) -> None:
    page = f"/admin/clusters/cluster/{zeus.pk}/operate/"
    assert enter("read-only operator").post(page, {"do": "switch", "enabled": "no"}).status_code == 403
    entry = Entry.objects.get()
    assert (entry.action, entry.outcome, entry.operator) == ("disable", "refused", "read-only-operator")
    assert "no permission" in entry.detail


@pytest.mark.parametrize(("account", "words"), [("a\0", "Null characters"), ("a" * 40, "32 characters")])
def test_what_is_no_accounts_name_is_told_as_refused(enter: Enter, zeus: Cluster, account: str, words: str) -> None:
    sent = {"do": "ping", "account": account}
    answer = enter("operator").post(f"/admin/clusters/cluster/{zeus.pk}/operate/", sent)
    assert words in answer.text
    entry = Entry.objects.get()
    assert (entry.action, entry.outcome, entry.account) == ("test", "refused", "")
    assert words in entry.detail


def test_an_export_is_told(enter: Enter, jobs: list[Job]) -> None:
    assert jobs
    browser = enter("read-only operator")
    assert b"".join(browser.get(f"{LIST}csv/?as=plgalice"))
    entry = Entry.objects.get()
    assert (entry.action, entry.subject, entry.detail) == ("export", "list of jobs", "Exported as CSV: as=plgalice")


def test_passwords_are_told_without_them(client: Client) -> None:
    user = User.objects.create_superuser("root", password="the right one, long")  # noqa: S106 - of this test alone
    other = User.objects.create_user("other")
    client.force_login(user)
    new = "another one, long"
    sent = {"password1": new, "password2": new, "usable_password": "true"}
    assert client.post(f"/admin/auth/user/{other.pk}/password/", sent).status_code == 302
    own = {"old_password": "the right one, long", "new_password1": new, "new_password2": new}
    assert client.post("/admin/password_change/", {**own, "old_password": "wrong"}).status_code == 200
    assert client.post("/admin/password_change/", own).status_code == 302
    entries = Entry.objects.order_by("id")
    assert [(e.action, e.operator, e.subject) for e in entries] == [
        ("password", "root", "user other"), ("password", "root", "user root"),
    ]  # fmt: skip
    assert new not in " ".join(entry.detail for entry in entries)


def test_no_page_of_the_admin_offers_an_act_that_nobody_is_told_of(admin_client: Client) -> None:
    AccessAttempt.objects.create(username="x", attempt_time=timezone.now(), failures_since_start=1)
    assert "<option" not in admin_client.get("/admin/axes/accessattempt/").text


@pytest.mark.parametrize(
    ("arguments", "ends", "outcome", "words"),
    [
        (["prunejobs", "--older-than", "9000d"], None, "done", "--older-than 9000d"),
        (["prunejobs", "--older-than", "x"], SystemExit(1), "failed", "--older-than x"),
        (["shell", "-c", "secret"], RuntimeError(), "failed", ""),
        (["createsuperuser", "--username", "x"], SystemExit(0), "done", ""),
    ],
)
def test_a_command_that_changes_something_is_told_with_who_ran_it(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], ends: BaseException | None, outcome: str, words: str
) -> None:
    def execute(_: ManagementUtility) -> None:
        if ends:
            raise ends

    monkeypatch.setattr(ManagementUtility, "execute", execute)
    monkeypatch.setitem(os.environ, "SUDO_USER", "jane")
    with pytest.raises(type(ends)) if ends else nullcontext():
        commandline.run(["manage.py", *arguments])
    entry = Entry.objects.get()
    assert told(entry) == ("command", outcome, "jane", "this machine", f"command {arguments[0]}")
    assert entry.detail == words


@pytest.mark.parametrize("arguments", [["check"], ["prunejobs", "--help"], []])
def test_a_command_that_changes_nothing_is_not_told(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    run: list[list[str]] = []
    monkeypatch.setattr(ManagementUtility, "execute", lambda utility: run.append(utility.argv))
    commandline.run(["manage.py", *arguments])
    assert run == [["manage.py", *arguments]]
    assert not Entry.objects.exists()
