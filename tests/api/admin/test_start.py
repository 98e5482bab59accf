"""The start page: whether all is well, and the figures."""

from datetime import timedelta

import pytest
from django.utils import timezone

from clusters.health import State
from clusters.models import Cluster, Poll
from jobs.models import Job
from submitter.ops import dashboard
from tests.api.admin.conftest import Enter
from tests.api.conftest import Cast

# ruff: noqa: ARG001 - fixtures that make rows or stand in for the clusters are asked for their effect

pytestmark = pytest.mark.django_db


def test_the_start_page_says_that_all_is_well_and_what_is_not(enter: Enter, zeus: Cluster, cast: Cast) -> None:
    Poll.objects.create(cluster=zeus, account="plgpoll", succeeded_at=timezone.now())
    browser = enter("read-only operator")
    assert "All is well" in browser.get("/admin/").text
    Poll.objects.update(
        error="Refused: the login node does not let plgpoll in", failure="refused", failed_at=timezone.now(), failures=3
    )
    late = timezone.now() - timedelta(minutes=4)
    Job.objects.create(cluster=zeus, account="plgalice", owner_dn="/CN=a", created_at=late)
    text = browser.get("/admin/").text
    assert "zeus.cyfronet.pl: its login node does not let the service in (last answer: " in text
    assert "1 submission has had no outcome" in text


def test_the_figures_of_a_period_tell_median_and_p95(zeus: Cluster) -> None:
    now = timezone.now()
    for n in range(1, 101):
        begun = now - timedelta(seconds=200 + n)
        Job.objects.create(
            cluster=zeus, account="a", owner_dn="/CN=a", slurm_id=n,
            submission_status="FAILED" if n > 98 else "SUBMITTED",
            submitted_at=begun, started_at=begun + timedelta(seconds=n), ended_at=now, wall_seconds=n * 60,
        )  # fmt: skip
    told = dashboard.periods()[0]
    assert (told.submitted, told.refused, told.ended) == (100, 2, 100)
    assert told.rows == [("Queue time", "00:00:50", "00:01:35"), ("Wall time", "00:50:30", "01:35:03")]


def test_each_state_of_a_cluster_says_what_it_means(enter: Enter, zeus: Cluster, cast: Cast) -> None:
    assert set(dashboard._MEANINGS) == set(State)
    browser = enter("read-only operator")
    assert "it has had no job yet" in browser.get("/admin/").text
    Cluster.objects.filter(pk=zeus.pk).update(enabled=False)
    assert "operators have switched it off" in browser.get("/admin/").text
