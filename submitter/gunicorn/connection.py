"""A client's connection in gunicorn's worker: its head is read as it comes, and nothing on it lasts for ever."""

import errno
import re
import selectors
import socket
import ssl
import time
from contextlib import suppress
from typing import Any

from gunicorn import http
from gunicorn.workers.gthread import TConn

from submitter.gunicorn import conf

LARGEST_HEAD = 128 * 1024
"""Bytes: two fields of the largest size, which is that of a proxy with long keys and many delegations."""
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_READ = 64 * 1024  # bytes
_SENT = 16 * 1024  # bytes that have to be taken within the time that is set for sending
_LOOK = 1.0  # seconds between two looks whether a deadline was brought forward, while nothing comes
_NEVER = float("inf")


class BoundedSocket:
    """A socket, plain or of TLS, whose `recv` and `sendall` end in time.

    Reading ends at `read_by` (of the monotonic clock) with TimeoutError; sending, where the client does not take 16 KiB
    in `send_seconds`, at `end_by`, or when it is broken off, with ConnectionResetError, which gunicorn does not take
    for a fault of its own. `sending_since` is when the answer's first byte was sent, None before.
    """

    def __init__(self, raw: socket.socket, send_seconds: float) -> None:
        self.raw = raw
        self.read_by = self.end_by = _NEVER
        self.sending_since: float | None = None
        self._is_broken_off = False
        self._send_seconds = send_seconds
        self._timeout: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def setblocking(self, flag: bool) -> None:
        """Wait as long as is allowed, or not at all."""
        self.settimeout(None if flag else 0.0)

    def settimeout(self, seconds: float | None) -> None:
        """Wait for so long at most, if that is less than is allowed."""
        self._timeout = seconds
        self.raw.settimeout(seconds)

    def gettimeout(self) -> float | None:
        """Return what was set."""
        return self._timeout

    def end_in(self, seconds: float) -> None:
        """Have this request's answer broken off in `seconds`."""
        self.end_by = time.monotonic() + seconds

    def break_off(self) -> None:
        """Have a thread that sends stop at once, whatever it waits for. For another thread to call."""
        self._is_broken_off = True
        with suppress(OSError):  # the client has left by itself
            socket.socket.shutdown(self.raw, socket.SHUT_RDWR)  # below TLS, whose state is the sending thread's

    def recv(self, size: int) -> bytes:
        """Return what the client sends next. Raises TimeoutError."""
        most = _NEVER if self._timeout is None else time.monotonic() + self._timeout
        while self._timeout != 0.0:
            self.raw.settimeout(self._left(min(self.read_by, most), _LOOK))
            with suppress(TimeoutError):
                return self.raw.recv(size)
        self.raw.settimeout(0.0)
        return self.raw.recv(size)

    def sendall(self, data: bytes) -> None:
        """Send `data`. Raises ConnectionResetError where the client does not take it, or it is broken off."""
        self.sending_since = self.sending_since or time.monotonic()
        view = memoryview(data)
        for start in range(0, len(view), _SENT):
            try:
                self.raw.settimeout(self._left(self.end_by, self._send_seconds))
                self.raw.sendall(view[start : start + _SENT])
            except OSError as exc:
                if not self._is_broken_off and not isinstance(exc, TimeoutError):
                    raise
                raise ConnectionResetError(errno.ECONNRESET, "the client does not take the answer") from exc

    def _left(self, deadline: float, most: float) -> float:
        """Return the seconds until `deadline`, at most `most`. Raises TimeoutError."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return min(left, most)


class Connection(TConn):  # type: ignore[misc]  # gunicorn ships no types
    """A connection that waits in the worker's poller until the head of a request is complete."""

    def __init__(
        self, cfg: Any, accepted: tuple[socket.socket, Any], local: Any, context: ssl.SSLContext | None
    ) -> None:
        """Take a connection that was accepted at the address `local`; with a `context` it is to speak TLS.

        Raises OSError where the client has left already.
        """
        raw, address = accepted
        raw.setblocking(False)
        if context:
            raw = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        super().__init__(cfg, BoundedSocket(raw, conf.SEND_SECONDS), address, local)
        self.parser = http.get_parser(cfg, self.sock, address)
        self.initialized = True  # there is nothing left to do for `TConn.init`
        self.since = time.monotonic()
        self.wants = selectors.EVENT_READ
        self.drained = 0
        self._greets = context is not None
        self._head = bytearray()
        self._searched = 0

    @property
    def peer(self) -> str:
        """The client's address without its port; empty for a Unix socket."""
        return str(self.client[0]) if isinstance(self.client, tuple) else ""

    @property
    def is_too_large(self) -> bool:
        """Whether no end of the head came within the largest one that is read."""
        return len(self._head) > LARGEST_HEAD

    def await_next(self) -> bool:
        """Begin to wait for another request, whose first bytes may be here already; say whether its head is complete.

        Raises OSError, EOFError.
        """
        self._head += self.parser.unreader.take_buffered()
        return self._is_whole() or (self._has_more_inside() and self.receive())

    def _has_more_inside(self) -> bool:
        """Say whether TLS holds bytes that the poller does not know of."""
        return isinstance(self.sock.raw, ssl.SSLSocket) and self.sock.raw.pending() > 0

    def receive(self) -> bool:
        """Read what is here, without waiting; say whether a thread may have it.

        That is where a head is complete, or cannot become one. Raises OSError, and EOFError where the client has left.
        """
        self.sock.setblocking(False)
        try:
            self._shake_hands()
            while not self._is_whole():
                self._take(self.sock.raw.recv(_READ))
        except (BlockingIOError, ssl.SSLWantReadError):
            self.wants = selectors.EVENT_READ
            return False
        except ssl.SSLWantWriteError:
            self.wants = selectors.EVENT_WRITE
            return False
        return True

    def _shake_hands(self) -> None:
        if self._greets:
            self.sock.raw.do_handshake()
            self._greets = False

    def _take(self, data: bytes) -> None:
        if not data:
            raise EOFError
        self._head += data

    def _is_whole(self) -> bool:
        """Say whether gunicorn's parser would not wait for more of the head, be it to take it or to refuse it."""
        head, searched = self._head, self._searched
        self._searched = len(head)
        if head.find(b"\r\n\r\n", max(0, searched - 3)) >= 0 or _BARE_LINE_FEED.search(head, searched):
            return True
        line_is_too_long = len(head) > self.cfg.limit_request_line + 4 and head.find(b"\r\n", 2) < 0
        return line_is_too_long or self.is_too_large

    @property
    def has_begun(self) -> bool:
        """Whether a part of a head is here."""
        return bool(self._head)

    def hand_over(self, body_seconds: float) -> None:
        """Give the head to gunicorn's parser, in its thread; the body has to come within `body_seconds`."""
        self.sock.setblocking(True)
        self.sock.read_by, self.sock.end_by = time.monotonic() + body_seconds, _NEVER
        self.sock.sending_since = None
        self.parser.unreader.unread(bytes(self._head))
        self._head, self._searched = bytearray(), 0

    def hasten(self, since: float, seconds: float) -> None:
        """Have the rest of the request, and of its answer, take `seconds` from `since`, or from its own beginning.

        For the poller's loop to call again and again; an answer that has not begun has all the time that it needs.
        """
        self.sock.read_by = min(self.sock.read_by, since + seconds)
        begun = self.sock.sending_since
        if begun is not None and time.monotonic() > max(begun, since) + seconds:
            self.sock.break_off()

    def discard(self) -> bool:
        """Read and forget what still comes on a connection that was answered; say whether there may be more.

        Raises OSError.
        """
        try:
            self.drained += len(data := self.sock.raw.recv(_READ))
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        return bool(data)

    def say_goodbye(self) -> None:
        """Tell the client that nothing more comes (RFC 9112, section 9.6). Raises OSError."""
        self.sock.shutdown(socket.SHUT_WR)
        self.sock.setblocking(False)
        self.since = time.monotonic()
