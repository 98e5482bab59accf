"""Middleware that pages need, and a call of the API does not: who is logged in, and messages to them.

Who calls the API is told by a proxy. Sessions are left as they are: Django's checks look for its own class, which reads
nothing before it is asked.
"""

from collections.abc import Awaitable

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class _ForPages(MiddlewareMixin):
    """In front of a middleware's class: passes by it where a proxy was judged (proxyauth.middleware)."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Go on at once with a call of the API."""
        if getattr(request, "proxy", None) is not None:
            return self.get_response(request)
        return super().__call__(request)


class Operators(_ForPages, AuthenticationMiddleware):
    """Knows who is logged in."""


class Messages(_ForPages, MessageMiddleware):
    """Keeps a word for an operator's next page."""
