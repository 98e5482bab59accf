"""An SFTP server that claims what it likes (draft-ietf-secsh-filexfer-02), run in a login by the system's own Python.

`python3 sftpserver.py KIND JOB...`, where KIND is
size       every file is said to have almost 2^63 bytes;
data       a read is answered by hundreds of times what was asked for;
directory  a directory has no last name, and all are of tasks of the arrays JOB.
"""

import struct
import sys
from typing import BinaryIO

INIT, VERSION, OPEN, CLOSE, READ, OPENDIR, READDIR = 1, 2, 3, 4, 5, 11, 12
STATUS, HANDLE, DATA, NAME, ATTRIBUTES = 101, 102, 103, 104, 105
SIZES = {"size": 2**63 - 1, "data": 2**30, "directory": 7}
MOST = 16 * 1024 * 1024 - 16  # bytes of data in a packet that a reader with a bound of 16 MiB still takes


def text(content: bytes) -> bytes:
    """Return a string as SFTP writes it."""
    return struct.pack(">I", len(content)) + content


def attributes(kind: str) -> bytes:
    """Return what is said of every file: flags for what follows, its size, its permissions."""
    return struct.pack(">IQI", 0x1 | 0x4, SIZES[kind], 0o100644)


def names(jobs: list[str], number: int) -> bytes:
    """Return a thousand entries of a directory."""
    entries = [f"out-{jobs[each % len(jobs)]}-{number}{each:03}.txt".encode() for each in range(1000)]
    return struct.pack(">I", 1000) + b"".join(
        text(entry) + text(entry * 10) + attributes("directory") for entry in entries
    )


def serve(kind: str, jobs: list[str], requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request until there is no more."""
    count = 0
    while head := requests.read(5):
        length, request = struct.unpack(">IB", head)
        body = requests.read(length - 1)
        count += 1
        answers.write(text(answered(kind, jobs, request, body, count)))
        answers.flush()


def answered(kind: str, jobs: list[str], request: int, body: bytes, count: int) -> bytes:
    """Return the answer to one request."""
    if request == INIT:
        return bytes([VERSION]) + struct.pack(">I", 3)
    number = body[:4]
    if request in {OPEN, OPENDIR}:
        return bytes([HANDLE]) + number + text(b"handle")
    if request == READ:
        [wanted] = struct.unpack(">I", body[-4:])
        return bytes([DATA]) + number + text(bytes(MOST if kind == "data" else wanted))
    if request == READDIR:
        return bytes([NAME]) + number + names(jobs, count)
    if request == CLOSE:
        return bytes([STATUS]) + number + struct.pack(">I", 0) + text(b"") + text(b"")
    return bytes([ATTRIBUTES]) + number + attributes(kind)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:], sys.stdin.buffer, sys.stdout.buffer)
