"""How the fields of a line are called on the page of one; nothing changes in the database."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0003_rare_lines"),
    ]

    operations = [
        migrations.AlterField(
            model_name="entry",
            name="at",
            field=models.DateTimeField(
                default=django.utils.timezone.now, help_text="when it was answered", verbose_name="time (UTC)"
            ),
        ),
        migrations.AlterField(
            model_name="entry",
            name="code",
            field=models.PositiveSmallIntegerField(
                blank=True, help_text="of the HTTP answer", null=True, verbose_name="HTTP status"
            ),
        ),
        migrations.AlterField(
            model_name="entry",
            name="detail",
            field=models.TextField(
                blank=True, help_text="why it was refused or failed; what an operator did", verbose_name="what was said"
            ),
        ),
        migrations.AlterField(
            model_name="entry",
            name="dn",
            field=models.TextField(blank=True, help_text="the owner of the caller's proxy", verbose_name="DN"),
        ),
        migrations.AlterField(
            model_name="entry",
            name="subject",
            field=models.CharField(
                blank=True,
                help_text="the job_id, or what an operator worked on",
                max_length=300,
                verbose_name="on what",
            ),
        ),
        migrations.AlterField(
            model_name="entry",
            name="submission",
            field=models.UUIDField(
                blank=True,
                help_text="the key of the job's row, where there is one",
                null=True,
                verbose_name="submission's id",
            ),
        ),
    ]
