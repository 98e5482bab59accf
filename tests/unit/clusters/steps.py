"""How many steps a reader takes over a text: characters that are looked at, and lines of our code that are run.

A pattern of `re` takes its steps where nobody can count them, so each use of one is noted instead.
"""

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from clusters.errors import ClusterError
from clusters.slurm.shell import Section

OURS = str(Path(__file__).parents[3] / "clusters")


@dataclass
class Steps:
    """What was counted so far."""

    taken: int = 0
    patterns: list[str] = field(default_factory=list)


_steps = Steps()

_LOOK_AT_ALL = (
    "split", "partition", "rpartition", "strip", "lstrip", "rstrip", "translate", "lower", "replace", "isdigit",
    "isascii", "isprintable", "isspace", "encode", "__contains__", "__iter__",
)  # fmt: skip
_LOOK_AT_ARGUMENT = ("startswith", "endswith", "removeprefix", "removesuffix")


class Text(str):
    """A text that counts the characters at which its methods look; what they return of it counts as well."""

    __slots__ = ()

    def __radd__(self, before: str) -> "Text":
        _steps.taken += len(before) + len(self)
        return Text(str.__add__(before, self))


class Bytes(bytes):
    """The same for bytes."""


def _counted(value: Any) -> Any:
    match value:
        case str():
            return Text(value)
        case bytes():
            return Bytes(value)
        case list() | tuple():
            return type(value)(_counted(each) for each in value)
    return value


def _counting(kind: type, name: str, cost: Callable[..., int]) -> None:
    plain = getattr(kind.__base__, name)

    def method(self: Any, *args: Any, **options: Any) -> Any:
        result = plain(self, *args, **options)
        _steps.taken += 1 + cost(self, args, result)
        return _counted(result)

    setattr(kind, name, method)


def _way(text: Any, args: Any, result: Any) -> int:
    """How far `find` has looked from where it was to begin."""
    begin = args[1] if len(args) > 1 else 0
    return (len(text) if result < 0 else result) - begin


for each in (Text, Bytes):
    for method_name in _LOOK_AT_ALL:
        if hasattr(each.__base__, method_name):
            _counting(each, method_name, lambda text, _args, _result: len(text))
    for method_name in _LOOK_AT_ARGUMENT:
        _counting(each, method_name, lambda _text, args, _result: len(args[0]))
    _counting(each, "find", _way)
    _counting(each, "__getitem__", lambda _text, _args, result: len(result) if hasattr(result, "__len__") else 1)


@dataclass(frozen=True)
class Heard(Section):
    """A section whose text counts."""

    @property
    def text(self) -> str:
        """The output, each time anew as in a section."""
        return Text(super().text)


def steps_of(read: Callable[[], object]) -> Steps:
    """Count the steps of `read`, which may end with a ClusterError."""
    global _steps  # noqa: PLW0603 - the one place that begins to count
    _steps = Steps()

    def trace(frame: FrameType, event: str, _arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        _steps.taken += event == "line"
        return trace

    def profile(_frame: FrameType, event: str, arg: Any) -> None:
        pattern = getattr(arg, "__self__", None)
        if event == "c_call" and isinstance(pattern, re.Pattern):
            _steps.patterns.append(pattern.pattern)

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        with suppress(ClusterError):
            read()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return _steps
