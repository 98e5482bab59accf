"""Operators of each group, jobs for them to see, and a Celery that only takes down what it is told."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from clusters.models import Cluster
from jobs import tasks
from jobs.models import Job, SubmissionStatus
from jobs.states import Status

Enter = Callable[[str], Client]

GROUPS = ["read-only operator", "operator", "administrator"]
LIST = "/admin/jobs/job/"


@pytest.fixture(autouse=True)
def fresh_figures(settings: Any) -> None:
    """Have no test see another's figures, and need no collected static files."""
    cache.clear()
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@pytest.fixture
def enter() -> Enter:
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
            job_id=f"{n}.{zeus.job_domain}", submission_status=SubmissionStatus.SUBMITTED, submitted_at=timezone.now(),
        )
        for n, account in ((1, "plgalice"), (2, "plgalice"), (3, "plgbob"))
    ]  # fmt: skip
    return Job.objects.bulk_create(made)


@pytest.fixture
def no_celery(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take down what Celery is ordered to do."""
    ordered: list[str] = []
    monkeypatch.setattr(tasks.run_bulk_operation, "delay", ordered.append)
    return ordered
