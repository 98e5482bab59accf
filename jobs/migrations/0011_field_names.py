"""Four columns get names that say what they hold.

PostgreSQL lets indexes, constraints and the generated column follow a renamed column by themselves, and no row is
written. Django does not know that of the conditions of indexes: for it they are taken away before and put back after.
"""

from django.db import migrations, models
from django.db.models import F, OrderBy, Q

_NEWEST_FIRST = (OrderBy(F("created_at"), descending=True), OrderBy(F("id"), descending=True))
_INDEXES = [
    models.Index(
        F("account"),
        F("tag"),
        *_NEWEST_FIRST,
        condition=Q(submission_status="SUBMITTED", deleted_at__isnull=True),
        include=("revision",),
        name="listed_jobs_of_account",
    ),
    models.Index(
        F("cluster"),
        condition=Q(("status__in", ["QUEUED", "RUNNING"]), ("accounting_confirmed", False), _connector="OR"),
        name="open_jobs_of_cluster",
    ),
    models.Index(F("created_at"), condition=Q(submission_status="PENDING"), name="pending_submissions"),
    models.Index(
        F("status"), *_NEWEST_FIRST, condition=Q(submission_status="SUBMITTED"), name="submitted_jobs_by_status"
    ),
    models.Index(*_NEWEST_FIRST, condition=Q(submission_status="FAILED"), name="refused_submissions"),
]
_ONE_CURRENT_JOB = models.UniqueConstraint(
    F("cluster"),
    F("account"),
    F("slurm_id"),
    condition=Q(slurm_id_reused=False),
    name="one_current_job_per_slurm_id",
)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_bulk_operations")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                *(migrations.RemoveIndex("job", index.name) for index in _INDEXES),
                migrations.RemoveConstraint("job", _ONE_CURRENT_JOB.name),
            ]
        ),
        migrations.RenameField("job", "submission", "submission_status"),
        migrations.RenameField("job", "settled", "acknowledged"),
        migrations.RenameField("job", "recycled", "slurm_id_reused"),
        migrations.RenameField("job", "confirmed", "accounting_confirmed"),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                *(migrations.AddIndex("job", index) for index in _INDEXES),
                migrations.AddConstraint("job", _ONE_CURRENT_JOB),
            ]
        ),
    ]
