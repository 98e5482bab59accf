"""The composition as a Django app: it registers the system checks of the whole."""

from django.apps import AppConfig


class SubmitterConfig(AppConfig):
    """Knows every app; no app knows it."""

    name = "submitter"

    def ready(self) -> None:
        """Register the system checks."""
        from submitter import checks  # noqa: F401, PLC0415 - they ask for settings, which are read by now
