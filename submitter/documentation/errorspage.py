"""The page of errors: the codes that any call may answer, and the exceptions behind them with their messages."""

import ast
import inspect
import textwrap
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from rest_framework import exceptions

from submitter.documentation import markdown, sources
from submitter.http.error_body import error_body
from submitter.http.exception_handler import ADVICE, CODES
from submitter.http.openapi import MEANINGS

_INTRODUCTION = (
    "Every answer that is no success has one form, a JSON object with the fields below; see [API](api.md) for their "
    "types. `error_message` says what is wrong and, where it helps, what to do."
)
_FOREIGN = {
    RequestDataTooBig: "The body is longer than a request may be.",
    SuspiciousOperation: "The request is malformed: Django refuses to read it.",
    OperationalError: "The database cannot be reached, or it ended the connection.",
    InterfaceError: "The connection to the database was lost.",
    exceptions.ValidationError: "A field or a query parameter is wrong, or is not known.",
    exceptions.ParseError: "The body is not JSON.",
}
"""When the exceptions of Django and of Django REST framework are raised here: their own words say less."""


def page() -> str:
    """Return the page. Raises KeyError where a foreign exception is not described."""
    meanings = [[code, markdown.sentence(meaning)] for code, meaning in sorted(MEANINGS.items())]
    rows = sorted(((code, kind.__name__, kind) for kind, code in CODES.items()), key=lambda row: row[:2])
    return markdown.page(
        "Errors",
        _INTRODUCTION,
        f"Fields: {markdown.codes(error_body(''))}.",
        f"## By status\n\n{markdown.table(['Status', 'When'], meanings)}",
        "## By exception\n\n"
        + markdown.table(["Status", "Exception", "When", "Message"], (_row(code, kind) for code, _, kind in rows)),
    )


def _row(code: int, kind: type[Exception]) -> list[str]:
    when = _FOREIGN[kind] if kind in _FOREIGN else inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
    return [str(code), markdown.code(kind.__name__), markdown.sentence(when), _message(kind)]


def _message(kind: type[Exception]) -> str:
    """Return how the message reads: what the exception's own constructor writes, and the advice that is added."""
    advice = next((words for base, words in ADVICE.items() if issubclass(kind, base)), "")
    written = _written(kind) if "__init__" in vars(kind) and kind not in _FOREIGN else ""
    start = markdown.code(written) if written else "says what was wrong"
    return f"{start}; {advice}" if advice else start


def _written(kind: Any) -> str:
    """Return the first argument with which the constructor calls that of its base, if that is a text."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind.__init__)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    bases = (call for call in calls if call.args and ast.unparse(call.func) == "super().__init__")
    return next((sources.words(call.args[0]) for call in bases), "")
