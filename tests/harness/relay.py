"""A TCP relay that cuts, stalls or delays what it carries, at a chosen byte, in either direction."""

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

_PIECE = 64 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER without a wait: closing resets the connection (socket(7))


class Direction(Enum):
    """Which way bytes go."""

    UP = "to the login node"
    DOWN = "to the service"


class Action(Enum):
    """What happens at the chosen byte."""

    CUT = "every connection is reset"
    STALL = "nothing more goes through, either way, until `heal`"
    DELAY = "what follows waits"


@dataclass(frozen=True)
class Fault:
    """`action` once `after` bytes have passed in `direction`, counted from `arm` on; a DELAY lasts `seconds`."""

    action: Action
    direction: Direction
    after: int
    seconds: float = 0.0


class _Link:
    """One connection through the relay."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self.writers = writers
        self.flowing = asyncio.Event()
        self.flowing.set()

    def reset(self) -> None:
        for writer in self.writers:
            if not writer.transport.is_closing():
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()


class Relay:
    """Listens on `port` of loopback and carries to another one. It has a thread of its own; every call is safe."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.carried: Counter[Direction] = Counter()  # bytes since `arm`
        self.accepted = 0  # connections so far
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._links: set[_Link] = set()
        self._fault: Fault | None = None
        self._is_shut = False
        self._is_frozen = False
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, sock=self._listener), self._loop
        ).result(10)

    def arm(self, fault: Fault | None) -> None:
        """Count bytes anew, and let `fault` happen once; None only counts."""

        def now() -> None:
            self.carried.clear()
            self._fault = fault

        self._do(now)

    def cut(self) -> None:
        """Reset every connection there is."""
        self._do(self._cut)

    def stall(self) -> None:
        """Let nothing more through on the connections there are."""
        self._do(self._stall)

    def freeze(self) -> None:
        """Accept connections, and let nothing through on any, until `heal`."""

        def now() -> None:
            self._is_frozen = True
            self._stall()

        self._do(now)

    def shut(self) -> None:
        """Reset every connection, and each new one at once."""

        def now() -> None:
            self._is_shut = True
            self._cut()

        self._do(now)

    def heal(self) -> None:
        """Carry on: what was held back arrives late, new connections are carried, no fault is armed."""

        def now() -> None:
            self._is_shut, self._is_frozen, self._fault = False, False, None
            for link in self._links:
                link.flowing.set()

        self._do(now)

    def close(self) -> None:
        """End everything, also if it never began."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._loop.close()
        self._listener.close()

    def _do(self, work: Callable[[], None]) -> None:
        async def wrapped() -> None:
            work()

        asyncio.run_coroutine_threadsafe(wrapped(), self._loop).result(10)

    async def _end(self) -> None:
        if self._server:
            self._server.close()
        self._cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut(self) -> None:
        for link in self._links:
            link.reset()
            link.flowing.set()  # whoever waits finds out

    def _stall(self) -> None:
        for link in self._links:
            link.flowing.clear()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._is_shut:
            _Link(writer).reset()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except ConnectionError:
            _Link(writer).reset()  # as if nobody listened
            return
        link = _Link(writer, far_writer)
        self._links.add(link)
        if self._is_frozen:
            link.flowing.clear()
        try:
            await asyncio.gather(
                self._pump(link, reader, far_writer, Direction.UP), self._pump(link, far_reader, writer, Direction.DOWN)
            )
        finally:
            self._links.discard(link)
            for end in link.writers:
                end.close()

    async def _pump(
        self, link: _Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: Direction
    ) -> None:
        """Carry one direction until its end, or until the connection breaks."""
        try:
            while piece := await source.read(_PIECE):
                await link.flowing.wait()
                rest = await self._suffer(sink, direction, piece)
                await link.flowing.wait()
                sink.write(rest)
                await sink.drain()
            await link.flowing.wait()
            sink.close()
        except ConnectionError:
            link.reset()

    async def _suffer(self, sink: asyncio.StreamWriter, direction: Direction, piece: bytes) -> bytes:
        """Let the armed fault happen if its byte is in `piece`; return what is still to be carried."""
        before = self.carried[direction]
        self.carried[direction] += len(piece)
        fault = self._fault
        if fault is None or fault.direction is not direction or fault.after > self.carried[direction]:
            return piece
        self._fault = None
        head = max(0, fault.after - before)
        sink.write(piece[:head])
        await sink.drain()
        if fault.action is Action.CUT:
            await asyncio.sleep(0)  # what was written is on its way
            self._cut()
            raise ConnectionResetError
        if fault.action is Action.STALL:
            self._stall()
        else:
            await asyncio.sleep(fault.seconds)
        return piece[head:]
