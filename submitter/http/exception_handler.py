"""The error table: what goes wrong in a view of the API becomes a status code and an error body here."""

from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
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
    return next((f"; {advice}" for kind, advice in ADVICE.items() if isinstance(exc, kind)), "")


def _detail(exc: exceptions.APIException, context: dict[str, Any]) -> str:
    """Return Django REST framework's message; our own about a Content-Type that was replaced before Django saw it."""
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
