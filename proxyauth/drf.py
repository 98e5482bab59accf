"""The middleware's verdict, and the limit of requests, in the terms of Django REST framework."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from proxyauth.identity import Identity, Refusal
from proxyauth.ratelimit.limiter import request_limit
from proxyauth.remedies import describe_refusal


class ProxyAuthentication(BaseAuthentication):
    """`request.user` is the Identity behind the proxy; a refused one is 401, a valid one without an account 403."""

    def authenticate(self, request: Request) -> tuple[Identity, None] | None:
        """Return the caller, None if nothing is guarded. Raises AuthenticationFailed, PermissionDenied, Throttled."""
        verdict = getattr(request._request, "proxy", None)  # noqa: SLF001 - the one way DRF has to Django's request
        if isinstance(verdict, Identity):
            return verdict, None
        if isinstance(verdict, Refusal):
            raise _error(verdict)
        return None

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Make a refusal a 401 with `WWW-Authenticate`."""
        return 'GridProxy realm="job-submitter"'


def _error(refusal: Refusal) -> AuthenticationFailed | PermissionDenied | Throttled:
    message = describe_refusal(refusal.rule, refusal.message, refusal.dn)
    if refusal.retry_after:
        return Throttled(refusal.retry_after, message, code=refusal.rule)
    if refusal.is_forbidden:
        return PermissionDenied(message, code=refusal.rule)
    return AuthenticationFailed(message, code=refusal.rule)


class RequestThrottle(BaseThrottle):
    """Limits the requests of whoever was authenticated; DRF calls it before each view."""

    def allow_request(self, request: Request, view: object) -> bool:  # noqa: ARG002 - DRF's signature
        """Return True, or raise Throttled, which is a 429 with `Retry-After`."""
        account = getattr(request.user, "account", "")
        kind, seconds = request_limit().acquire(account=account, address=request.META.get("REMOTE_ADDR", ""))
        if kind:
            raise Throttled(seconds, f"too many requests of this {kind} in a minute")
        return True


class ProxyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # spectacular is untyped
    """How the API's description shows the header."""

    target_class = ProxyAuthentication
    name = "GridProxy"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002 - drf-spectacular's signature
        """Return the scheme: a key in a header."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "PROXY",
            "description": "A proxy file (certificates and private key, PEM) in Base64 without line breaks. With curl "
            "it comes from a file that nobody else can read (`--header @file`), and goes where a certificate is right. "
            "Where a front server drops this header, send `X-Proxy-Certificate` with the same value.",
        }
