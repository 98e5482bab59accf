"""One command on one SSH channel, each step bounded in time and the whole in bytes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from select import POLLIN, poll

import paramiko

from clusters.errors import Interrupted, Killed, Malformed, TimedOut

_PIECE = 64 * 1024
_PIECES = 64  # are taken in a row: an output without end leaves time to look at the clock
_LOST_WAKE_UP = 0.1  # seconds
_PROOF = 5.0  # seconds in which a connection shows that it is alive
_NOISE = 500  # bytes of what a login prints that are worth showing; more than a marker has
_MOST_WASTE = 4 * 1024 * 1024  # bytes of noise, and of what is beyond the limit; who prints more prints without end


@dataclass
class _Capture:
    """Keeps `limit` bytes of a stream from its `marker` on; of what comes before that, however much, only the end."""

    limit: int
    marker: bytes
    kept: bytearray = field(default_factory=bytearray)
    begun: bool = False
    truncated: bool = False
    taken: int = 0

    def take(self, piece: bytes) -> None:
        self.taken += len(piece)
        if not self.begun:
            piece = self._look_for_marker(piece)
        room = self.limit - len(self.kept)
        self.kept += piece[:room]
        self.truncated |= self.begun and len(piece) > room

    @property
    def wasted(self) -> int:
        """How many bytes have come and are not kept."""
        return self.taken - len(self.kept)

    def _look_for_marker(self, piece: bytes) -> bytes:
        """Return what there is to keep: from the marker on, or what may be the beginning of it."""
        so_far = bytes(self.kept) + piece
        self.kept.clear()
        noise, found, answer = so_far.partition(self.marker)
        self.begun = bool(found)
        return found + answer if found else noise[-_NOISE:]


class Exchange:
    """A command on `channel`: started, fed, read. Each step raises TimedOut or Interrupted with what had come.

    One that reads raises Malformed where much more is printed than is kept: nobody decrypts that for as long as the
    step may take.
    """

    def __init__(self, channel: paramiko.Channel, *, limit: int, marker: bytes) -> None:
        """Keep at most `limit` bytes of each stream, from the first `marker` on."""
        self._channel = channel
        self._out = _Capture(limit, marker)
        self._err = _Capture(limit, marker)
        self._writing = False
        self._expired = False

    @property
    def stdout(self) -> bytes:
        """What came on standard output so far."""
        return bytes(self._out.kept)

    @property
    def stderr(self) -> bytes:
        """What came on standard error so far."""
        return bytes(self._err.kept)

    @property
    def truncated(self) -> bool:
        """Whether more came than was kept."""
        return self._out.truncated or self._err.truncated

    @property
    def alive(self) -> bool:
        """Whether the command still waits for input, as far as is known."""
        return not (self._channel.closed or self._channel.eof_received)

    def start(self, command: str, timeout: float) -> None:
        """Have the login shell run `command`."""
        with self._within(timeout):
            self._channel.exec_command(command)

    def send(self, data: bytes, timeout: float, *, end: bool) -> None:
        """Write `data` to the command's standard input, and `end` it or not."""
        with self._within(timeout):
            self._writing = True
            try:
                self._channel.sendall(data)
                if end:
                    self._channel.shutdown_write()
            except OSError:
                # A command may end without reading its input; what it printed and its exit status say why.
                if not self._channel.closed or self._expired:
                    raise
            self._writing = False

    def read_until(self, enough: Callable[[bytearray], bool], timeout: float) -> None:
        """Take what the command prints until its standard output is `enough`, or it has ended."""
        deadline = time.monotonic() + timeout
        poller = poll()
        poller.register(self._channel.fileno(), POLLIN)
        while not (self._drain() or enough(self._out.kept)):
            left = deadline - time.monotonic()
            if left <= 0:
                self._expire()
                raise self._unfinished("", timeout)
            if self._out.wasted + self._err.wasted > _MOST_WASTE:
                self._channel.close()
                raise Malformed(f"the login prints without end: more than {_MOST_WASTE} bytes that are no answer")
            # paramiko's two streams share one pipe, and a wake-up can get lost where both have something at once.
            poller.poll(min(left, _LOST_WAKE_UP) * 1000)

    def finish(self, timeout: float) -> int:
        """Take the rest of what the command prints, and return its exit status. Raises Killed where there is none."""
        self.read_until(lambda _stdout: False, timeout)
        if not self._channel.status_event.wait(timeout):
            self._expire()
        if self._channel.exit_status < 0:
            if not self._expired and self._is_connected():
                raise Killed("a signal ended the command", stdout=self.stdout, stderr=self.stderr)
            raise self._unfinished("no exit status", timeout)
        return self._channel.exit_status

    def _is_connected(self) -> bool:
        """Say whether the login node still answers on the connection.

        What the channel had to tell has come before: messages of SSH keep their order (RFC 4253, section 4.1).
        """
        transport = self._channel.get_transport()
        try:
            transport.open_session(timeout=_PROOF).close()
        except paramiko.ChannelException:
            return True  # it has no room, and says so
        except (paramiko.SSHException, OSError, EOFError):
            return False
        return True

    def _drain(self) -> bool:
        """Take what has come, or much of it; True if nothing more can come."""
        channel = self._channel
        ended = bool(channel.eof_received or channel.closed)
        for _ in range(_PIECES):
            out, err = channel.recv_ready(), channel.recv_stderr_ready()
            if out:
                self._out.take(channel.recv(_PIECE))
            if err:
                self._err.take(channel.recv_stderr(_PIECE))
            if not (out or err):
                return ended
        return False

    @contextmanager
    def _within(self, timeout: float) -> Iterator[None]:
        """Bound a step: paramiko waits without limit for `exec`, for room to write and for data; closing ends each."""
        watchdog = threading.Timer(timeout, self._expire)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        except (paramiko.SSHException, OSError, EOFError) as exc:
            raise self._unfinished(str(exc), timeout) from exc
        finally:
            watchdog.cancel()
        if self._expired:
            raise self._unfinished("", timeout)

    def _expire(self) -> None:
        self._expired = True
        if self._writing:
            # A peer that no longer reads keeps the writer waiting, and with it the whole connection.
            self._channel.get_transport().close()
        self._channel.close()

    def _unfinished(self, reason: str, timeout: float) -> TimedOut:
        if self._expired:
            return TimedOut(f"no answer within {timeout:g} s", stdout=self.stdout, stderr=self.stderr)
        return Interrupted(
            f"the connection was lost while the command ran: {reason}", stdout=self.stdout, stderr=self.stderr
        )
