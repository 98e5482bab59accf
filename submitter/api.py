"""The error table: whatever goes wrong becomes a status code and the contract's body here, and nowhere else."""

from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from clusters.errors import Failed, Malformed, Refused, TimedOut, TooMuch, Unreachable
from clusters.shell import decoded
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
from submitter.errorbody import error_body
from submitter.jsonbody import BodyLost

log = structlog.get_logger(__name__)

EMPTY = '""'  # a name of no characters
_RETRY_AFTER = "30"  # seconds

_CODES: dict[type[Exception], int] = {
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


def answer_exception(exc: Exception, context: dict[str, Any]) -> Response:
    """Return the answer to `exc`: DRF's own code and headers where it has them, else the table's, else 500."""
    response = exception_handler(exc, context)
    known = next((code for kind, code in _CODES.items() if isinstance(exc, kind)), None)
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
    response.data = error_body(_message(exc), tag=getattr(context.get("view"), "tag", None), **_command(exc))
    return response


def refuse(exc: ShareTaken) -> JsonResponse:
    """Return the answer to a request that is refused before any view has seen it."""
    answer = JsonResponse(error_body(str(exc)), status=_CODES[type(exc)])
    answer["Retry-After"] = str(exc.retry_after)
    return answer


def _command(exc: Exception) -> dict[str, Any]:
    """Return what the command on the cluster printed, where one ran."""
    if isinstance(exc, SubmissionRefused):
        return {"exit_code": exc.exit_code, "stdout": exc.stdout, "stderr": exc.stderr}
    if isinstance(exc, TimedOut | OutcomeUnknown):
        streams = {"stdout": decoded(exc.stdout), "stderr": decoded(exc.stderr)}
        return {"exit_code": -1, **streams}
    return {}


def _message(exc: Exception) -> str:
    if isinstance(exc, exceptions.ValidationError):
        return "; ".join(_faults(exc.detail))
    if isinstance(exc, TimedOut | OutcomeUnknown):
        return f"timeout occurred: {exc}"
    if isinstance(exc, exceptions.APIException):
        return str(exc.detail)
    if isinstance(exc, OperationalError | InterfaceError):
        log.error("database-unavailable", exc_info=exc)
        return "the service's database cannot be reached; try again"
    if any(isinstance(exc, kind) for kind in _CODES):
        return str(exc)
    return "internal error"


def _faults(detail: Any, name: str | None = None) -> list[str]:
    if isinstance(detail, dict):
        return [fault for key, value in detail.items() for fault in _faults(value, str(key))]
    if isinstance(detail, list):
        return [fault for value in detail for fault in _faults(value, name)]
    return [str(detail) if name is None else f"{name or EMPTY}: {detail}"]


def _outside_of_views(request: HttpRequest, code: int, message: str, page: HttpResponse) -> HttpResponse:
    """Answer what no view has answered: the contract's body below /api/, Django's own page elsewhere."""
    if request.path.startswith("/api/"):
        return JsonResponse(error_body(message), status=code)
    return page


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself refuses, such as one for a foreign host name."""
    return _outside_of_views(request, 400, "bad request", defaults.bad_request(request, exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself forbids."""
    return _outside_of_views(request, 403, "forbidden", defaults.permission_denied(request, exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a path that is not routed."""
    return _outside_of_views(request, 404, "not found", defaults.page_not_found(request, exception))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a crash outside of DRF's views."""
    return _outside_of_views(request, 500, "internal error", defaults.server_error(request))
