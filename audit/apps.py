"""The audit log as a Django app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from audit import privileges


class AuditConfig(AppConfig):
    """The lowest app: it knows no jobs, no clusters and no HTTP."""

    name = "audit"
    verbose_name = "Audit log"

    def ready(self) -> None:
        """Have the privileges on the table brought into order after each migration."""
        post_migrate.connect(privileges.restrict_privileges, sender=self)
