"""A running agent: the program of `clusters.remote` on one channel, which answers one request after another."""

import time
import uuid
from dataclasses import dataclass

import paramiko

from clusters import remote
from clusters.errors import Interrupted, Malformed, TimedOut
from clusters.remote import Request
from clusters.slurm import shell
from clusters.slurm.shell import Section
from clusters.ssh.stream import Stream

LIMIT = 64 * 1024  # bytes of an answer that are kept, unless somebody says otherwise
_MOST_REQUESTS = 300  # after which another agent is started: a shell need not live for ever
_MOST_WASTE = 4 * 1024 * 1024  # bytes beyond the limit; who prints more prints without end
_END = b" end"


@dataclass(frozen=True)
class AgentSettings:
    """What an agent is started with: the directory of SLURM's programs, and variables that an operator has set."""

    slurm_bin: str = "/usr/bin"
    environment: tuple[tuple[str, str], ...] = ()

    def command(self, marker: str) -> str:
        """Return the command line that starts an agent in any login shell."""
        names = " ".join(name for name, _value in self.environment)
        return shell.script_line(remote.BOOT, [self.slurm_bin, names], dict(self.environment), marker)


@dataclass(frozen=True)
class Reply:
    """The answer of an agent: the output and the status of each command.

    `truncated`: more came than was kept. `ended`: empty, or how the agent ended before its answer was whole.
    """

    sections: list[Section]
    truncated: bool = False
    ended: str = ""

    def exactly(self, number: int) -> list[Section]:
        """Return the sections, of which there have to be `number`. Raises Malformed."""
        if len(self.sections) != number:
            raise Malformed(f"the login node answers by {len(self.sections)} sections, and not by {number}")
        return self.sections


class Agent:
    """One agent. It answers one caller at a time, and cannot be used after an error."""

    def __init__(self, channel: paramiko.Channel, setting: AgentSettings, timeout: float) -> None:
        """Start an agent on an unused `channel`, within about `timeout` seconds.

        Raises TimedOut, Interrupted, Refused, Malformed: nothing was asked.
        """
        self.setting = setting
        self.marker = shell.marker(uuid.uuid4())
        self._stream = Stream(channel, self.marker)
        self._requests = 0
        self._last_used = time.monotonic()
        self._answer = _IncomingAnswer(self.marker, 0)
        deadline = time.monotonic() + timeout
        self._stream.start(setting.command(self.marker), timeout)
        self._stream.send(f"{remote.program()}{self.marker}\n".encode(), max(0.0, deadline - time.monotonic()))
        self._idle = not self._stream.begin(max(0.0, deadline - time.monotonic()))

    @property
    def usable(self) -> bool:
        """Whether it waits for a request, has printed nothing unasked, and has not served too many requests."""
        return self._idle and self._stream.alive and not self._stream.has_more and self._requests < _MOST_REQUESTS

    @property
    def idle_for(self) -> float:
        """Seconds since it was started, or has last answered."""
        return time.monotonic() - self._last_used

    def ask(self, request: Request, *, timeout: float, limit: int = LIMIT) -> Reply:
        """Send a request, and return the answer, of which at most `limit` bytes are kept.

        Raises TimedOut (with what had come) or Interrupted, and Malformed where it answers without end.
        """
        self.send(request, timeout=timeout, limit=limit)
        return self.reply(time.monotonic() + timeout, timeout)

    def send(self, request: Request, *, timeout: float, limit: int = LIMIT) -> None:
        """Send a request; `reply` returns its answer.

        Raises TimedOut, Interrupted; ValueError for what cannot be framed, and nothing is sent.
        """
        data = request.framed(self.marker)
        self._requests += 1
        self._idle = False
        self._answer = _IncomingAnswer(self.marker, limit)
        self._stream.send(data, timeout)

    def has_replied(self, within: float) -> bool:
        """Wait up to `within` seconds for the whole answer, or for the agent's end; return whether either came.

        Raises Interrupted, Malformed.
        """
        deadline = time.monotonic() + within
        try:
            while not self._answer.whole and self._take(deadline, within):
                pass
        except Interrupted:
            raise
        except TimedOut:
            return False
        return True

    def reply(self, deadline: float, timeout: float) -> Reply:
        """Return the answer to the request that was sent, before `deadline` (monotonic). Raises as `ask`.

        `timeout`: the seconds that an error names.
        """
        try:
            while not self._answer.whole and self._take(deadline, timeout):
                pass
        except TimedOut as exc:
            exc.stdout = self._answer.so_far()
            raise
        answer, self._answer = (
            self._answer,
            _IncomingAnswer(self.marker, 0),
        )  # a long one is not kept until the next request
        if answer.whole:
            self._idle, self._last_used = not answer.overran, time.monotonic()
            return answer.reply()
        status = self._stream.exit_status(max(0.0, deadline - time.monotonic()))
        return answer.reply(ended="a signal" if status is None else str(status))

    def is_connected(self) -> bool:
        """Return whether the login node still answers on the connection, whatever this agent does."""
        return self._stream.is_connected()

    def close(self) -> None:
        """End the agent."""
        self._idle = False
        self._stream.close()

    def _take(self, deadline: float, timeout: float) -> bool:
        piece = self._stream.take(deadline, timeout)
        if piece is not None:
            self._answer.add(piece)
        return piece is not None


class _IncomingAnswer:
    """An answer while it comes. `whole`: its end has come; `overran`: something came behind its end."""

    def __init__(self, marker: str, limit: int) -> None:
        self._begin = f"\n{marker} ".encode()
        self._marker, self._limit = marker, limit
        self._kept = bytearray()
        self._last = b""  # the end of what has come, kept or not
        self._waste = 0
        self.whole = False
        self.overran = False

    def add(self, piece: bytes) -> None:
        """Add the next piece. Raises Malformed for an answer that has no end."""
        room = self._limit - len(self._kept)
        self._kept += piece[:room]
        self._waste += max(0, len(piece) - room)
        if self._waste > _MOST_WASTE:
            raise Malformed(f"the login node answers without end: more than {_MOST_WASTE} bytes beyond what is kept")
        self._look_for_end(self._last + piece)
        self._last = (self._last + piece)[-2 * len(self._begin) :]

    def _look_for_end(self, recent: bytes) -> None:
        """Note the line `MARKER STATUS end` in `recent`: the last piece, and the end of what came before it."""
        at = -1
        while not self.whole and (at := recent.find(self._begin, at + 1)) >= 0:
            line_break = recent.find(b"\n", at + len(self._begin))
            self.whole = line_break >= 0 and recent.endswith(_END, at + len(self._begin), line_break)
            self.overran = self.whole and line_break + 1 < len(recent)

    def so_far(self) -> bytes:
        """Return what the commands of an unfinished answer have printed."""
        return shell.without_markers(bytes(self._kept), self._marker)

    def reply(self, ended: str = "") -> Reply:
        """Return the whole answer, or what has come of it where the agent has `ended`. Raises Malformed."""
        sections = shell.sections(bytes(self._kept), self._marker)
        return Reply(sections, self._waste > 0, ended)
