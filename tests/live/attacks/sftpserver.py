"""An SFTP server that claims what it likes (draft-ietf-secsh-filexfer-02), run in a login by the system's own Python.

`python3 sftpserver.py KIND`, where KIND is
size       every file is said to have almost 2^63 bytes;
data       a read is answered by hundreds of times what was asked for.
"""

import struct
import sys
from typing import BinaryIO

INIT, VERSION, OPEN, CLOSE, READ = 1, 2, 3, 4, 5
STATUS, HANDLE, DATA, ATTRIBUTES = 101, 102, 103, 105
SIZES = {"size": 2**63 - 1, "data": 2**30}
MOST = 16 * 1024 * 1024 - 16  # bytes of data in a packet that a reader with a bound of 16 MiB still takes


def text(content: bytes) -> bytes:
    """Return a string as SFTP writes it."""
    return struct.pack(">I", len(content)) + content


def attributes(kind: str) -> bytes:
    """Return what is said of every file: flags for what follows, its size, its permissions."""
    return struct.pack(">IQI", 0x1 | 0x4, SIZES[kind], 0o100644)


def serve(kind: str, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request until there is no more."""
    while head := requests.read(5):
        length, request = struct.unpack(">IB", head)
        body = requests.read(length - 1)
        answers.write(text(answered(kind, request, body)))
        answers.flush()


def answered(kind: str, request: int, body: bytes) -> bytes:
    """Return the answer to one request."""
    if request == INIT:
        return bytes([VERSION]) + struct.pack(">I", 3)
    number = body[:4]
    if request == OPEN:
        return bytes([HANDLE]) + number + text(b"handle")
    if request == READ:
        [wanted] = struct.unpack(">I", body[-4:])
        return bytes([DATA]) + number + text(bytes(MOST if kind == "data" else wanted))
    if request == CLOSE:
        return bytes([STATUS]) + number + struct.pack(">I", 0) + text(b"") + text(b"")
    return bytes([ATTRIBUTES]) + number + attributes(kind)


if __name__ == "__main__":
    serve(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
