"""Whatever is logged, through structlog or the standard library: one line of valid JSON, in ASCII."""

import io
import json
import logging
from typing import Any, NoReturn

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from submitter.logs import config


class Mute:
    """An object without a text."""

    def __repr__(self) -> NoReturn:
        raise RuntimeError("no text")


class Endless(dict[str, object]):
    """A mapping that cannot be gone through."""

    def items(self) -> NoReturn:
        raise RecursionError


def itself() -> list[object]:
    ring: list[object] = []
    ring.append(ring)
    return ring


LINE = logging.Logger("line")  # noqa: LOG001 - nobody else listens to it
ODD = [
    float("nan"), float("inf"), -(10**5000), 2**64, b"\xff\n\x1b", bytearray(b"\x00"), "\ud800\n\x1b[31m\"'\\\u2028",
    1j, Mute(), Endless(a=1), itself(), {1: 2, b"\xff": 3, None: 4, (1,): 5}, {1, 2}, object(), logging, "x" * 100_000,
]  # fmt: skip
odd = st.integers(0, len(ODD) - 1).map(lambda number: ODD[number])  # whose text Hypothesis does not ask for
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), odd)
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner))
names = st.text(min_size=1).filter(lambda name: not name.startswith("_") and name not in {"event", "exc_info", "self"})


@pytest.fixture(scope="module")
def out() -> Any:
    """What is written to the log `line`, as production does."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(config.LineFormatter(readable=False))
    LINE.addHandler(handler)
    return stream


def only(out: io.StringIO) -> dict[str, Any]:
    """Return the one line that was written."""
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    assert text.isascii()

    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is no JSON")

    line = json.loads(text, parse_constant=refuse)
    assert isinstance(line, dict)
    json.dumps(line, ensure_ascii=False).encode()  # no half of a surrogate
    return line


@given(event=values.filter(lambda event: event is not None), fields=st.dictionaries(names, values, max_size=4))
def test_an_event_of_structlog_is_one_line_of_json(out: io.StringIO, event: Any, fields: dict[str, Any]) -> None:
    structlog.wrap_logger(LINE).info(event, **fields)
    line = only(out)
    assert {"event", "level", "logger", "timestamp"} <= set(line)


@given(message=st.text(), arguments=st.lists(values, max_size=3))
def test_a_message_of_the_standard_library_is_one_line_of_json(
    out: io.StringIO, message: str, arguments: list[Any]
) -> None:
    LINE.warning(message, *arguments)
    assert {"event", "level", "logger"} <= set(only(out))


@given(st.text())
def test_an_exception_is_in_its_line(out: io.StringIO, message: str) -> None:
    try:
        int(f"no number {message}")
    except ValueError:
        LINE.exception("failed", stack_info=True)
        assert "ValueError" in only(out)["exception"]
        structlog.wrap_logger(LINE).exception("failed")
        assert "ValueError" in only(out)["exception"]


def test_what_is_sound_stays_as_it_is(out: io.StringIO) -> None:
    sound = {"text": "zażółć", "number": 2**60, "part": 0.5, "nothing": None, "list": [1, "a"], "inside": {"a": True}}
    structlog.wrap_logger(LINE).info("sound", **sound)
    line = only(out)
    assert {name: line[name] for name in sound} == sound
