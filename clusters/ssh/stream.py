"""What a command on one SSH channel prints, from its marker on: each step bounded in time, and the whole in bytes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paramiko

from clusters.errors import Interrupted, Malformed, Refused, TimedOut
from clusters.slurm import shell

_PIECE = 64 * 1024  # bytes
_PROBE_TIMEOUT = 3.0  # seconds in which a connection has to show that it is alive
_SHOWN_NOISE = 500  # bytes of what a login prints before the marker that an error shows; more than a marker has
_MOST_NOISE = 4 * 1024 * 1024  # bytes; who prints more prints without end
_FITS_BUFFERS = 32 * 1024  # bytes
_STATUS_TIMEOUT = 1.0  # seconds for the exit status of a command that prints no more
_ERRORS_INTERVAL = 0.5  # seconds without output after which errors are read; a channel's window has room for 2 MiB


class Stream:
    """A command on a channel. Its steps raise TimedOut, or Interrupted where the connection is lost."""

    def __init__(self, channel: paramiko.Channel, marker: str) -> None:
        """Use `channel`, on which nothing was started; the command is to print the line `marker` before its answers."""
        self._channel = channel
        self._marker = f"{marker}\n".encode()
        self._noise = b""
        self._errors = b""
        self._taken = 0  # bytes of both
        self._expired = False

    @property
    def alive(self) -> bool:
        """Whether the command is running, as far as is known."""
        return not (self._channel.closed or self._channel.eof_received)

    @property
    def has_more(self) -> bool:
        """Whether there is output to `take` at once."""
        return bool(self._channel.recv_ready())

    def start(self, command: str, timeout: float) -> None:
        """Run `command` in the login shell."""
        with self._bounded(timeout):
            self._channel.exec_command(command)

    def begin(self, timeout: float) -> bytes:
        """Read what the login prints up to the marker line; return what has come behind it.

        Errors that it prints are noise too. They are read apart: the server sends two streams, and an error that was
        printed before the marker may arrive after it.

        Raises Refused where the login shell ended before that, and Malformed where it prints without end.
        """
        deadline = time.monotonic() + timeout
        while (piece := self._take_noise(deadline, timeout)) is not None:
            so_far = self._noise + piece
            _before, marker, after = so_far.partition(self._marker)
            if marker:
                return after
            self._noise = so_far[-_SHOWN_NOISE:]
            self._count_noise(piece)
        self._take_errors()
        noise = shell.decoded(self._noise + self._errors).replace(self._marker.decode().strip(), "").strip()
        status = self.exit_status(timeout)
        how = "was ended by a signal" if status is None else f"ended with {status}"
        raise Refused(f"the account's shell {how} before it ran a command, perhaps by a start-up file: {noise!r}")

    def _take_noise(self, deadline: float, timeout: float) -> bytes | None:
        """Return what `take` returns, and read the errors that arrive meanwhile: a full window would stop the login."""
        while True:
            self._take_errors()
            try:
                return self.take(min(deadline, time.monotonic() + _ERRORS_INTERVAL), timeout)
            except TimedOut:
                if time.monotonic() >= deadline:
                    raise

    def _take_errors(self) -> None:
        while self._channel.recv_stderr_ready():
            piece = self._channel.recv_stderr(_PIECE)
            self._errors = (self._errors + piece)[-_SHOWN_NOISE:]
            self._count_noise(piece)

    def _count_noise(self, piece: bytes) -> None:
        self._taken += len(piece)
        if self._taken > _MOST_NOISE:
            self._channel.close()
            raise Malformed(f"the login prints without end: more than {_MOST_NOISE} bytes that are no answer")

    def send(self, data: bytes, timeout: float) -> None:
        """Write `data` to the command's standard input. Nothing is raised if that has ended: its answer says why."""
        if len(data) <= _FITS_BUFFERS:
            self._channel.settimeout(timeout)
            with self._translate_errors(timeout):
                self._write(data)
            return
        with self._bounded(timeout, writing=True):
            self._write(data)

    def take(self, deadline: float, timeout: float) -> bytes | None:
        """Return the next output, before `deadline` (monotonic); None if nothing more can come.

        `timeout`: the seconds that an error names.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(f"no answer within {timeout:g} s")
        self._channel.settimeout(left)
        with self._translate_errors(timeout):
            return self._channel.recv(_PIECE) or None

    def exit_status(self, timeout: float) -> int | None:
        """Return the exit status of the command, of which nothing more can come; None if a signal has ended it.

        Raises TimedOut where the login node does not tell it: the command may go on.
        """
        if not self._channel.status_event.wait(max(timeout, _STATUS_TIMEOUT)):
            raise TimedOut("the command prints no more, and its end is not told")
        if self._channel.exit_status >= 0:
            return self._channel.exit_status
        if not self.is_connected():
            raise Interrupted("the connection was lost while the command ran: no exit status")
        return None

    def is_connected(self) -> bool:
        """Return whether the login node still answers on the connection.

        What the channel had to tell has come before: messages of SSH keep their order (RFC 4253, section 4.1).
        """
        transport = self._channel.get_transport()
        try:
            transport.open_session(timeout=_PROBE_TIMEOUT).close()
        except paramiko.ChannelException:
            return True  # it has no room, and says so
        except (paramiko.SSHException, OSError, EOFError):
            return False
        return True

    def close(self) -> None:
        """Close the channel; a dead connection has none to close."""
        with suppress(paramiko.SSHException, OSError, EOFError):
            self._channel.close()

    def _write(self, data: bytes) -> None:
        try:
            self._channel.sendall(data)
        except TimeoutError:
            raise
        except OSError:
            if not self._channel.closed or self._expired:
                raise

    @contextmanager
    def _bounded(self, timeout: float, *, writing: bool = False) -> Iterator[None]:
        """Bound a step for which paramiko waits without limit, such as writing much, by closing the channel."""

        def expire() -> None:
            self._expired = True
            if writing:
                # A peer that no longer reads keeps the writer waiting, and with it the whole connection.
                self._channel.get_transport().close()
            self._channel.close()

        watchdog = threading.Timer(timeout, expire)
        watchdog.daemon = True
        watchdog.start()
        try:
            with self._translate_errors(timeout):
                yield
        finally:
            watchdog.cancel()
        if self._expired:
            raise TimedOut(f"no answer within {timeout:g} s")

    @contextmanager
    def _translate_errors(self, timeout: float) -> Iterator[None]:
        """Raise TimedOut or Interrupted for what paramiko's channels raise."""
        try:
            yield
        except (paramiko.SSHException, OSError, EOFError) as exc:
            if self._expired or isinstance(exc, TimeoutError):
                raise TimedOut(f"no answer within {timeout:g} s") from exc
            raise Interrupted(f"the connection was lost while the command ran: {exc}") from exc
