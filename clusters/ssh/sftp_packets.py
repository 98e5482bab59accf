"""PURE. The fields of SFTP's packets, none of which is believed to be longer than the packet.

Source: SFTP version 3, draft-ietf-secsh-filexfer-02.
"""

from dataclasses import dataclass

from clusters.errors import Failed, Malformed
from clusters.slurm.shell import decoded

INIT, VERSION, OPEN, CLOSE, READ, OPENDIR, READDIR, STAT = 1, 2, 3, 4, 5, 11, 12, 17
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
FOR_READING = 1

_EOF, _NO_SUCH_FILE, _PERMISSION_DENIED, _BAD_MESSAGE = 1, 2, 3, 5
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 1, 2, 4, 8, 0x80000000


@dataclass(frozen=True)
class Attributes:
    """What a server says of a file: its size in bytes, its mode, and the time of its last change (epoch).

    A size or a time that it does not tell is None, such a mode 0.
    """

    size: int | None
    mode: int
    modified: int | None = None


class Fields:
    """The fields of one packet, taken one after another. Each raises Malformed where the packet has no more."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._at = 0

    def integer(self) -> int:
        """Return a uint32."""
        return int.from_bytes(self._take(4), "big")

    def string(self) -> bytes:
        """Return a string, which stands behind its length."""
        return self._take(self.integer())

    def attributes(self) -> Attributes:
        """Return the size, the mode and the time of a file, and skip the rest."""
        flags = self.integer()
        size = int.from_bytes(self._take(8), "big") if flags & _HAS_SIZE else None
        self._take(8 if flags & _HAS_OWNER else 0)
        mode = self.integer() if flags & _HAS_MODE else 0
        times = self._take(8 if flags & _HAS_TIMES else 0)
        for _ in range(self.integer() if flags & _HAS_MORE else 0):
            self.string()
            self.string()
        return Attributes(size, mode, int.from_bytes(times[4:], "big") if times else None)

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._packet):
            raise Malformed("an answer to a file request is shorter than it says")
        taken, self._at = self._packet[self._at : end], end
        return taken

    def check_number(self, number: int) -> None:
        """Raise Malformed unless this is the answer to the request `number`."""
        if self.integer() != number:
            raise Malformed("the login node answers a file request that was not made")

    def check_end(self, what: str) -> None:
        """Raise Failed unless this status says that `what` is at its end."""
        code = self.integer()
        if code != _EOF:
            raise Failed(f"the login node cannot read {what} on (SFTP status {code}): {self._message()}")

    def raise_refusal(self, path: bytes) -> None:
        """Raise what this status says of `path`: FileNotFoundError or Failed.

        OpenSSH calls a name that is too long a bad message.
        """
        code = self.integer()
        if code in {_NO_SUCH_FILE, _PERMISSION_DENIED, _BAD_MESSAGE}:
            raise FileNotFoundError(decoded(path))
        raise Failed(f"the login node cannot read {decoded(path)} (SFTP status {code}): {self._message()}")

    def _message(self) -> str:
        """Return the server's message beside a status code, if there is one."""
        try:
            return decoded(self.string()[:200])
        except Malformed:
            return ""


def string(text: bytes) -> bytes:
    """Return `text` as a field of a packet."""
    return len(text).to_bytes(4, "big") + text
