"""Forgetting what is old, and nothing else."""

import datetime as dt
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from clusters.models import Cluster
from jobs.models import Event, Job, Source
from jobs.states import Status
from tests.api.test_polling import registered


def pruned(*arguments: str) -> str:
    told = StringIO()
    call_command("prunejobs", *arguments, stdout=told)
    return told.getvalue()


@pytest.fixture
def jobs(zeus: Cluster) -> dict[str, Job]:
    """Jobs that are old or young, over or not."""
    now = timezone.now()
    old = now - dt.timedelta(days=400)
    return {
        "old": registered(zeus, 1, status=Status.FINISHED, created_at=old, ended_at=old),
        "waits": registered(zeus, 2, status=Status.QUEUED, created_at=old),
        "ended lately": registered(zeus, 3, status=Status.ERROR, created_at=old, ended_at=now),
        "young": registered(zeus, 4, status=Status.FINISHED, created_at=now, ended_at=now),
        "pending": Job.objects.create(cluster=zeus, account="plgalice", owner_dn="", created_at=old),
        "failed": Job.objects.create(cluster=zeus, account="plgalice", submission_status="FAILED", created_at=old),
        "deleted": registered(zeus, 5, status=Status.QUEUED, created_at=old, deleted_at=old),
        "deleted lately": registered(zeus, 6, status=Status.RUNNING, created_at=old, deleted_at=now),
    }


def test_what_ended_long_ago_goes_with_its_history_and_the_rest_stays(jobs: dict[str, Job]) -> None:
    Event.objects.create(job=jobs["old"], source=Source.POLL, status=Status.FINISHED)
    assert pruned("--older-than", "365d").startswith("3 jobs were removed")
    left = set(Job.objects.values_list("pk", flat=True))
    assert left == {jobs[name].pk for name in ("waits", "ended lately", "young", "pending", "deleted lately")}
    assert not Event.objects.exists()


@pytest.mark.usefixtures("jobs")
def test_a_dry_run_only_counts() -> None:
    assert pruned("--older-than", "52w", "--dry-run").startswith("3 jobs are older")
    assert Job.objects.count() == 8


@pytest.mark.parametrize("age", ["", "1y", "0d", "-3d", "d", "365", "1d2h"])
def test_another_age_is_refused(age: str) -> None:
    with pytest.raises(CommandError, match="such as 365d"):
        pruned(f"--older-than={age}")
