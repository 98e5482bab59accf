"""Takes the proxy out of every request before anything else can see it, and says who calls the API."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from proxyauth import verdict_log
from proxyauth.authenticator import authenticator
from proxyauth.identity import Identity, Refusal
from proxyauth.ratelimit.limiter import refusal_limit
from proxyauth.verdict_cache import Verdict

# The seed's header, and its alias for sites whose front server drops `Proxy:` because of CVE-2016-5385 (httpoxy).
HEADERS = ("HTTP_PROXY", "HTTP_X_PROXY_CERTIFICATE")
_GUARDED = "/api/"
OPEN = frozenset({"/api/docs", "/api/schema"})
"""Pages about the API, for everybody, with and without a slash at the end: nobody is judged, or counted, there."""


class ProxyMiddleware:
    """Sets `request.proxy`: an Identity or a Refusal below /api/, None elsewhere and on pages about the API.

    Must be the first middleware.

    Grants no Django session: a proxy opens the API and nothing else.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Judge, then go on; a refusal is the view's to answer, so that every error of the API has one form."""
        request.proxy = _judged(request, take_headers(request))  # type: ignore[attr-defined]  # this class adds it
        return self._get_response(request)


def take_headers(request: HttpRequest) -> list[str]:
    """Remove the headers from the request (and its environ, which is the same mapping) and return their values."""
    request.__dict__.pop("headers", None)  # a copy, if something has asked for it already
    values = [request.META.pop(name, None) for name in HEADERS]
    return [value for value in values if value is not None]


def _judged(request: HttpRequest, headers: list[str]) -> Verdict | None:
    path = request.path_info
    if not f"{path}/".startswith(_GUARDED) or path.removesuffix("/") in OPEN:
        return None
    address = request.META.get("REMOTE_ADDR") or "unknown"  # as on a Unix socket: they count together
    verdict = _verdict(headers, address)
    if isinstance(verdict, Refusal) and not verdict.is_forbidden and not verdict.retry_after:
        refusal_limit().count(address=address)
    verdict_log.record(request, verdict)
    return verdict


def _verdict(headers: list[str], address: str) -> Verdict:
    """Judge the one header that there should be. An address that was refused too often gets cached callers in only."""
    if len(headers) == 1 and isinstance(known := authenticator().cached(headers[0]), Identity):
        return known
    if seconds := refusal_limit().look(address=address).seconds:
        return Refusal("too-many-refusals", "too many refused proxies from this address", retry_after=seconds)
    if not headers:
        return Refusal("header-missing", "a proxy certificate is needed in the PROXY header")
    if len(headers) > 1:
        return Refusal("header-doubled", "the proxy was sent in two headers; one is expected")
    return authenticator().authenticate(headers[0])
