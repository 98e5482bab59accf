"""The Django app: its modules that register themselves are imported at start-up."""

from importlib import import_module

from django.apps import AppConfig, apps


class ProxyauthConfig(AppConfig):
    """Grid proxy authentication."""

    name = "proxyauth"

    def ready(self) -> None:
        """Register the system checks and the header's scheme; neither can be imported before the apps are ready.

        A command that answers nobody has no Django REST framework.
        """
        import_module("proxyauth.checks")
        if apps.is_installed("rest_framework"):
            import_module("proxyauth.drf")
