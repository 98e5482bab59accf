"""The composition as a Django app: it registers the system checks of the whole."""

from django.apps import AppConfig


class SubmitterConfig(AppConfig):
    """Knows every app; no app knows it."""

    name = "submitter"
