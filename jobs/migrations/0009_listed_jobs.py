"""What lists are told apart by. The column takes up to a minute for a million jobs, which nobody uses meanwhile.

The indexes are made beside the running service.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Cast

_SHOWN = (
    "id", "cluster_id", "job_id", "slurm_id", "status", "tag", "slurm_state", "reason", "stdout", "stderr", "nodes",
    "cores", "exit_code", "signal", "wall_seconds",
)  # fmt: skip
_TIMES_SHOWN = ("created_at", "submitted_at", "started_at", "ended_at")


def _text(function, *of):
    return models.Func(*of, function=function, output_field=models.TextField())


def _hash(function, of):
    return models.Func(of, models.Value(0), function=function, output_field=models.BigIntegerField())


_TIMES = [_text("encode", _text("timestamptz_send", time), models.Value("hex")) for time in _TIMES_SHOWN]
_RECORD = _text("ROW", *_SHOWN, *_TIMES, Cast("tasks", models.TextField()))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("clusters", "0006_values_of_login_node"),
        ("jobs", "0008_lists_of_operators"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="revision",
            field=models.GeneratedField(
                db_persist=True,
                expression=_hash("hashtextextended", Cast(_hash("hash_record_extended", _RECORD), models.TextField())),
                help_text="a hash of what answers show of it",
                output_field=models.BigIntegerField(),
            ),
        ),
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                models.F("account"),
                models.F("tag"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(submission="SUBMITTED", deleted_at__isnull=True),
                include=("revision",),
                name="listed_jobs_of_account",
            ),
        ),
        RemoveIndexConcurrently(model_name="job", name="jobs_of_account_by_tag"),
    ]
