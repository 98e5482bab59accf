"""A script on a channel: what it printed itself, told from the noise of the login."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import paramiko

from clusters import shell
from clusters.channel import Exchange
from clusters.errors import Refused, TimedOut

_LIMIT = 64 * 1024  # bytes a stream
_START_TIMEOUT = 30.0  # seconds
_PATIENCE = 0.5  # seconds; see Run.answer


@contextmanager
def _without_noise(marker: str) -> Iterator[None]:
    """Leave in a TimedOut only what the script's commands had printed."""
    try:
        yield
    except TimedOut as exc:
        exc.stdout = shell.without_markers(shell.after_marker(exc.stdout, marker) or b"", marker)
        exc.stderr = shell.after_marker(exc.stderr, marker) or b""
        raise


class _Ends:
    """Counts the `end` lines of an output that grows, without reading it from the start each time."""

    def __init__(self, end: bytes, wanted: int) -> None:
        self._end, self._left, self._seen = end, wanted, 0

    def __call__(self, output: bytearray) -> bool:
        """Return whether `output`, which is the last one or longer, has the wanted number of whole `end` lines."""
        while self._left and (at := output.find(self._end, self._seen)) >= 0:
            self._seen = at + len(self._end)
            self._left -= 1
        self._seen = max(self._seen, len(output) - len(self._end))
        return not self._left and output.endswith(b"\n")


class _EndsOrLine:
    """Is satisfied with the wanted `end` lines too, but also with a `line` of its own after which no more came."""

    def __init__(self, ends: _Ends, suffices: Callable[[bytes], bool]) -> None:
        self._ends, self._suffices = ends, suffices
        self._read, self._since = 0, 0.0

    def __call__(self, output: bytearray) -> bool:
        """Return whether the ends have come, or a line that suffices has for `_PATIENCE` seconds been there."""
        if self._ends(output):
            return True
        while not self._since and (line_break := output.find(b"\n", self._read)) >= 0:
            if self._suffices(bytes(output[self._read : line_break])):
                self._since = time.monotonic()
            self._read = line_break + 1
        return bool(self._since) and time.monotonic() - self._since > _PATIENCE


@dataclass(frozen=True)
class Answer:
    """What a script printed after its marker, and how it ended (None: it has not yet)."""

    exit_status: int | None
    stdout: bytes
    stderr: bytes
    truncated: bool
    sections: list[shell.Section]


@dataclass(frozen=True)
class Script:
    """POSIX sh in the alphabet of `shell.quote`, with its arguments ($1...) and what it finds in its environment."""

    text: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()

    def start(self, channel: paramiko.Channel, *, limit: int = _LIMIT, token: uuid.UUID | None = None) -> "Run":
        """Start it on an unused channel, keeping at most `limit` bytes a stream; `token`, used once, names it.

        Raises TimedOut, Interrupted.
        """
        return Run(channel, self, token or uuid.uuid4(), limit=limit)


class Run:
    """A script that was started, and may be fed and read."""

    def __init__(self, channel: paramiko.Channel, script: Script, token: uuid.UUID, *, limit: int) -> None:
        """Start `script`; see there."""
        self.token = token
        self.marker = shell.marker(token)
        self._exchange = Exchange(channel, limit=limit, marker=self.marker.encode())
        line = shell.script_line(script.text, script.arguments, dict(script.environment), self.marker)
        self._exchange.start(line, _START_TIMEOUT)

    @property
    def alive(self) -> bool:
        """Whether it still waits for input, as far as is known."""
        return self._exchange.alive

    @property
    def has_begun(self) -> bool:
        """Whether the script's first word has come."""
        return shell.after_marker(self._exchange.stdout, self.marker) is not None

    @property
    def has_told_nothing(self) -> bool:
        """Whether none of its commands' ends has come, and none can have been cut off. Raises Malformed."""
        told = shell.after_marker(self._exchange.stdout, self.marker) or b""
        return not self._exchange.truncated and not shell.sections(told, self.marker)

    def send(self, data: bytes, *, timeout: float) -> None:
        """Write `data` to its standard input, which stays open. Raises TimedOut, Interrupted."""
        self._exchange.send(data, timeout, end=False)

    def answer(self, sections: int, *, timeout: float, suffices: Callable[[bytes], bool] | None = None) -> Answer:
        """Return what it has printed as soon as that is `sections` commands' output, or it has ended.

        Or half a second after a line for which `suffices` is true, if there is no end by then.
        Raises TimedOut or Interrupted with what its commands had printed, Refused where the login shell runs nothing,
        Malformed.
        """
        with _without_noise(self.marker):
            ends = _Ends(f"\n{self.marker} ".encode(), sections)
            self._exchange.read_until(_EndsOrLine(ends, suffices) if suffices else ends, timeout)
            begun = shell.after_marker(self._exchange.stdout, self.marker) is not None
            # Without the script's first word only an exit status tells a shell that runs nothing from a lost link.
            exit_status = None if begun else self._exchange.finish(timeout)
        return self._read(exit_status)

    def result(self, data: bytes = b"", *, timeout: float, end: bool = False) -> Answer:
        """Write `data`, and return everything once the script has ended. Raises as `answer` does.

        `end` the input only for a script that waits for that. paramiko can send the end of a channel's input when it
        has closed the channel already, because the script has ended meanwhile: upon that sshd drops the connection,
        and every command on it.
        """
        with _without_noise(self.marker):
            if data or end:
                self._exchange.send(data, timeout, end=end)
            exit_status = self._exchange.finish(timeout)
        return self._read(exit_status)

    def _read(self, exit_status: int | None) -> Answer:
        raw = self._exchange
        stdout = shell.after_marker(raw.stdout, self.marker)
        if stdout is None:
            words = shell.decoded((raw.stdout + raw.stderr)[:500]).replace(self.marker, "").strip()
            raise Refused(
                f"the account's shell ended before it ran a command, perhaps by a start-up file: with "
                f"{exit_status} and the words {words!r}"
            )
        stderr = shell.after_marker(raw.stderr, self.marker) or b""
        return Answer(exit_status, stdout, stderr, raw.truncated, shell.sections(stdout, self.marker))
