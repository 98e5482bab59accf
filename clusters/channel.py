"""One command on one SSH channel, bounded in time and in bytes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from select import POLLIN, poll

import paramiko

from clusters.errors import Interrupted, TimedOut

_PIECE = 64 * 1024


@dataclass(frozen=True)
class Result:
    """How a command ended: its exit status and the first bytes of its two streams."""

    exit_status: int
    stdout: bytes
    stderr: bytes
    truncated: bool


@dataclass
class _Capture:
    """Keeps the first `limit` bytes of a stream and counts the rest, so that an endless one costs no memory."""

    limit: int
    kept: bytearray = field(default_factory=bytearray)
    truncated: bool = False

    def take(self, piece: bytes) -> None:
        room = self.limit - len(self.kept)
        self.kept += piece[:room]
        self.truncated |= len(piece) > room


class Exchange:
    """A command started on `channel`, from its input to its exit status."""

    def __init__(self, channel: paramiko.Channel, *, timeout: float, limit: int, cut: Callable[[], None]) -> None:
        """`timeout` in seconds, `limit` in bytes a stream; `cut` ends the whole connection, where only that helps."""
        self._channel = channel
        self._timeout = timeout
        self._out = _Capture(limit)
        self._err = _Capture(limit)
        self._cut = cut
        self._expired = False
        self._writing = True

    def run(self, command: str, stdin: bytes) -> Result:
        """Run `command`, a line for the login shell, with `stdin`, and return its Result.

        Raises TimedOut at the deadline, and Interrupted where the connection or the channel is lost before that.
        """
        # paramiko waits without limit for the answer to `exec`, for room to write and for data: closing the channel
        # ends each of these.
        watchdog = threading.Timer(self._timeout, self._expire)
        watchdog.daemon = True
        watchdog.start()
        try:
            self._channel.exec_command(command)
            self._send(stdin)
            self._receive()
        except (paramiko.SSHException, OSError, EOFError) as exc:
            raise self._unfinished(str(exc)) from exc
        finally:
            watchdog.cancel()
            self._channel.close()
        if self._channel.exit_status < 0:
            raise self._unfinished("no exit status")
        return Result(
            self._channel.exit_status,
            bytes(self._out.kept),
            bytes(self._err.kept),
            self._out.truncated or self._err.truncated,
        )

    def _send(self, stdin: bytes) -> None:
        try:
            self._channel.sendall(stdin)
            self._channel.shutdown_write()
        except OSError:
            # A command may end without reading its input; what it printed and its exit status say why.
            if not self._channel.closed or self._expired:
                raise
        self._writing = False

    def _receive(self) -> None:
        poller = poll()
        poller.register(self._channel.fileno(), POLLIN)
        while not (self._drain() and self._channel.exit_status_ready()):
            # The descriptor stays readable once the streams have ended: then only the exit status is waited for.
            if self._channel.eof_received:
                self._channel.status_event.wait()
            else:
                poller.poll()

    def _drain(self) -> bool:
        """Take what has come; True if nothing more can come."""
        channel = self._channel
        ended = bool(channel.eof_received or channel.closed)
        while channel.recv_ready():
            self._out.take(channel.recv(_PIECE))
        while channel.recv_stderr_ready():
            self._err.take(channel.recv_stderr(_PIECE))
        return ended

    def _expire(self) -> None:
        self._expired = True
        if self._writing:
            self._cut()  # a peer that no longer reads keeps the writer, and with it the whole connection, waiting
        self._channel.close()

    def _unfinished(self, reason: str) -> TimedOut:
        partial = {"stdout": bytes(self._out.kept), "stderr": bytes(self._err.kept)}
        if self._expired:
            return TimedOut(f"no end of the command within {self._timeout:g} s", **partial)
        return Interrupted(f"the connection was lost while the command ran: {reason}", **partial)
