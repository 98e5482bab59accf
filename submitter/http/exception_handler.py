"""The error table: whatever goes wrong becomes a status code and the contract's body here, and nowhere else."""

from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import csrf, defaults
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from clusters.errors import Failed, Malformed, Refused, TimedOut, TooMuch, Unreachable
from clusters.slurm.shell import decoded
from jobs.errors import (
    ClusterClosed,
    JobNotFound,
    KeyReused,
    OutcomeUnknown,
    OutputNotFound,
    StillInFlight,
    SubmissionNotFound,
    SubmissionRefused,
)
from jobs.shares import AllTaken, OwnShareTaken, ShareTaken
from submitter.http import content_type
from submitter.http.error_body import FAULT, error_body
from submitter.http.json_body import BodyLost

log = structlog.get_logger(__name__)

_KEPT = ("Allow", "Retry-After", "WWW-Authenticate")  # of an answer whose body is replaced
EMPTY = '""'  # a name of no characters
_RETRY_AFTER = "30"  # seconds

CODES: dict[type[Exception], int] = {
    JobNotFound: 404,
    OutputNotFound: 404,
    RequestDataTooBig: 413,
    SuspiciousOperation: 400,  # what Django itself will not read; a body that is too large is one of them
    SubmissionNotFound: 404,
    SubmissionRefused: 422,
    KeyReused: 422,
    StillInFlight: 409,
    OutcomeUnknown: 408,
    Refused: 403,
    TimedOut: 408,
    Unreachable: 503,
    ClusterClosed: 503,
    Failed: 503,
    OperationalError: 503,
    InterfaceError: 503,
    OwnShareTaken: 429,
    AllTaken: 503,
    BodyLost: 408,
    Malformed: 503,  # a login that answers by rubbish is no fault of this service
    TooMuch: 422,
    exceptions.ValidationError: 422,
    exceptions.ParseError: 422,
}


ADVICE: dict[type[Exception], str] = {
    Refused: "ask the operators of this service, or of the cluster",
    Unreachable: "nothing was done; try again later",
    TimedOut: "the same call may be repeated",
    Failed: "try again later; if it stays so, ask the operators of this service",
    Malformed: "try again later; if it stays so, ask the operators of this service",
}
"""What to do about what went wrong on the way to a cluster."""


def answer_exception(exc: Exception, context: dict[str, Any]) -> Response:
    """Return the answer to `exc`: DRF's own code and headers where it has them, else the table's, else 500."""
    response = exception_handler(exc, context)
    known = next((code for kind, code in CODES.items() if isinstance(exc, kind)), None)
    if response is None:
        set_rollback()
        response = Response(status=known or 500)
    elif known:
        response.status_code = known
    if isinstance(exc, ShareTaken):
        response["Retry-After"] = str(exc.retry_after)
    elif response.status_code == 503:  # noqa: PLR2004 - a code of the table
        response["Retry-After"] = _RETRY_AFTER
    if known is None and not isinstance(exc, exceptions.APIException) and response.status_code >= 500:  # noqa: PLR2004
        log.error("unhandled-exception", exc_info=exc)
    # Also where answers without a fault are pages or YAML.
    context["request"].accepted_renderer, context["request"].accepted_media_type = (
        JSONRenderer(),
        JSONRenderer.media_type,
    )
    response.data = error_body(_message(exc, context), tag=context.get("tag"), **_command(exc))
    return response


def refuse(exc: ShareTaken) -> JsonResponse:
    """Return the answer to a request that is refused before any view has seen it."""
    answer = JsonResponse(error_body(str(exc)), status=CODES[type(exc)])
    answer["Retry-After"] = str(exc.retry_after)
    return answer


def _command(exc: Exception) -> dict[str, Any]:
    """Return what the command on the cluster printed, where one ran."""
    if isinstance(exc, SubmissionRefused):
        return {"exit_code": exc.exit_code, "stdout": exc.stdout, "stderr": exc.stderr}
    if isinstance(exc, TimedOut | OutcomeUnknown):
        return {"exit_code": -1, "stdout": decoded(exc.stdout)}
    return {}


def _message(exc: Exception, context: dict[str, Any]) -> str:
    if isinstance(exc, exceptions.ValidationError):
        return "; ".join(_faults(exc.detail))
    if isinstance(exc, TimedOut | OutcomeUnknown):
        return f"timeout occurred: {exc}{_next(exc)}"
    if isinstance(exc, exceptions.APIException):
        return f"{_detail(exc, context)}{_advice(exc, context)}"
    if isinstance(exc, OperationalError | InterfaceError):
        log.error("database-unavailable", exc_info=exc)
        return "the service's database cannot be reached; try again"
    if any(isinstance(exc, kind) for kind in CODES):
        return f"{exc}{_next(exc)}"
    return FAULT


def _next(exc: Exception) -> str:
    """Return what to do about `exc`, as the end of its message, where the message itself does not say so."""
    return next((f"; {words}" for kind, words in ADVICE.items() if isinstance(exc, kind)), "")


def _detail(exc: exceptions.APIException, context: dict[str, Any]) -> str:
    """Return Django REST framework's words, but of a Content-Type that was replaced before Django saw it."""
    if isinstance(exc, exceptions.UnsupportedMediaType):
        return content_type.fault(context["request"].META.get("CONTENT_TYPE", "")) or str(exc.detail)
    return str(exc.detail)


def _advice(exc: exceptions.APIException, context: dict[str, Any]) -> str:
    """Return what to do about what Django REST framework itself refuses, as the end of its message."""
    if isinstance(exc, exceptions.UnsupportedMediaType):
        return " Send JSON in UTF-8 with the header Content-Type: application/json."
    if isinstance(exc, exceptions.MethodNotAllowed):
        return f" Possible here: {', '.join(context['view'].allowed_methods)}."
    if isinstance(exc, exceptions.NotAcceptable):
        return " Leave it out."
    return ""


def _faults(detail: Any, name: str | None = None) -> list[str]:
    if isinstance(detail, dict):
        return [fault for key, value in detail.items() for fault in _faults(value, str(key))]
    if isinstance(detail, list):
        return [fault for value in detail for fault in _faults(value, name)]
    return [str(detail) if name is None else f"{name or EMPTY}: {detail}"]


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself refuses, such as one for a foreign host name."""
    return _outside_of_views(request, 400, _refused_words(exception), lambda: defaults.bad_request(request, exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself forbids."""
    return _outside_of_views(request, 403, "forbidden", lambda: defaults.permission_denied(request, exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a path that is not routed."""
    words = "there is nothing at this address; the calls are listed at /api/docs"
    return _outside_of_views(request, 404, words, lambda: defaults.page_not_found(request, exception))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a crash outside of DRF's views."""
    return _outside_of_views(request, 500, FAULT, lambda: defaults.server_error(request))


def without_csrf_token(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer what would change something, and has no form's token: outside of the operators' pages nothing changes."""
    words = f"{request.method} is not possible at this address; jobs are submitted by POST at /api/jobs"
    answer = _outside_of_views(request, 405, words, lambda: csrf.csrf_failure(request, reason))
    if answer.status_code == 405:  # noqa: PLR2004 - said three lines above
        answer["Allow"] = "GET, HEAD"
    return answer


def _refused_words(exception: Exception) -> str:
    if isinstance(exception, DisallowedHost):
        return "the service is not known by the host name in this address; operators set it by ALLOWED_HOSTS"
    return "this is no request that can be understood: an address or a header is malformed, or has too many parts"


def _outside_of_views(request: HttpRequest, code: int, message: str, page: Callable[[], HttpResponse]) -> HttpResponse:
    """Answer what no view has answered: Django's `page` to operators, the contract's body everywhere else.

    There are many ways to misspell an address of the API, and those who do are programs.
    """
    return page() if _is_operators(request) else JsonResponse(error_body(message), status=code)


def _is_operators(request: HttpRequest) -> bool:
    """Say whether a person with a browser reads the answer to an error."""
    return f"{request.path_info}/".startswith("/admin/")


class OneFormMiddleware:
    """Gives the contract's body to errors that others answer, by a page or by nothing: so does who serves static files.

    Comes behind the middleware that give an answer its policy and its place.
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


class EncryptedMiddleware:
    """Refuses calls of the API over plain HTTP where pages are sent on to HTTPS: that would hide that keys were read.

    Comes behind the middleware that says who is calling, and before Django's, which redirects.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Go on, or answer 403."""
        if settings.SECURE_SSL_REDIRECT and not request.is_secure() and getattr(request, "proxy", None):
            words = "use https; a proxy that was sent in the clear should not be used any more"
            return JsonResponse(error_body(words), status=403)
        return self._get_response(request)
