"""Pages of the admin that show rows and let nobody change them."""

from typing import Any

from django.http import HttpRequest


class ReadOnly:
    """A base for a ModelAdmin or an inline whose rows the service alone writes."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return that nobody adds a row."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Return that nobody changes a row."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Return that nobody deletes a row."""
        return False
