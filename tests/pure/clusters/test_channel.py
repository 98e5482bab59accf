"""How much of a stream is kept: bounded, whatever comes and however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.channel import _NOISE, _Capture

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
