"""Indexes for the operators' list: statuses are of jobs alone. They are made beside the running service."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

_NEWEST = [models.OrderBy(models.F("created_at"), descending=True), models.OrderBy(models.F("id"), descending=True)]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("jobs", "0007_own_ends"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                models.F("status"),
                *_NEWEST,
                condition=models.Q(submission="SUBMITTED"),
                name="submitted_jobs_by_status",
            ),
        ),
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(*_NEWEST, condition=models.Q(submission="FAILED"), name="refused_submissions"),
        ),
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(*_NEWEST, condition=models.Q(deleted_at__isnull=False), name="deleted_jobs"),
        ),
        RemoveIndexConcurrently(model_name="job", name="jobs_by_status"),
    ]
