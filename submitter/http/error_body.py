"""The body of every answer that is not 2xx, whoever gives it: this service's views, Django, or gunicorn."""

from typing import Any

FAULT = "internal error; tell the operators of this service the X-Request-Id of this answer"
_OUTPUT_LIMIT = 64 * 1024  # bytes of each stream that it repeats


def error_body(
    message: str, *, exit_code: int = 0, stdout: str = "", stderr: str = "", tag: str | None = None
) -> dict[str, Any]:
    """Return the body of every answer that is not 2xx."""
    return {
        "status": "error",
        "exit_code": exit_code,
        "standard_output": _capped(stdout),
        "error_output": _capped(stderr),
        "error_message": _valid(message),
        "tag": None if tag is None else _valid(tag),
    }


def _capped(text: str) -> str:
    return text.encode(errors="replace")[:_OUTPUT_LIMIT].decode("utf-8", "ignore")


def _valid(text: str) -> str:
    """Return `text` without the halves of surrogates that JSON can spell and UTF-8 cannot."""
    return text.encode(errors="replace").decode()
