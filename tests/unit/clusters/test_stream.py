"""How much of what a login prints is kept: bounded, whatever comes and however it is cut."""

from dataclasses import dataclass, field
from threading import Event
from typing import cast

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.errors import Malformed, Refused, TimedOut
from clusters.ssh.agent import _IncomingAnswer
from clusters.ssh.stream import _SHOWN_NOISE, Stream

MARKER = "--0123456789abcdef0123456789abcdef--"
LINE = f"{MARKER}\n".encode()
END = f"\n{MARKER} 0 end\n".encode()


@dataclass
class Printing:
    """A channel whose command prints `text` in pieces, again and again if it is `endless`, and ends with 3.

    Beside that come `errors`, once as many pieces of the output were read as `before` says.
    """

    text: bytes
    piece: int
    endless: bool = False
    errors: bytes = b""
    before: int = 0
    taken: int = 0
    closed: bool = False
    exit_status: int = 3
    status_event: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.status_event.set()

    def settimeout(self, timeout: float) -> None:
        assert timeout > 0

    def recv(self, size: int) -> bytes:
        at = self.taken % len(self.text) if self.endless else self.taken
        piece = self.text[at : at + min(size, self.piece)]
        self.taken += len(piece)
        return piece

    def recv_stderr_ready(self) -> bool:
        return bool(self.errors) and (self.taken >= self.before * self.piece or self.taken >= len(self.text))

    def recv_stderr(self, size: int) -> bytes:
        piece, self.errors = self.errors[: min(size, self.piece)], self.errors[min(size, self.piece) :]
        return piece

    @property
    def eof_received(self) -> bool:
        return self.taken >= len(self.text) and not self.endless

    def recv_ready(self) -> bool:
        return not self.eof_received

    def close(self) -> None:
        self.closed = True


def stream(channel: Printing) -> Stream:
    return Stream(cast("paramiko.Channel", channel), MARKER)


def answered(printing: Printing, limit: int) -> _IncomingAnswer:
    """Take noise, and then the answer to its end."""
    taking = stream(printing)
    answer = _IncomingAnswer(MARKER, limit)
    answer.add(taking.begin(5))
    while not answer.whole and (piece := taking.take(float("inf"), 5)) is not None:
        answer.add(piece)
    return answer


@given(st.binary(max_size=300), st.binary(max_size=900), st.integers(1, 700), st.integers(0, 9))
def test_errors_of_a_login_are_no_part_of_an_answer_whenever_they_come(
    errors: bytes, output: bytes, piece: int, before: int
) -> None:
    answer = answered(Printing(LINE + output + END, piece, errors=errors, before=before), 1000)
    assert [(section.output, section.status) for section in answer.reply().sections] == [(output, 0)]


def test_errors_of_a_login_say_why_it_ran_no_command() -> None:
    with pytest.raises(Refused, match="welcome; no home"):
        stream(Printing(b"welcome; ", 100, errors=b"no home", before=1)).begin(5)


def test_a_login_that_prints_errors_without_end_is_not_read_for_ever() -> None:
    with pytest.raises(Malformed, match="prints without end"):
        stream(Printing(b"x", 60_000, errors=bytes(5 * 1024 * 1024), before=9)).begin(5)


@given(st.binary(max_size=3000), st.binary(max_size=900), st.integers(1, 700))
def test_an_answer_is_kept_whole_however_much_noise_comes_before_it(noise: bytes, output: bytes, piece: int) -> None:
    answer = answered(Printing(noise + LINE + output + END, piece), 1000)
    assert answer.whole
    assert [(section.output, section.status) for section in answer.reply().sections] == [(output, 0)]
    assert not answer.reply().truncated


@pytest.mark.parametrize("piece", [1, 64, 100_000])
def test_of_a_long_answer_the_beginning_is_kept_and_its_end_is_seen(piece: int) -> None:
    first = b"y" * 600 + f"\n{MARKER} 1\n".encode()
    answer = answered(Printing(LINE + first + b"x" * 10_000 + END, piece), 1000)
    assert answer.whole
    assert answer.reply().truncated
    assert [(section.output, section.status) for section in answer.reply().sections] == [(b"y" * 600, 1)]


@pytest.mark.parametrize("piece", [1, 64, 100_000])
def test_what_comes_behind_the_end_is_no_part_of_the_answer_and_keeps_nobody_waiting(piece: int) -> None:
    answer = answered(Printing(LINE + b"7\n" + END + b"a word of a user's own\n", piece), 1000)
    assert answer.whole
    assert [section.output for section in answer.reply().sections] == [b"7\n"]
    assert answer.overran == (piece > 1)


def test_a_line_that_is_like_the_end_in_part_is_none() -> None:
    output = f"\n{MARKER} end\n{MARKER} 0 \n{MARKER} 0 end of it\n".encode()
    answer = answered(Printing(LINE + output.replace(MARKER.encode(), MARKER[:-1].encode() + b"x") + END, 64), 1000)
    assert len(answer.reply().sections) == 1


def test_of_endless_noise_the_end_is_told() -> None:
    with pytest.raises(Refused, match="ended with 3 before it ran a command") as refused:
        stream(Printing(b"noise" * 10_000 + b"last words", 999)).begin(5)
    assert "last words" in str(refused.value)
    assert len(str(refused.value)) < _SHOWN_NOISE + 200


def test_a_login_that_prints_noise_without_end_is_left_as_soon_as_that_is_plain() -> None:
    channel = Printing(b"y\n" * 20_000, 64 * 1024, endless=True)
    with pytest.raises(Malformed, match="without end"):
        stream(channel).begin(3600)
    assert channel.taken < 24 * 1024 * 1024


def test_an_answer_without_end_is_left_as_soon_as_that_is_plain() -> None:
    channel, answer = Printing(b"y\n" * 20_000, 64 * 1024, endless=True), _IncomingAnswer(MARKER, 64 * 1024)

    def take_all() -> None:
        while piece := stream(channel).take(float("inf"), 3600):
            answer.add(piece)

    with pytest.raises(Malformed, match="without end"):
        take_all()
    assert channel.taken < 24 * 1024 * 1024


def test_an_output_without_end_leaves_time_to_look_at_the_clock() -> None:
    channel = Printing(b"y\n" * 20_000, 64 * 1024, endless=True)
    with pytest.raises(TimedOut, match="no answer within 0 s"):
        stream(channel).begin(0)
    assert channel.taken < 8 * 1024 * 1024


def test_an_end_of_which_no_status_comes_is_open_and_no_signal() -> None:
    """The connection is alive, and the channel has said that no more output comes: the command may go on."""
    channel = Printing(b"", 64)
    channel.exit_status = -1
    channel.status_event.clear()
    with pytest.raises(TimedOut):
        stream(channel).exit_status(0)


@pytest.mark.parametrize("error", [paramiko.SSHException("no"), OSError("no"), EOFError("no")])
def test_closing_what_is_broken_raises_nothing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_channel: Printing) -> None:
        raise error

    monkeypatch.setattr(Printing, "close", broken)
    stream(Printing(b"", 64)).close()
