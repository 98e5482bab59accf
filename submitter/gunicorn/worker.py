"""gunicorn's worker: threads answer requests, and only its poller waits for clients that have not sent one yet.

gunicorn's own gives each connection to a thread with its first byte: as many unfinished heads as there are threads stop
it. Here the poller collects the heads. What gunicorn refuses by itself is answered in the API's one form too. A worker
that is to stop (SIGTERM) ends waits at once, and downloads and uploads soon: until it has ended, nobody is served.
"""

import ctypes
import errno
import gc
import json
import re
import selectors
import sys
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from itertools import takewhile
from typing import Any

import structlog
from gunicorn import sock
from gunicorn.arbiter import Arbiter
from gunicorn.http.errors import (
    ConfigurationProblem,
    ExpectationFailed,
    InvalidHeader,
    InvalidHeaderName,
    InvalidHTTPVersion,
    InvalidRequestLine,
    InvalidRequestMethod,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ObsoleteFolding,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from jobs import stopping
from submitter.gunicorn import conf
from submitter.gunicorn.connection import LARGEST_HEAD, Connection
from submitter.http.error_body import error_body

log = structlog.get_logger("gunicorn.error")

_DRAIN = 0.1  # seconds in which a thread takes what is left of a body that was not read
_LINGER_SECONDS = 5.0  # in which a client may go on sending what was refused, and read why
_LINGER_BYTES = 32 * 1024 * 1024
_PAUSE = 0.05  # seconds, where this process has no file descriptor left
_NOTHING_TO_ACCEPT = {errno.EAGAIN, errno.ECONNABORTED, errno.EMFILE, errno.ENFILE}
_OWN_PAGES = 1024 * 1024  # bytes from which on a block of memory is given back to the system when it is free
_M_MMAP_THRESHOLD = -3  # mallopt(3)
_OWN_FAULTS = (ConfigurationProblem, InvalidResponseHeader, InvalidResponseHeaderName)
_CODES = {
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
"""What gunicorn finds in a head; anything else of that kind is 400."""


_PROXY = (
    "a header is malformed: has the value of PROXY line breaks? Encode the proxy on one line, by `base64 -w0 FILE`, on "
    "macOS by `base64 < FILE | tr -d '\\n'`"
)
_PROXY_HEADERS = {"PROXY", "X-PROXY-CERTIFICATE"}
_OWN_HEADERS = {"CONTENT-LENGTH", "CONTENT-TYPE", "HOST", "TRANSFER-ENCODING"}  # gunicorn reads their values, or counts
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Z-]+")  # as gunicorn writes one that it could read
_LINE = "the first line of the request is malformed: an address has no blanks, for example"
_MESSAGES = {
    ExpectationFailed: "nothing but 100-continue can be expected; leave the header Expect out",
    InvalidHeaderName: "the name of a header is malformed: it has no blanks, for example",
    InvalidRequestLine: _LINE,
    InvalidRequestMethod: "the first line of the request is malformed: a method is in capital letters, as in GET",
    LimitRequestHeaders: f"the headers are too many or too large: all together may have {LARGEST_HEAD // 1024} KiB",
    LimitRequestLine: "the address is too long",
    UnsupportedTransferCoding: "this Transfer-Encoding is not known here; send the body with a Content-Length",
}
"""What to do about it. Nothing of the request is repeated."""


def _message(exc: ParseException) -> str:
    """Return what to do about what gunicorn found in a head; "" where no message is kept for it."""
    if isinstance(exc, InvalidHeader):
        return _message_about_header(str(exc.hdr))
    if isinstance(exc, ObsoleteFolding):
        return _PROXY if exc.hdr in _PROXY_HEADERS else "a header goes on in another line: send it on one"
    if isinstance(exc, InvalidHTTPVersion):
        # What stands behind the first blank of the address counts as the version.
        has_blank = isinstance(exc.version, str) and " " in exc.version
        return _LINE if has_blank else "the HTTP version is not known here: send HTTP/1.1"
    return next((message for kind, message in _MESSAGES.items() if isinstance(exc, kind)), "")


def _message_about_header(header: str) -> str:
    """Return what to do about a header: gunicorn gives its name, or a line that has none, as behind a line break."""
    if header in _OWN_HEADERS:
        return f"the header {header.title()} is malformed, or is there twice"
    if header in _PROXY_HEADERS or not _FIELD_NAME.fullmatch(header):
        return _PROXY
    return "the value of a header is malformed: it has no control characters, for example"


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Threads that answer requests.

    A connection is in one place at a time: it waits for a request's head (`_waiting`), is with a thread, is kept alive
    (gunicorn's `keepalived_conns`), or is being closed (`_leaving`). Each place but the thread has a deadline, at which
    the poller's loop looks once a second; the order in each is that of the deadlines.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: dict[Connection, None] = {}
        self._leaving: dict[Connection, None] = {}
        self._serving: set[Connection] = set()
        self._stopping_since: float | None = None
        self._context = sock.ssl_context(self.cfg) if self.cfg.is_ssl else None

    def init_process(self) -> None:
        """Begin. glibc would keep large blocks for each thread once some were freed; musl has no such option."""
        with suppress(AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _OWN_PAGES)
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application. gunicorn would print the error once more, beside the log.

        What it has loaded stays: Python's collector of garbage need not look at it again. Each full look took 80 ms, in
        which no thread went on, and was a twentieth of what a POST took.
        """
        try:
            super().load_wsgi()
        except Exception:
            log.exception("application-not-loaded")
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        gc.collect()
        gc.freeze()

    def is_parent_alive(self) -> bool:
        """Return whether gunicorn's master is there; without it this worker stops as if by SIGTERM."""
        is_there = bool(super().is_parent_alive())
        if not is_there:
            self.alive = False
        return is_there

    def accept(self, listener: Any) -> None:
        """Take a new connection; where there is no room for it, one that has sent no request makes some."""
        if self.nr_conns >= self.worker_connections - 1:
            self._make_room()
        try:
            accepted = listener.accept()
        except OSError as exc:
            if exc.errno in {errno.EMFILE, errno.ENFILE} and not self._make_room():
                time.sleep(_PAUSE)
            elif exc.errno not in _NOTHING_TO_ACCEPT:
                raise
            return
        try:
            conn = Connection(self.cfg, accepted, listener.getsockname(), self._context)
        except OSError:
            accepted[0].close()
            return
        self.nr_conns += 1
        self._await_head(conn)

    def _make_room(self) -> bool:
        """Close a connection without a request, the oldest of the address that has most; say whether there was one."""
        idle = [*self._leaving, *self._waiting, *self.keepalived_conns]
        crowds = Counter(conn.peer for conn in idle).most_common(1)
        if crowds:
            self._drop(next(conn for conn in idle if conn.peer == crowds[0][0]))
        return bool(crowds)

    def _await_head(self, conn: Connection) -> None:
        conn.since = time.monotonic()
        self._waiting[conn] = None
        self.poller.register(conn.sock, conn.wants, partial(self._on_head, conn))

    def _on_head(self, conn: Connection, _socket: object) -> None:
        """Take what has come of a head; hand the connection to a thread once that is all."""
        if conn not in self._waiting:
            return  # it was closed after the poller had found it readable
        wanted = conn.wants
        try:
            is_whole = conn.receive()
        except (OSError, EOFError):
            self._drop(conn)
            return
        if is_whole:
            self._forget(conn)
            self.enqueue_req(conn)
        elif conn.wants != wanted:
            self.poller.modify(conn.sock, conn.wants, partial(self._on_head, conn))

    def enqueue_req(self, conn: Connection) -> None:
        """Give the connection to a thread. Runs in the poller's loop."""
        self._serving.add(conn)
        super().enqueue_req(conn)

    def on_client_socket_readable(self, conn: Connection, client: Any) -> None:
        """Take the first bytes of another request on a connection that was kept alive."""
        if conn in self.keepalived_conns:
            self._forget(conn)
            self._await_head(conn)
            self._on_head(conn, client)

    def handle(self, conn: Connection) -> Any:
        """Answer a request whose head is here. Runs in a thread."""
        too_large = conn.is_too_large
        conn.hand_over(conf.BODY_SECONDS)
        if too_large:
            self.handle_error(None, conn.sock, conn.client, LimitRequestHeaders("the head is too large"))
            return False
        return super().handle(conn)

    def _keepalive_after(self, conn: Connection, keepalive: object) -> bool:
        """Say whether another request may come: not behind a body that was left unread, for no thread waits for it."""
        try:
            return bool(keepalive) and bool(conn.parser.finish_body(deadline=time.monotonic() + _DRAIN))
        except (ParseException, OSError):
            return False  # the answer is out: another one must not follow

    def finish_request(self, conn: Connection, answered: Any) -> None:
        """Wait for the next request on the connection, or close it. Runs in the poller's loop."""
        self._serving.discard(conn)
        try:
            if answered.cancelled() or not answered.result():
                self._say_goodbye(conn)
            elif conn.await_next():
                self.enqueue_req(conn)
            elif conn.has_begun:
                self._await_head(conn)
            else:
                self._keep_alive(conn)
        except Exception:  # noqa: BLE001 - gunicorn's own does the same: whatever a thread raised, the connection ends
            self._drop(conn)

    def _keep_alive(self, conn: Connection) -> None:
        conn.sock.setblocking(False)
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _say_goodbye(self, conn: Connection) -> None:
        """Close the connection once the client has, or soon: it may still send, and must be able to read the answer."""
        conn.say_goodbye()
        self._leaving[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_leaving, conn))

    def _on_leaving(self, conn: Connection, _socket: object) -> None:
        if conn not in self._leaving:
            return
        with suppress(OSError):
            if conn.discard() and conn.drained < _LINGER_BYTES:
                return
        self._drop(conn)

    def murder_pending(self) -> None:
        """Close what is beyond its deadline; gunicorn's loop calls this about once a second."""
        now = time.monotonic()
        if self.alive:
            self._expire(self._waiting, now - conf.HEAD_SECONDS)
            self._expire(self._leaving, now - _LINGER_SECONDS)
        else:
            self._expire(self._waiting, now - STOP_KEEPALIVE_LINGER)
            self._expire(self._leaving, now - STOP_KEEPALIVE_LINGER)
            self._hasten(now)

    def _hasten(self, now: float) -> None:
        """Have the requests that are with threads come to their end; gunicorn has stopped to accept new ones."""
        if self._stopping_since is None:
            self._stopping_since = now
            stopping.announce_stop()
        for conn in self._serving:
            conn.hasten(self._stopping_since, conf.STOP_SECONDS)

    def _expire(self, conns: dict[Connection, None], since: float) -> None:
        for conn in [*takewhile(lambda conn: conn.since <= since, conns)]:
            self._drop(conn)

    def _forget(self, conn: Connection) -> None:
        """Take the connection from wherever it waits."""
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self._waiting.pop(conn, None)
        self._leaving.pop(conn, None)
        with suppress(ValueError):
            self.keepalived_conns.remove(conn)

    def _drop(self, conn: Connection) -> None:
        self._forget(conn)
        self.nr_conns -= 1
        conn.close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that cannot reach the application, or that failed outside of Django.

        The log has nothing of what was sent: gunicorn's own message would repeat the line that it cannot read, and a
        private key in Base64 may have lines.
        """
        address = addr[0] if isinstance(addr, tuple) else ""
        code, message = HTTPStatus.INTERNAL_SERVER_ERROR, ""
        if isinstance(exc, ParseException) and not isinstance(exc, _OWN_FAULTS):
            code = next((code for kind, code in _CODES.items() if isinstance(exc, kind)), HTTPStatus.BAD_REQUEST)
            message = _message(exc)
            log.warning("request-refused", address=address, error=type(exc).__name__, status=int(code))
        else:
            method, path = getattr(req, "method", None), getattr(req, "path", None)
            log.error("request-failed", address=address, method=method, path=path, exc_info=exc)
        body = json.dumps(error_body(message or code.phrase.lower())).encode()
        head = f"HTTP/1.1 {code} {code.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        with suppress(OSError):
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
