"""Many connections at once, each busy for as long as the attack lasts: with requests, halves of them, or nothing."""

import math
import select
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from itertools import cycle
from types import TracebackType
from typing import Self

from tests.harness.waiting import eventually
from tests.live.attacks.attacker import ADDRESS

_DRIP = 1.0  # seconds between two drips
_PIECE = 256 * 1024
_SMALL = 4096  # bytes of a receive buffer that is meant to be full


class Reading(Enum):
    """What becomes of the answers."""

    WHOLE = "they are read"
    HASTY = "the connection is closed at their first bytes"
    NOT = "they are left where they are"


class _Visitor:
    """One connection and what it has yet to send."""

    def __init__(self, port: int, request: bytes, *, reads: bool) -> None:
        self.unsent = memoryview(request)
        self.has_answer = False
        self.since = time.monotonic()
        self.socket = socket.socket()
        if not reads:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        self.socket.setblocking(False)
        self.socket.bind((ADDRESS, 0))
        self.socket.connect_ex(("127.0.0.1", port))

    def send(self) -> None:
        """Send as much as there is room for."""
        with suppress(BlockingIOError):
            self.unsent = self.unsent[self.socket.send(self.unsent[:_PIECE]) :]


class Crowd:
    """Keeps `number` connections to `port` open, each with the next of `requests`; whichever ends is opened again.

    `drip` is what each sends, once a second, after its request; `pause` the seconds until one that was ended is opened
    again, `patience` those after which it is ended from here. A context manager; nothing of it is left afterwards.
    """

    def __init__(
        self,
        port: int,
        requests: Sequence[bytes],
        number: int,
        *,
        reading: Reading = Reading.WHOLE,
        drip: bytes = b"",
        pause: float = 0.25,
        patience: float = math.inf,
    ) -> None:
        self.codes: Counter[int] = Counter()  # of the answers that were read
        self.sent = 0  # requests sent whole
        self._came = 0  # visits so far; whoever is refused leaves, and comes again
        self._port = port
        self._requests = cycle(requests)
        self._number = number
        self._reading = reading
        self._drip = drip
        self._pause = pause
        self._patience = patience
        self._visitors: dict[int, _Visitor] = {}
        self._absent: deque[float] = deque([0.0] * number)  # when each is to come again
        self._epoll = select.epoll()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="crowd", daemon=True)

    def __enter__(self) -> Self:
        """Begin, and wait until everybody has come."""
        self._thread.start()
        eventually(lambda: self._came >= self._number, "everybody has come")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self._over.set()
        self._thread.join()
        for visitor in self._visitors.values():
            visitor.socket.close()
        self._epoll.close()

    def _work(self) -> None:
        dripped = 0.0
        while not self._over.is_set():
            self._come()
            for number, happened in self._epoll.poll(0.05):
                self._serve(number, happened)
            if self._drip and time.monotonic() > dripped + _DRIP:
                dripped = time.monotonic()
                self._send_drips()
            self._lose_patience()

    def _come(self) -> None:
        while self._absent and self._absent[0] <= time.monotonic():
            self._absent.popleft()
            visitor = _Visitor(self._port, next(self._requests), reads=self._reading is not Reading.NOT)
            self._visitors[visitor.socket.fileno()] = visitor
            self._came += 1
            self._epoll.register(visitor.socket, select.EPOLLOUT | select.EPOLLRDHUP)

    def _serve(self, number: int, happened: int) -> None:
        visitor = self._visitors[number]
        try:
            if happened & select.EPOLLOUT:
                self._send(visitor)
            ended = bool(happened & (select.EPOLLHUP | select.EPOLLERR))
            if self._reading is Reading.NOT:
                ended |= bool(happened & select.EPOLLRDHUP)
            elif happened & select.EPOLLIN:
                ended = self._read(visitor)
        except OSError:
            ended = True
        if ended:
            self._leave(number)

    def _send(self, visitor: _Visitor) -> None:
        visitor.send()
        if not visitor.unsent:
            self.sent += 1
            reads = 0 if self._reading is Reading.NOT else select.EPOLLIN
            self._epoll.modify(visitor.socket, reads | select.EPOLLRDHUP)

    def _read(self, visitor: _Visitor) -> bool:
        """Take what has come; True if that was all."""
        piece = visitor.socket.recv(_PIECE)
        if piece.startswith(b"HTTP/1.1 ") and not visitor.has_answer:
            visitor.has_answer = True
            self.codes[int(piece[9:12])] += 1
        return not piece or self._reading is Reading.HASTY

    def _leave(self, number: int) -> None:
        visitor = self._visitors.pop(number)
        self._epoll.unregister(visitor.socket)
        visitor.socket.close()
        self._absent.append(time.monotonic() + self._pause)

    def _lose_patience(self) -> None:
        longest = time.monotonic() - self._patience
        for number in [number for number, visitor in self._visitors.items() if visitor.since < longest]:
            self._leave(number)

    def _send_drips(self) -> None:
        for visitor in self._visitors.values():
            if not visitor.unsent:
                with suppress(OSError):  # whoever was cut off is noticed where it is served
                    visitor.socket.send(self._drip)
