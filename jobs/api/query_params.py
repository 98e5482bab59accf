"""Query parameters: which ones a call takes, and numbers and switches among them."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

Handler = TypeVar("Handler", bound=Callable[..., Any])
LARGEST = 999_999_999
IGNORED = "format"
"""Clients of the original send this parameter; it is taken by every call, and means nothing."""


def takes(*once: str, repeatedly: Collection[str] = ()) -> Callable[[Handler], Handler]:
    """Decorate what handles a call with the query parameters that it takes, once or repeatedly."""

    def marked(handler: Handler) -> Handler:
        handler.query_parameters = {  # type: ignore[attr-defined]  # this function adds it
            **dict.fromkeys(once, False),
            **dict.fromkeys(repeatedly, True),
        }
        return handler

    return marked


def taken(handler: Callable[..., Any]) -> dict[str, bool]:
    """Return the query parameters that `handler` takes, and whether each may be repeated: none, unless it says so."""
    parameters: dict[str, bool] = getattr(handler, "query_parameters", {})
    return parameters


class ClosedQuery(APIView):
    """A view that refuses query parameters which a call does not take: else a misspelt filter would be none.

    Every view below /api is one.
    """

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in, then look at the query. Raises ValidationError naming each parameter that is wrong."""
        super().initial(request, *args, **kwargs)
        self.prepare(request)
        method = str(request.method).lower()
        if method in self.http_method_names and hasattr(self, method):
            _expect_taken(request, taken(getattr(self, method)))

    def prepare(self, request: Request) -> None:
        """Do what has to be done for a caller whose query may be wrong."""


def _expect_taken(request: Request, parameters: dict[str, bool]) -> None:
    known = f"this call takes: {', '.join(parameters)}" if parameters else "this call takes no query parameters"
    errors = {}
    for name, values in request.query_params.lists():
        if name == IGNORED:
            continue
        if name not in parameters:
            errors[name] = f"unknown query parameter; {known}"
        elif len(values) > 1 and not parameters[name]:
            errors[name] = "this query parameter may be given once"
    if errors:
        raise ValidationError(errors)


def number(request: Request, name: str, *, default: int, least: int) -> int:
    """Return the number `name`, or `default` if there is none. Raises ValidationError."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST)) and least <= int(text)):
        raise ValidationError({name: f"must be a whole number from {least} to {LARGEST}"})
    return int(text)


def switch(request: Request, name: str) -> bool:
    """Return the switch `name`, in any case, or False if there is none. Raises ValidationError."""
    value = request.query_params.get(name, "false").lower()
    if value not in {"true", "false"}:
        raise ValidationError({name: "must be true or false"})
    return value == "true"
