"""How much of a stream is kept: bounded, whatever comes and however it is cut."""

from dataclasses import dataclass
from typing import cast

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.channel import _NOISE, Exchange, _Capture
from clusters.errors import Malformed, TimedOut

MARKER = b"--0123456789abcdef0123456789abcdef--"


def captured(stream: bytes, pieces: int, limit: int = 1000) -> _Capture:
    capture = _Capture(limit, MARKER)
    for start in range(0, len(stream), pieces):
        capture.take(stream[start : start + pieces])
    return capture


@given(st.binary(max_size=3000), st.binary(max_size=900), st.integers(1, 700))
def test_an_answer_is_kept_whole_however_much_noise_comes_before_it(noise: bytes, answer: bytes, pieces: int) -> None:
    capture = captured(noise + MARKER + answer, pieces)
    assert bytes(capture.kept) == MARKER + answer
    assert not capture.truncated


@pytest.mark.parametrize("pieces", [1, 64, 10_000])
def test_of_an_endless_answer_the_beginning_is_kept(pieces: int) -> None:
    capture = captured(MARKER + b"x" * 10_000, pieces)
    assert bytes(capture.kept) == (MARKER + b"x" * 10_000)[:1000]
    assert capture.truncated


def test_of_endless_noise_the_end_is_kept() -> None:
    capture = captured(b"noise" * 10_000 + b"last words", 999)
    assert len(capture.kept) == _NOISE
    assert capture.kept.endswith(b"last words")
    assert not capture.truncated


@dataclass
class Endless:
    """A channel whose command prints `text` again and again, on each of its streams, and never ends."""

    text: bytes
    taken: int = 0
    closed: bool = False
    eof_received: bool = False

    def recv_ready(self) -> bool:
        return not self.closed

    def recv_stderr_ready(self) -> bool:
        return not self.closed

    def recv(self, _size: int) -> bytes:
        self.taken += len(self.text)
        return self.text

    recv_stderr = recv

    def fileno(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("first", [b"", MARKER])
def test_a_login_that_prints_without_end_is_left_as_soon_as_that_is_plain(first: bytes) -> None:
    channel = Endless(first + b"y\n" * 20_000)
    exchange = Exchange(cast("paramiko.Channel", channel), limit=64 * 1024, marker=MARKER)
    with pytest.raises(Malformed, match="without end"):
        exchange.read_until(lambda _output: False, 3600)
    assert channel.closed
    assert channel.taken < 24 * 1024 * 1024


def test_an_output_without_end_leaves_time_to_look_at_the_clock() -> None:
    channel = Endless(b"y\n" * 20_000)
    with pytest.raises(TimedOut):
        Exchange(cast("paramiko.Channel", channel), limit=64 * 1024, marker=MARKER).read_until(lambda _output: False, 0)
    assert channel.taken < 8 * 1024 * 1024
