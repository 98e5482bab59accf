"""The three groups of operators: who may look, who may act, who may change everything."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

LOOK = [
    "clusters.view_cluster", "clusters.view_poll", "jobs.view_job", "jobs.view_event", "jobs.export_job",
]  # fmt: skip
ACT = ["clusters.ping_cluster", "clusters.switch_cluster", "jobs.abort_job", "jobs.refresh_job"]
CHANGE = [
    "clusters.add_cluster", "clusters.change_cluster", "clusters.delete_cluster",
    "auth.add_user", "auth.change_user", "auth.delete_user", "auth.view_user", "auth.view_group",
    "axes.view_accessattempt", "axes.delete_accessattempt", "axes.view_accesslog",
]  # fmt: skip

GROUPS = {
    "read-only operator": LOOK,
    "operator": LOOK + ACT,
    "administrator": LOOK + ACT + CHANGE,
}


def make(apps, schema_editor):
    """Make the groups. Django makes permissions only when all migrations are over, which is too late here."""
    alias = schema_editor.connection.alias
    for label in ("auth", "axes", "clusters", "jobs"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=alias)
    group_model, permission_model = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, permissions in GROUPS.items():
        group, _ = group_model.objects.using(alias).get_or_create(name=name)
        for permission in permissions:
            label, codename = permission.split(".")
            group.permissions.add(
                permission_model.objects.using(alias).get(content_type__app_label=label, codename=codename)
            )


def unmake(apps, schema_editor):
    """Take the groups away."""
    apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias).filter(name__in=GROUPS).delete()


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("axes", "0010_accessattemptexpiration"),
        ("clusters", "0003_operators"),
        ("jobs", "0004_operators"),
    ]

    operations = [migrations.RunPython(make, unmake)]
