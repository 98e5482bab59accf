import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_listed_jobs")]

    operations = [
        migrations.RemoveIndex("step", "waiting_steps"),
        migrations.RenameModel("Errand", "BulkOperation"),
        migrations.RenameModel("Step", "BulkOperationItem"),
        migrations.RenameField("bulkoperationitem", "errand", "operation"),
        migrations.AlterField(
            "bulkoperationitem",
            "operation",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="items", to="jobs.bulkoperation"
            ),
        ),
        migrations.AddIndex(
            "bulkoperationitem",
            models.Index(models.F("operation"), condition=models.Q(state="waiting"), name="waiting_items"),
        ),
    ]
