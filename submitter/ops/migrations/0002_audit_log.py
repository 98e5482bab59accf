"""Every operator may read the audit log."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUPS = ["read-only operator", "operator", "administrator"]


def allow(apps, schema_editor):
    """Give the permission to the groups. Django makes permissions only when all migrations are over."""
    alias = schema_editor.connection.alias
    create_permissions(installed.get_app_config("audit"), verbosity=0, using=alias)
    permission_model = apps.get_model("auth", "Permission")
    permission = permission_model.objects.using(alias).get(content_type__app_label="audit", codename="view_entry")
    for group in apps.get_model("auth", "Group").objects.using(alias).filter(name__in=GROUPS):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("submitter", "0001_groups"),
        ("audit", "0001_initial"),
    ]

    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]
