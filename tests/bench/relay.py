"""Distance to a login node: a TCP relay that hands on every byte half a round trip after it came."""

import asyncio
import socket
import threading
from types import TracebackType
from typing import Self

_PIECE = 64 * 1024
_JOIN = 10  # seconds

# A piece to hand on and when it is due on the loop's clock; no piece at the end of the stream.
_Due = tuple[float, bytes]


class Relay:
    """Carries connections to its `port` of loopback on to `target`, with a thread and a loop of its own.

    Nothing waits for anything but its own delay: like a long wire, it keeps as much under way as it is given. Usable as
    a context manager, once.
    """

    def __init__(self, target: int, round_trip: float) -> None:
        """`target` is a port of loopback, `round_trip` what is added, in seconds."""
        self._target = target
        self._delay = round_trip / 2
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bench-relay", daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._links: set[asyncio.Task[None]] = set()
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        """Begin to carry."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, sock=self._listener), self._loop).result()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """End every connection."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_JOIN)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_JOIN)
        self._loop.close()
        self._listener.close()

    async def _end(self) -> None:
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = self._loop.create_task(self._carry(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        for end in (writer, far_writer):
            # asyncio does that for connections which it makes itself; else a small piece waits for an acknowledgement.
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.TaskGroup() as both_ways:
                for source, sink in ((reader, far_writer), (far_reader, writer)):
                    under_way: asyncio.Queue[_Due] = asyncio.Queue()
                    both_ways.create_task(self._take(source, under_way))
                    both_ways.create_task(self._hand_on(under_way, sink))
        except* ConnectionError:
            pass  # one side broke it off; the other learns of it below
        finally:
            writer.close()
            far_writer.close()

    async def _take(self, source: asyncio.StreamReader, under_way: asyncio.Queue[_Due]) -> None:
        piece = None
        while piece != b"":
            piece = await source.read(_PIECE)
            under_way.put_nowait((self._loop.time() + self._delay, piece))

    async def _hand_on(self, under_way: asyncio.Queue[_Due], sink: asyncio.StreamWriter) -> None:
        while True:
            due, piece = await under_way.get()
            await asyncio.sleep(due - self._loop.time())
            if not piece:
                sink.close()
                return
            sink.write(piece)
            await sink.drain()
