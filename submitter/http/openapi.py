"""The API's description in OpenAPI: what all calls have in common (hooks of drf-spectacular), and where it is read."""

from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.query_params import ClosedQuery, Query, TextField, takes
from submitter.http.error_body import error_body

# Which errors the API's description promises.
_ANY_CALL = {"400", "401", "403", "405", "414", "422", "429", "431", "500", "503"}
_NAMING_SOMETHING = {"404", "408"}  # a job, and so perhaps its cluster
_WITH_A_BODY = {"411", "413", "415"}
_SUBMITTING = {"408", "409"}

MEANINGS = {
    "400": "no proper HTTP request",
    "401": "no proxy, or one that a rule refuses; the message names the rule",
    "403": "the proxy is valid, and its owner has no account that may log in",
    "404": "you have nothing of that name",
    "405": "another method is needed",
    "408": "the cluster did not answer in time; exit_code is -1",
    "409": "the first request with this Idempotency-Key has no outcome yet",
    "411": "the body comes without its length",
    "413": "the body is too large",
    "414": "the address is too long",
    "415": "the body is no JSON",
    "422": "a field or a query parameter is wrong or unknown, each is named (`format` alone is ignored); or SLURM "
    "refused, in its own words; or output has too many files",
    "429": "too many requests, in a minute or at once",
    "431": "the headers are too many or too large",
    "500": "a fault of this service",
    "503": "the cluster or the database cannot be reached, or the service has too many requests; nothing was done",
}
_HEADERS = {
    "401": {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "how to authenticate (RFC 9110)"}},
    "429": {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds to wait before the next try"}},
    "503": {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds to wait before the next try"}},
}
_ERROR = {
    "status": {"type": "string", "enum": ["error"], "description": "always `error`"},
    "exit_code": {
        "type": "integer",
        "description": "of the command that failed on the cluster, such as sbatch; 0 where none was run, -1 where it "
        "did not end in time",
    },
    "standard_output": {"type": "string", "description": "what that command printed, at most 64 KiB; else empty"},
    "error_output": {"type": "string", "description": "what it printed as errors, at most 64 KiB; else empty"},
    "error_message": {"type": "string", "description": "what is wrong, in a sentence for people"},
    "tag": {"type": ["string", "null"], "description": "the tag of the request, if it had one"},
}


def document_errors(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Add the error body and its codes to each call of the OpenAPI schema (a drf-spectacular hook)."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Error"] = {
        "type": "object",
        "description": "Why a request was not carried out.",
        "required": list(error_body("")),
        "properties": _ERROR,
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for calls in result.get("paths", {}).values():
        for call in calls.values():
            for code in sorted(_codes(call)):
                error = {"description": MEANINGS[code], "headers": _HEADERS.get(code, {}), "content": content}
                call["responses"].setdefault(code, error)
    return result


def _codes(call: dict[str, Any]) -> set[str]:
    """Return the errors that a call of the schema may meet."""
    places = {parameter["in"] for parameter in call.get("parameters", [])}
    codes = set(_ANY_CALL)
    if "path" in places:
        codes |= _NAMING_SOMETHING
    if "requestBody" in call:
        codes |= _WITH_A_BODY
    if "requestBody" in call and "path" not in places:
        codes |= _SUBMITTING
    return codes


def without_trailing_slashes(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Name each path as people do, though both forms answer (a drf-spectacular hook)."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints]


class Schema(ClosedQuery, SpectacularAPIView):
    """YAML or JSON, by `Accept`."""

    content_negotiation_class = DefaultContentNegotiation


class _ScriptQuery(Query):
    script = TextField(help_text="the page's script, and not the page")


class Docs(ClosedQuery, SpectacularSwaggerSplitView):
    """The page, and the script that it loads from its own address with `script`."""

    @extend_schema(exclude=True)
    @takes(_ScriptQuery())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the page or its script."""
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]  # spectacular is untyped
        return response
