"""The API speaks JSON: bodies are read within bounds, and answers have one form.

Few large bodies are read at once, and nothing that grows in memory when it is read.

A large body is an object whose size is in its strings: a script. Anything else of that size, such as millions of empty
lists, would take many times its length.
"""

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import IO, Any, NoReturn

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http.request import UnreadablePostError
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from jobs.shares import Shares

MIB = 1024 * 1024
LARGE = MIB
"""Bytes from which on a body counts as large: only few are read at once."""
_FREE = 64 * 1024  # characters of JSON that may have any structure: what they say takes a few MiB at most
_MOST_MEMBERS = 1000
_LONGEST_NAME = 100  # characters of a name that a message repeats
_TEXT = re.compile(r"[^ \t\n\r]")

BODIES = Shares("large bodies")


class BodyLost(Exception):
    """The client has gone, or was too slow."""


class NameDoubled(ValueError):
    """Two members of an object have one name: it is JSON, but nobody can tell which is meant."""

    def __init__(self, name: str) -> None:
        shown = repr(name[:_LONGEST_NAME])
        super().__init__(f"the name {shown} is in the body twice: which of the two is meant cannot be told")


class JSONParser(BaseParser):
    """JSON (RFC 8259); each fault of it is a ParseError.

    Not Django REST framework's own parser: that keeps the whole body, beside what was read of it, for as long as the
    request is answered.
    """

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the parsed body. Raises ParseError, RequestDataTooBig, BodyLost, OwnShareTaken, AllTaken."""
        del media_type
        context = parser_context or {}
        request: Request = context["request"]
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // MIB
            raise RequestDataTooBig(f"the body is too large: {most} MiB at most; a script may have 4 MiB")
        with ExitStack() as held:
            if length > LARGE:
                each, most = settings.LARGE_BODIES_PER_ACCOUNT, settings.LARGE_BODIES
                held.enter_context(BODIES.take(getattr(request.user, "account", ""), each=each, most=most))
            return read(_received(stream), context["encoding"])


def _received(stream: IO[Any]) -> bytes:
    try:
        return bytes(stream.read())
    except UnreadablePostError as exc:
        raise BodyLost("the body did not arrive in time; send it again") from exc


def read(body: bytes, encoding: str = "utf-8") -> Any:
    """Return what `body` says. Raises ParseError."""
    try:
        text = body.decode(encoding)
        del body  # a large one is in memory once, not twice, while its text is read
        return _decoder.decode(text) if len(text) <= _FREE else _large_object(text)
    except RecursionError as exc:
        raise ParseError("JSON parse error - nested too deeply") from exc
    except NameDoubled as exc:
        raise ParseError(str(exc)) from exc
    except UnicodeDecodeError as exc:
        raise ParseError(f"JSON parse error - it is not {encoding}: see its byte {exc.start + 1}") from exc
    except ValueError as exc:
        raise ParseError(f"JSON parse error - {exc}") from exc


def _large_object(text: str) -> dict[str, Any]:
    """Read an object of few members, each a string of any length or a value of at most `_FREE` characters.

    Raises ValueError.
    """
    members: dict[str, Any] = {}
    at = _after("{", text, 0)
    while len(members) < _MOST_MEMBERS:
        name, at = _string(text, _behind_blanks(text, at))
        if name in members:
            raise NameDoubled(name)
        members[name], at = _value(text, _behind_blanks(text, _after(":", text, at)))
        at = _behind_blanks(text, at)
        if text[at : at + 1] != ",":
            if _behind_blanks(text, _after("}", text, at)) != len(text):
                raise ValueError("there is more after the object")
            return members
        at += 1
    raise ValueError(f"a large body may have {_MOST_MEMBERS} members")


def _behind_blanks(text: str, at: int) -> int:
    """Return where `text` goes on behind blanks, or its length."""
    match = _TEXT.search(text, at)
    return match.start() if match else len(text)


def _after(mark: str, text: str, at: int) -> int:
    """Return where `text` goes on behind blanks and `mark`. Raises ValueError."""
    at = _behind_blanks(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"a large body must be an object; {mark!r} is expected at character {at}")
    return at + 1


def _string(text: str, at: int) -> tuple[str, int]:
    """Return the string at `at`, and where it ends. Raises ValueError."""
    if text[at : at + 1] != '"':
        raise ValueError(f"a string is expected at character {at}")
    value, end = _decoder.raw_decode(text, at)
    return str(value), end


def _value(text: str, at: int) -> tuple[Any, int]:
    """Return the value at `at`, and where it ends. Raises ValueError."""
    if text[at : at + 1] == '"':
        return _string(text, at)
    value, length = _decoder.raw_decode(text[at : at + _FREE])
    return value, at + length


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object. Raises NameDoubled."""
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise NameDoubled(name)
        members[name] = value
    return members


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique)


class OneFormEach(DefaultContentNegotiation):
    """Each answer has one form, whatever `Accept` says: no client of the original was ever turned away for that."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the only renderer."""
        del request, format_suffix
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
