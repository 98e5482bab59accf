"""Reading by SFTP on one channel: each answer is bounded in size and time, and checked, whoever gives it.

The server may be anybody's program: a login's start-up files run before it, and may run another in its place. So this
is written by hand. paramiko's client takes what a server claims: it lists a read request for each 32 KiB of the claimed
size (16 TiB: 536 million), keeps a thread behind each reading that is left before its end, allocates up to 16 MiB for
what a packet says of its own length, and answers what it did not expect by struct.error, UnicodeDecodeError or a wait.
It is also the slower one: 200 MB took it 3.2 s on loopback, and this 1.4 s.

Source: SFTP version 3, draft-ietf-secsh-filexfer-02, as OpenSSH's sftp-server speaks it.
"""

import struct
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import paramiko

from clusters.errors import Interrupted, Malformed, TimedOut, TooMuch
from clusters.slurm.shell import decoded
from clusters.ssh import sftp_packets
from clusters.ssh.sftp_packets import Attributes, Fields, string

_VERSION = 3
_LONGEST_PACKET = 256 * 1024  # bytes; OpenSSH's own bound (SFTP_MAX_MSG_LENGTH)
_LONGEST_HANDLE = 256  # bytes
_PIECE = 32 * 1024  # bytes that one request asks for, which every server gives
_MOST_PENDING = 64  # requests under way at once; together with _PIECE, what is in memory of a file of any size
_RECEIVED_AT_ONCE = 64 * 1024  # bytes
_MOST_NAMES = 100_000  # in one directory


@dataclass
class _Piece:
    """A part of a file that is being read; `whole` once nothing more of it can come."""

    offset: int
    length: int
    data: bytearray = field(default_factory=bytearray)
    ended: bool = False

    @property
    def whole(self) -> bool:
        return self.ended or len(self.data) == self.length


class Client:
    """Reads files on a channel where a server was started (`clusters.ssh.sftp_channel`). For one thread.

    Each call raises TimedOut, Interrupted, Malformed, or Failed with the server's words; those that name a path raise
    FileNotFoundError where the account can read nothing of that name.
    """

    def __init__(self, channel: paramiko.Channel, timeout: float, received: bytes = b"") -> None:
        """Greet the server; each of its answers has `timeout` seconds. `received` came on the channel already."""
        self._channel = channel
        self._timeout = timeout
        self._received = bytearray(received)
        self._requests = 0
        self._send(sftp_packets.INIT, _VERSION)
        kind, answer = self._answer()
        if kind != sftp_packets.VERSION or answer.integer() < _VERSION:
            raise Malformed(f"the file transfer began with a packet of kind {kind}, and not with SFTP's version")

    def stats(self, paths: Sequence[bytes]) -> Iterator[Attributes | None]:
        """Yield the attributes of each of `paths`, in their order, or None where nothing can be read.

        A few are asked for in advance. Each has to come within the time of an answer from when it is waited for.
        """
        pending: dict[int, int] = {}
        attributes: dict[int, Attributes | None] = {}
        sent = 0
        for index in range(len(paths)):
            while sent < len(paths) and sent < index + _MOST_PENDING:
                pending[self._request(sftp_packets.STAT, string(paths[sent]))] = sent
                sent += 1
            deadline = time.monotonic() + self._timeout
            while index not in attributes:
                self._take_attributes(pending, paths, attributes, deadline)
            yield attributes.pop(index)

    def _take_attributes(
        self, pending: dict[int, int], paths: Sequence[bytes], attributes: dict[int, Attributes | None], deadline: float
    ) -> None:
        """Take the answer to one of the `pending` requests, whichever comes first."""
        kind, answer = self._answer(deadline)
        index = pending.pop(answer.integer(), None)
        if index is None:
            raise Malformed("the login node answers a file request that was not made")
        if kind not in {sftp_packets.STATUS, sftp_packets.ATTRS}:
            raise Malformed(f"the login node answers a file request by a packet of kind {kind}")
        try:
            if kind == sftp_packets.STATUS:
                answer.raise_refusal(paths[index])
            attributes[index] = answer.attributes()
        except FileNotFoundError:
            attributes[index] = None

    def open(self, path: bytes) -> bytes:
        """Open the file `path`, and return its handle."""
        how = struct.pack(">II", sftp_packets.FOR_READING, 0)  # no attributes
        return self._handle(path, sftp_packets.OPEN, string(path) + how)

    def read(self, handle: bytes, offset: int, size: int) -> Iterator[bytes]:
        """Yield `size` bytes of the open file from `offset` on, in pieces; a few of them are asked for in advance.

        Each piece has the time of an answer, in however many answers it comes. Raises Interrupted where the file ends
        before that.
        """
        pending: dict[int, _Piece] = {}
        pieces: deque[_Piece] = deque()
        position, end = offset, offset + size
        while pieces or position < end:
            while position < end and len(pieces) < _MOST_PENDING:
                pieces.append(_Piece(position, min(_PIECE, end - position)))
                position += pieces[-1].length
                pending[self._ask_for_rest(handle, pieces[-1])] = pieces[-1]
            deadline = time.monotonic() + self._timeout
            while not pieces[0].whole:
                piece = self._take_data(pending, deadline)
                if not piece.whole:
                    pending[self._ask_for_rest(handle, piece)] = piece
            first = pieces.popleft()
            if first.data:
                yield bytes(first.data)
            if first.ended:
                raise Interrupted(f"the file has become shorter than the {end} bytes that it had")

    def close(self, handle: bytes) -> None:
        """Close an open file or directory, all of whose answers have come."""
        number = self._request(sftp_packets.CLOSE, string(handle))
        kind, answer = self._answer()
        answer.check_number(number)
        if kind != sftp_packets.STATUS:
            raise Malformed(f"the login node answers the end of a file by a packet of kind {kind}")

    def names(self, directory: bytes) -> Iterator[tuple[bytes, Attributes]]:
        """Yield the names in `directory` with their attributes, in the server's order; all in the time of one answer.

        Raises TooMuch where there are too many.
        """
        deadline = time.monotonic() + self._timeout
        handle = self._handle(directory, sftp_packets.OPENDIR, string(directory))
        seen = 0
        while entries := self._next_names(handle, deadline):
            seen += len(entries)
            if seen > _MOST_NAMES:
                raise TooMuch(f"{decoded(directory)} has more than {_MOST_NAMES} files, too many to look through")
            yield from entries
        self.close(handle)

    def _next_names(self, handle: bytes, deadline: float) -> list[tuple[bytes, Attributes]]:
        """Return the next names of an open directory; none at its end."""
        number = self._request(sftp_packets.READDIR, string(handle))
        kind, answer = self._answer(deadline)
        answer.check_number(number)
        if kind == sftp_packets.STATUS:
            answer.check_end("a directory")
            return []
        entries = []
        for _ in range(answer.integer() if kind == sftp_packets.NAME else 0):
            name, _long_form = answer.string(), answer.string()
            entries.append((name, answer.attributes()))
        if not entries:
            raise Malformed(f"the login node names no files in a packet of kind {kind}")
        return entries

    def _ask_for_rest(self, handle: bytes, piece: _Piece) -> int:
        """Ask for what has not come of `piece` yet, which is all of it at first."""
        here = len(piece.data)
        return self._request(
            sftp_packets.READ, string(handle) + struct.pack(">QI", piece.offset + here, piece.length - here)
        )

    def _take_data(self, pending: dict[int, _Piece], deadline: float) -> _Piece:
        """Take the answer to one of the `pending` requests, whichever comes first, and return its piece."""
        kind, answer = self._answer(deadline)
        piece = pending.pop(answer.integer(), None)
        if piece is None:
            raise Malformed("the login node answers a file request that was not made")
        if kind == sftp_packets.STATUS:
            answer.check_end("the file")
            piece.ended = True
            return piece
        data = answer.string() if kind == sftp_packets.DATA else b""
        if not 0 < len(data) <= piece.length - len(piece.data):
            raise Malformed(f"the login node answers a reading by {len(data)} bytes in a packet of kind {kind}")
        piece.data += data
        return piece

    def _handle(self, path: bytes, kind: int, fields: bytes) -> bytes:
        handle = self._ask(path, kind, sftp_packets.HANDLE, fields).string()
        if len(handle) > _LONGEST_HANDLE:
            raise Malformed(f"the login node gives a file a handle of {len(handle)} bytes")
        return handle

    def _ask(self, path: bytes, kind: int, wanted: int, fields: bytes) -> Fields:
        """Ask about `path`, and return the answer, which is to be of the kind `wanted`."""
        number = self._request(kind, fields)
        given, answer = self._answer()
        answer.check_number(number)
        if given == sftp_packets.STATUS:
            answer.raise_refusal(path)
        if given != wanted:
            raise Malformed(f"the login node answers a file request by a packet of kind {given}")
        return answer

    def _request(self, kind: int, fields: bytes) -> int:
        """Send a request, and return the number that its answer will have."""
        self._requests = (self._requests + 1) % 2**32
        self._send(kind, self._requests, fields)
        return self._requests

    def _send(self, kind: int, number: int, fields: bytes = b"") -> None:
        with _broken_off(self._timeout):
            self._channel.settimeout(self._timeout)
            self._channel.sendall(struct.pack(">IBI", 5 + len(fields), kind, number) + fields)

    def _answer(self, deadline: float | None = None) -> tuple[int, Fields]:
        """Return the kind of the next packet, and what it holds, once all of it has come."""
        deadline = deadline or time.monotonic() + self._timeout
        length = int.from_bytes(self._take(4, deadline), "big")
        if not 0 < length <= _LONGEST_PACKET:
            raise Malformed(
                f"the login node claims to answer a file request by {length} bytes; do its start-up files print?"
            )
        packet = self._take(length, deadline)
        return packet[0], Fields(packet[1:])

    def _take(self, length: int, deadline: float) -> bytes:
        """Return the next `length` bytes, which have to come by `deadline`, however slowly."""
        while len(self._received) < length:
            with _broken_off(self._timeout):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self._channel.settimeout(left)
                received = self._channel.recv(_RECEIVED_AT_ONCE)
            if not received:
                raise Interrupted("the file transfer broke off: the login node has ended it")
            self._received += received
        taken = bytes(self._received[:length])
        del self._received[:length]
        return taken


@contextmanager
def _broken_off(timeout: float) -> Iterator[None]:
    """Raise TimedOut or Interrupted for what paramiko's channels raise."""
    try:
        yield
    except TimeoutError as exc:
        raise TimedOut(f"no answer to a file request within {timeout:g} s") from exc
    except (paramiko.SSHException, OSError, EOFError) as exc:
        raise Interrupted(f"the file transfer broke off: {exc}") from exc
