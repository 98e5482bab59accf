"""Middleware of our own: calls of the API have to be encrypted, and need neither logins nor messages.

A proxy says who calls the API. Sessions are left as they are: Django's checks look for its own class, which reads
nothing until it has to.
"""

from collections.abc import Awaitable, Callable

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.deprecation import MiddlewareMixin

from submitter.http.error_body import error_body


class EncryptedMiddleware:
    """Refuses calls of the API over plain HTTP where pages are redirected: that would hide that keys could be read.

    Comes after the middleware that says who is calling, and before Django's, which redirects.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Go on, or answer 403."""
        if settings.SECURE_SSL_REDIRECT and not request.is_secure() and getattr(request, "proxy", None):
            message = "use https; a proxy that was sent in the clear should not be used any more"
            return JsonResponse(error_body(message), status=403)
        return self._get_response(request)


class _ForPages(MiddlewareMixin):
    """A base before a middleware's class: a request whose proxy was judged (proxyauth.middleware) passes by it."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Go on at once with a call of the API."""
        if getattr(request, "proxy", None) is not None:
            return self.get_response(request)
        return super().__call__(request)


class Operators(_ForPages, AuthenticationMiddleware):
    """Knows who is logged in."""


class Messages(_ForPages, MessageMiddleware):
    """Keeps a word for an operator's next page."""
