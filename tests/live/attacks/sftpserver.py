"""An SFTP server that claims what it likes (draft-ietf-secsh-filexfer-02), run in a login by the system's own Python.

`python3 sftpserver.py KIND`: every file is said to have almost 2^63 bytes, and with KIND
size       each read is answered as asked, without an end;
packet     the second answer is a packet of 4 GiB;
data       a read is answered by far more than was asked for;
directory  a directory has no last name;
silence    nothing is answered after the greeting.
"""

import struct
import sys
import time
from typing import BinaryIO

INIT, VERSION, OPEN, CLOSE, READ, OPENDIR, READDIR = 1, 2, 3, 4, 5, 11, 12
STATUS, HANDLE, DATA, NAME, ATTRIBUTES = 101, 102, 103, 104, 105
HUGE = struct.pack(">IQI", 0x1 | 0x4, 2**63 - 1, 0o100644)  # flags for size and permissions, size, permissions
PIECE = bytes(1024 * 1024)


def text(content: bytes) -> bytes:
    """Return a string as SFTP writes it."""
    return struct.pack(">I", len(content)) + content


def names(number: int) -> bytes:
    """Return a thousand entries of a directory."""
    entries = [f"out-{number}{each:03}.txt".encode() for each in range(1000)]
    return struct.pack(">I", 1000) + b"".join(text(entry) + text(entry * 10) + HUGE for entry in entries)


def serve(kind: str, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request until there is no more."""
    count = 0
    while head := requests.read(5):
        length, request = struct.unpack(">IB", head)
        body = requests.read(length - 1)
        count += 1
        if request == INIT:
            answer = bytes([VERSION]) + struct.pack(">I", 3)
        elif kind == "silence":
            time.sleep(600)
        elif kind == "packet":
            flood(answers)
        else:
            answer = answered(kind, request, body, count)
        answers.write(text(answer))
        answers.flush()


def answered(kind: str, request: int, body: bytes, count: int) -> bytes:
    """Return the answer to one request."""
    number = body[:4]
    if request in {OPEN, OPENDIR}:
        return bytes([HANDLE]) + number + text(b"handle")
    if request == READ:
        [wanted] = struct.unpack(">I", body[-4:])
        return bytes([DATA]) + number + text(bytes(64 * len(PIECE) if kind == "data" else wanted))
    if request == READDIR:
        return bytes([NAME]) + number + names(count)
    if request == CLOSE:
        return bytes([STATUS]) + number + struct.pack(">I", 0) + text(b"") + text(b"")
    return bytes([ATTRIBUTES]) + number + HUGE


def flood(answers: BinaryIO) -> None:
    """Write a packet that says that it has 4 GiB, until nobody takes any more."""
    answers.write(struct.pack(">I", 0xFFFFFFF0))
    answers.writelines(PIECE for _ in range(4095))


if __name__ == "__main__":
    serve(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
