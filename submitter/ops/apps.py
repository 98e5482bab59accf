"""The operators' view of the service as a Django app; it registers the system checks of the whole."""

from django.apps import AppConfig


class OpsConfig(AppConfig):
    """Knows every app; no app knows it."""

    name = "submitter.ops"
    label = "submitter"  # under which its migrations have been applied since before it was a package of its own

    def ready(self) -> None:
        """Register the system checks."""
        from submitter import checks  # noqa: F401, PLC0415 - they ask for settings, which are read by now
