"""Channels with an SFTP server at their other end: OpenSSH's own, or one that answers as a test wants."""

import os
import select
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PROGRAM = "/usr/lib/openssh/sftp-server"
VERSION = struct.pack(">IBI", 5, 2, 3)  # SSH_FXP_VERSION, 3
DIRECTORY, REGULAR, PIPE = 0o040755, 0o100644, 0o010644


@dataclass
class OpenSSH:
    """A channel to OpenSSH's sftp-server, as the user who runs the tests. Counts the requests that it is sent."""

    server: subprocess.Popen[bytes]
    requests: int = 0
    timeout: float = 30.0

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["OpenSSH"]:
        """Run one meanwhile."""
        with subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            try:
                yield cls(server)
            finally:
                server.kill()

    def invoke_subsystem(self, name: str) -> None:
        assert name == "sftp"

    def settimeout(self, timeout: float) -> None:
        self.timeout = timeout

    def sendall(self, data: bytes) -> None:
        assert self.server.stdin
        self.requests += 1
        self.server.stdin.write(data)
        self.server.stdin.flush()

    def recv(self, size: int) -> bytes:
        assert self.server.stdout
        if not select.select([self.server.stdout], [], [], self.timeout)[0]:
            raise TimeoutError
        return os.read(self.server.stdout.fileno(), size)

    def close(self) -> None:
        self.server.kill()


@dataclass
class Scripted:
    """A channel to a server that answers each request (its kind, its number, the rest) by some bytes.

    When it has nothing to say, `at_end` does. `received` counts the bytes that were taken, `requests` what was sent.
    """

    answer: Callable[[int, bytes, bytes], bytes]
    at_end: Callable[[], bytes] = lambda: b""
    portion: int = 2**20
    said: bytearray = field(default_factory=lambda: bytearray(VERSION))
    received: int = 0
    requests: int = 0

    def invoke_subsystem(self, name: str) -> None:
        assert name == "sftp"

    def settimeout(self, timeout: float) -> None:
        assert timeout > 0

    def sendall(self, data: bytes) -> None:
        kind, number, rest = data[4], data[5:9], data[9:]
        if kind != 1:  # not the greeting
            self.requests += 1
            self.said += self.answer(kind, number, rest)

    def recv(self, size: int) -> bytes:
        if not self.said:
            return self.at_end()
        taken = bytes(self.said[: min(size, self.portion)])
        del self.said[: len(taken)]
        self.received += len(taken)
        return taken

    def close(self) -> None:
        """Leave."""


def packet(kind: int, number: bytes, *fields: bytes) -> bytes:
    """Return an answer to the request `number`."""
    body = bytes([kind]) + number + b"".join(fields)
    return len(body).to_bytes(4, "big") + body


def text(value: bytes) -> bytes:
    """Return a field that says its length."""
    return len(value).to_bytes(4, "big") + value


def attributes(size: int, mode: int = REGULAR) -> bytes:
    """Return the attributes of a file of `size` bytes."""
    return struct.pack(">IQI", 1 | 4, size, mode)


def status(number: bytes, code: int) -> bytes:
    """Return a status: 1 is the end of a file or directory, 2 no such file, 4 a failure."""
    return packet(101, number, code.to_bytes(4, "big"), text(b"in its words"), text(b"en"))
