"""Indexes for the lines that are rare among a million submissions. They are made beside the running service."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

_NEWEST = [models.OrderBy(models.F("at"), descending=True), models.OrderBy(models.F("id"), descending=True)]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("audit", "0002_operators"),
    ]

    operations = [
        migrations.AlterField(
            model_name="entry",
            name="action",
            field=models.CharField(
                help_text="submit, abort, delete; of operators also refresh, enable, ...", max_length=32
            ),
        ),
        migrations.AlterField(
            model_name="entry",
            name="detail",
            field=models.TextField(blank=True, help_text="why it was refused or failed; what an operator did"),
        ),
        AddIndexConcurrently(
            model_name="entry",
            index=models.Index(*_NEWEST, condition=~models.Q(operator=""), name="audit_of_operators"),
        ),
        AddIndexConcurrently(
            model_name="entry",
            index=models.Index(
                models.F("action"), *_NEWEST, condition=~models.Q(action="submit"), name="audit_by_action"
            ),
        ),
        AddIndexConcurrently(
            model_name="entry",
            index=models.Index(
                models.F("outcome"), *_NEWEST, condition=~models.Q(outcome="done"), name="audit_by_outcome"
            ),
        ),
    ]
