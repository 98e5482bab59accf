"""What all calls of the API have in common in its description (hooks of drf-spectacular)."""

from typing import Any

from submitter.errorbody import error_body

# Which errors the API's description promises.
_ANY_CALL = {"400", "401", "403", "405", "414", "429", "431", "500", "503"}
_NAMING_SOMETHING = {"404", "408"}  # a job, and so perhaps its cluster
_WITH_A_BODY = {"411", "413", "415"}
_WITH_INPUT = {"422"}
_SUBMITTING = {"408", "409"}


def document_errors(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Add the error body and its codes to each call of the OpenAPI schema (a drf-spectacular hook)."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    strings = {name: {"type": "string"} for name in ("standard_output", "error_output", "error_message")}
    schemas["Error"] = {
        "type": "object",
        "required": list(error_body("")),
        "properties": {
            "status": {"type": "string", "enum": ["error"]},
            "exit_code": {"type": "integer"},
            **strings,
            "tag": {"type": "string", "nullable": True},
        },
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for calls in result.get("paths", {}).values():
        for call in calls.values():
            for code in sorted(_codes(call)):
                call["responses"].setdefault(code, {"description": "see error_message", "content": content})
    return result


def _codes(call: dict[str, Any]) -> set[str]:
    """Return the errors that a call of the schema may meet."""
    places = {parameter["in"] for parameter in call.get("parameters", [])}
    codes = set(_ANY_CALL)
    if "path" in places:
        codes |= _NAMING_SOMETHING
    if "requestBody" in call:
        codes |= _WITH_A_BODY | _WITH_INPUT
    if "query" in places:
        codes |= _WITH_INPUT
    if "requestBody" in call and "path" not in places:
        codes |= _SUBMITTING
    return codes


def without_trailing_slashes(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Name each path as people do, though both forms answer (a drf-spectacular hook)."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints]
