"""Clusters: tried, switched off with words, their host keys compared by a person, their form."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from clusters import gateway
from clusters.admin import host_keys
from clusters.errors import Refused
from clusters.models import Cluster
from tests.api.admin.conftest import Enter
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway

# ruff: noqa: ARG001 - fixtures that make rows or stand in for the clusters are asked for their effect

pytestmark = pytest.mark.django_db


def test_a_disabled_cluster_turns_submissions_away_with_the_operators_words(
    enter: Enter, zeus: Cluster, cast: Cast, fake: FakeGateway
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
def test_who_only_looks_operates_nothing(enter: Enter, zeus: Cluster, action: str) -> None:
    page = f"/admin/clusters/cluster/{zeus.pk}/operate/"
    assert enter("read-only operator").post(page, {"do": action}).status_code == 403


def test_the_connection_test_shows_what_the_cluster_said(
    enter: Enter, zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = f"/admin/clusters/cluster/{zeus.pk}/operate/"
    browser = enter("operator")
    monkeypatch.setattr(gateway, "ping", lambda *_: ("slurm 22.05.8", "Slurmctld is UP"))
    monkeypatch.setattr(gateway, "slurm_name", lambda *_: "zeus")
    assert "slurm 22.05.8 answers plgpoll" in browser.post(page, {"do": "ping"}).text

    def refuse(*_: Any) -> None:
        raise Refused("no plgnobody here")

    monkeypatch.setattr(gateway, "ping", refuse)
    assert "Refused: no plgnobody here" in browser.post(page, {"do": "ping", "account": "plgnobody"}).text
    assert LogEntry.objects.count() == 2


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0000000000000000000000000000000000000000000"


def test_host_keys_are_pinned_only_when_a_person_has_compared_them(
    enter: Enter, zeus: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = f"/admin/clusters/cluster/{zeus.pk}/operate/"
    monkeypatch.setattr(host_keys, "fetch_keys", lambda _: [KEY])
    browser = enter("administrator")
    shown = browser.post(page, {"do": "fetch"})
    assert host_keys.fingerprint(KEY) in shown.text
    form = {"do": "pin", "sealed": shown.context["findings"].sealed, "key": KEY}
    assert "Nothing was pinned" in browser.post(page, form).text
    zeus.refresh_from_db()
    assert zeus.host_keys == ["ssh-ed25519 AAAA"]
    assert browser.post(page, {**form, "compared": "yes"}).status_code == 302
    zeus.refresh_from_db()
    assert zeus.host_keys == [KEY]


def test_keys_that_were_never_shown_cannot_be_pinned(enter: Enter, zeus: Cluster) -> None:
    page = f"/admin/clusters/cluster/{zeus.pk}/operate/"
    sealed = host_keys.seal(zeus, ["ssh-ed25519 BBBB"])
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


def test_a_new_cluster_is_saved_disabled_and_then_gets_its_keys(enter: Enter) -> None:
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
    enter: Enter, changes: dict[str, str], field: str, words: str
) -> None:
    page = enter("administrator").post(reverse("admin:clusters_cluster_add"), form_of(**changes))
    assert words in " ".join(page.context["adminform"].form.errors[field])
