"""Counts the processes that accounts of the login node have started: process accounting, acct(2) and acct(5).

The kernel writes a record of 64 bytes when a process ends, so what goes on living is not counted. It knows one file at
a time for the whole machine: runs of the benchmarks take turns by a lock, and each count proves that it was kept.
"""

import ctypes
import fcntl
import os
import struct
import subprocess
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# struct acct_v3 of linux/acct.h: flag, version, (terminal, exit code), uid, (gid), pid, (parent, start, seven times and
# counts), name. The low half of the version is 3; the high bit tells the order of bytes.
_RECORD = struct.Struct("=BB2x4xI4xI4x4x4x16x16s")
_VERSION = 3
_LOCK = Path("/run/lock/process-accounting")


class NotCounted(Exception):
    """The kernel keeps no accounts, or keeps them elsewhere now."""


@dataclass(frozen=True)
class Ended:
    """A process that has ended; `command` is the beginning of its program's name."""

    uid: int
    pid: int
    command: str


def records(payload: bytes) -> list[Ended]:
    """Read the records in `payload`. Raises ValueError for one in another form, or one that is cut."""
    found = []
    if len(payload) % _RECORD.size:
        raise ValueError(f"{len(payload)} bytes are no whole number of records")
    for _flag, version, uid, pid, name in _RECORD.iter_unpack(payload):
        if version & 0x0F != _VERSION:
            raise ValueError(f"a record of version {version}")
        found.append(Ended(uid, pid, name.partition(b"\0")[0].decode("utf-8", "replace")))
    return found


def of_accounts(ended: Collection[Ended], uids: Collection[int]) -> Counter[str]:
    """Return how many processes of the accounts with `uids` have ended, by command."""
    return Counter(one.command for one in ended if one.uid in uids)


class Accounts:
    """The file into which the kernel writes."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> int:
        """Return where the next record will be."""
        return self._file.stat().st_size

    def since(self, start: int) -> list[Ended]:
        """Return what has ended from `start` on, which `now` returned. Raises NotCounted if that is not all."""
        witness = subprocess.Popen(["/bin/true"])
        witness.wait()
        with self._file.open("rb") as stream:
            stream.seek(start)
            found = records(stream.read())
        if not any(one.pid == witness.pid for one in found):
            raise NotCounted("somebody else has taken the machine's process accounting, or its disk is full")
        return found


@contextmanager
def kept(directory: Path) -> Iterator[Accounts]:
    """Have the kernel keep accounts in a file of `directory`, which is on a disk. Raises NotCounted. Needs root."""
    file = directory / "accounts"
    file.touch(mode=0o600)
    with _LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _switch(os.fsencode(file))
        try:
            yield Accounts(file)
        finally:
            _switch(None)


def _switch(file: bytes | None) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.acct(file) != 0:
        raise NotCounted(f"acct(2): {os.strerror(ctypes.get_errno())}")
