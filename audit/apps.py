"""The audit log as a Django app: it hears of everything that Django's admin keeps in its own history."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    """A bottom room: it knows no jobs, no clusters, no HTTP."""

    name = "audit"
    verbose_name = "Audit log"

    def ready(self) -> None:
        """Listen to the admin's history, and to migrations."""
        from audit import operators, privileges  # noqa: F401, PLC0415 - it needs the models, which are loaded by now

        post_migrate.connect(privileges.narrow, sender=self)
