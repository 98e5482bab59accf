from django.db import migrations, models

# Of rows kept before: what is not the script's own end goes, as `jobs.sync.interpret` reads it now.
FORGET = """
    UPDATE jobs_job SET
        exit_code = NULL,
        signal = CASE WHEN slurm_state = 'FAILED' AND started_at IS NOT NULL AND signal BETWEEN 1 AND 31 THEN signal END
    WHERE slurm_state <> 'COMPLETED'
        AND (exit_code IS NOT NULL OR signal IS NOT NULL)
        AND NOT (
            slurm_state = 'FAILED' AND started_at IS NOT NULL
            AND coalesce(exit_code, 0) <> 0 AND coalesce(signal, 0) = 0
        )
"""


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0006_recovery"),
    ]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="exit_code",
            field=models.IntegerField(
                blank=True, help_text="of the script itself, if it came to its own end", null=True
            ),
        ),
        migrations.AlterField(
            model_name="job",
            name="signal",
            field=models.IntegerField(blank=True, help_text="that ended the script; 0 is none", null=True),
        ),
        migrations.RunSQL(FORGET, migrations.RunSQL.noop),
    ]
