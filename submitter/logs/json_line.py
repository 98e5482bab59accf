"""Writes an event as one line of JSON (RFC 8259), whatever it holds: bytes, half surrogates, NaN, any object."""

import json
import math
from collections.abc import Iterator, Mapping, Set
from itertools import islice
from typing import Any

_LONGEST_TEXT = 64 * 1024  # characters
_MOST_MEMBERS = 500  # of a list or a mapping
_DEEPEST = 6
_LARGEST_NUMBER = 64  # bits; longer ones are written in hexadecimal, which takes no time that grows with their square
_CUT = "…"


def line(event: Mapping[str, Any]) -> str:
    """Return `event` as JSON in ASCII, without a line break; what is too long or too deep in it is cut."""
    return json.dumps({_text(name): _plain(value, _DEEPEST) for name, value in event.items()}, allow_nan=False)


def _plain(value: Any, depth: int) -> Any:
    """Return `value` in the types that JSON has."""
    if type(value) is str:
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, bytes | bytearray):
        return _text(bytes(value[:_LONGEST_TEXT]).decode("utf-8", "backslashreplace"))
    if isinstance(value, Mapping | list | tuple | Set) and depth > 0:
        return _inside(value, depth - 1)
    return _text(value)


def _number(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _text(value)
    return int(value) if value.bit_length() <= _LARGEST_NUMBER else _text(hex(value))


def _inside(value: Any, depth: int) -> Any:
    """Return the members of a mapping or a sequence; where it cannot be gone through, its text."""
    try:
        if isinstance(value, Mapping):
            return {_text(name): _plain(each, depth) for name, each in islice(value.items(), _MOST_MEMBERS)}
        return list(_members(value, depth))
    except Exception as exc:  # noqa: BLE001 - foreign code runs here, and a line must come of it
        return f"<{type(value).__name__}: {type(exc).__name__}>"


def _members(value: Any, depth: int) -> Iterator[Any]:
    for each in islice(value, _MOST_MEMBERS):
        yield _plain(each, depth)


def _text(value: Any) -> str:
    """Return a text that UTF-8 can spell."""
    if type(value) is str and len(value) <= _LONGEST_TEXT and value.isascii():  # as almost all are
        return value
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception as exc:  # noqa: BLE001 - as above
        text = f"<{type(value).__name__}: {type(exc).__name__}>"
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT] + _CUT
    return str.encode(text, "utf-8", "backslashreplace").decode()
