"""Errors outside of the API's views: operators get Django's pages, everybody else the error body of the API."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import csrf, defaults

from submitter.http.error_body import FAULT, error_body

_KEPT = ("Allow", "Retry-After", "WWW-Authenticate")  # headers of an answer whose body is replaced


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself refuses, such as one for a foreign host name."""
    return _outside_of_views(request, 400, _refusal(exception), lambda: defaults.bad_request(request, exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself forbids."""
    return _outside_of_views(request, 403, "forbidden", lambda: defaults.permission_denied(request, exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a path that is not routed."""
    message = "there is nothing at this address; the calls are listed at /api/docs"
    return _outside_of_views(request, 404, message, lambda: defaults.page_not_found(request, exception))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a crash outside of DRF's views."""
    return _outside_of_views(request, 500, FAULT, lambda: defaults.server_error(request))


def without_csrf_token(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a request that would change something and has no form's token, as none has outside of operators' pages."""
    message = f"{request.method} is not possible at this address; jobs are submitted by POST at /api/jobs"
    answer = _outside_of_views(request, 405, message, lambda: csrf.csrf_failure(request, reason))
    if answer.status_code == 405:  # noqa: PLR2004 - as three lines above
        answer["Allow"] = "GET, HEAD"
    return answer


def _refusal(exception: Exception) -> str:
    if isinstance(exception, DisallowedHost):
        return "the service is not known by the host name in this address; operators set it by ALLOWED_HOSTS"
    return "this is no request that can be understood: an address or a header is malformed, or has too many parts"


def _outside_of_views(request: HttpRequest, code: int, message: str, page: Callable[[], HttpResponse]) -> HttpResponse:
    """Answer what no view has answered: Django's `page` to operators, the contract's body everywhere else.

    There are many ways to misspell an address of the API, and those who do are programs.
    """
    return page() if _is_operators(request) else JsonResponse(error_body(message), status=code)


def _is_operators(request: HttpRequest) -> bool:
    """Return whether a person with a browser reads the answer to an error."""
    return f"{request.path_info}/".startswith("/admin/")


class OneFormMiddleware:
    """Gives the error body to errors that others answer by a page or by nothing, such as whoever serves static files.

    Comes after the middleware that give an answer its policy and its place.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, in the one form."""
        response = self._get_response(request)
        if response.status_code < 400 or _is_operators(request) or settings.DEBUG:  # noqa: PLR2004 - HTTP's boundary
            return response
        kind = response.get("Content-Type", "")
        if kind and not kind.startswith("text/html"):
            return response
        kept = {name: response[name] for name in _KEPT if name in response}
        answer = JsonResponse(error_body(response.reason_phrase.lower()), status=response.status_code, headers=kept)
        answer._resource_closers += response._resource_closers  # type: ignore[attr-defined]  # noqa: SLF001 - what close() calls
        return answer
