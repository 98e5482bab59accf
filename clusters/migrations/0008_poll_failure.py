"""Polls get the kind of their failure, and two fields get telling names."""

from django.db import migrations, models

# The one time that a failure is told by the beginning of its text: rows that were written without its kind.
FAILURES = """
    UPDATE clusters_poll SET failure = CASE
        WHEN error LIKE 'Refused:%' OR error LIKE 'BrokenOff:%' THEN 'refused'
        WHEN error LIKE 'Unreachable:%' OR error LIKE 'NoRoom:%' THEN 'unreachable'
        ELSE 'unanswered' END
    WHERE failures > 0
"""


class Migration(migrations.Migration):
    dependencies = [
        ("clusters", "0007_poll_interval"),
    ]

    operations = [
        migrations.RenameField(model_name="poll", old_name="quiet", new_name="unchanged_polls"),
        migrations.RenameField(model_name="poll", old_name="took", new_name="duration"),
        migrations.AddField(
            model_name="poll",
            name="failure",
            field=models.CharField(
                blank=True,
                choices=[
                    ("unreachable", "The login node cannot be reached, by whatever account."),
                    ("refused", "The login node does not let the account in."),
                    ("unanswered", "The account was let in, or not tried, and its poll had no whole answer."),
                ],
                default="",
                help_text="how the last one failed; empty: it did not",
                max_length=16,
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="poll",
            name="error",
            field=models.TextField(blank=True, help_text="why it failed, or what of its answer was not understood"),
        ),
        migrations.AlterField(
            model_name="poll",
            name="due_at",
            field=models.DateTimeField(help_text="not polled again before", null=True),
        ),
        migrations.AlterField(
            model_name="poll",
            name="ordered_at",
            field=models.DateTimeField(help_text="a worker was told to poll, and has not done so yet", null=True),
        ),
        migrations.RunSQL(FAILURES, migrations.RunSQL.noop),
    ]
