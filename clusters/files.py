"""Output files over SFTP, as the account that owns the channel."""

import errno
import re
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

import paramiko

from clusters.errors import Interrupted, TimedOut

_PIECE = 256 * 1024
_AHEAD = 64  # read requests under way at once, 32 KiB each


@dataclass(frozen=True)
class OutputFile:
    """A file on a cluster as it was when it was opened: its size in bytes, and its content in pieces."""

    size: int
    pieces: Iterator[bytes]


@contextmanager
def client(channel: paramiko.Channel, timeout: float) -> Iterator[paramiko.SFTPClient]:
    """Speak SFTP on an unused `channel`; each answer has `timeout` seconds. Raises TimedOut, Interrupted."""
    watchdog = threading.Timer(timeout, channel.close)  # paramiko waits for the subsystem without limit
    watchdog.daemon = True
    watchdog.start()
    try:
        channel.settimeout(timeout)
        channel.invoke_subsystem("sftp")
        sftp = paramiko.SFTPClient(channel)
        watchdog.cancel()
        with closing(sftp):
            yield sftp
    except TimeoutError as exc:
        raise TimedOut(f"no answer to a file request within {timeout:g} s") from exc
    except (paramiko.SSHException, EOFError) as exc:
        raise Interrupted(f"the file transfer broke off: {exc}") from exc
    finally:
        watchdog.cancel()


@contextmanager
def opened(sftp: paramiko.SFTPClient, path: str) -> Iterator[OutputFile]:
    """Open the regular file `path`, or with `%a` in its name the files of all tasks of a job array one after another.

    Each is read up to its present size. Raises FileNotFoundError where the account can read no such file.
    """
    with _missing_is_not_found(path):
        found = _tasks(sftp, path) if "%a" in PurePosixPath(path).name else [(path, sftp.stat(path))]
        # Opening a pipe would wait for its writer, and reading a device might never end.
        files = [(name, entry.st_size or 0) for name, entry in found if stat.S_ISREG(entry.st_mode or 0)]
        if not files:
            raise FileNotFoundError(path)
        with ExitStack() as stack:
            first = stack.enter_context(closing(sftp.open(files[0][0], "rb")))
            yield OutputFile(sum(size for _name, size in files), _pieces(sftp, first, files))


def _tasks(sftp: paramiko.SFTPClient, path: str) -> list[tuple[str, paramiko.SFTPAttributes]]:
    """Return the files whose names have a number where `path` has `%a`, in the order of these numbers."""
    directory, name = PurePosixPath(path).parent, PurePosixPath(path).name
    before, _, after = (re.escape(part) for part in name.partition("%a"))
    pattern = re.compile(f"{before}([0-9]+){after.replace('%a', r'[0-9]+')}")
    entries = sftp.listdir_attr(str(directory))
    found = [(int(match[1]), entry) for entry in entries if (match := pattern.fullmatch(entry.filename))]
    return [(str(directory / entry.filename), entry) for _number, entry in sorted(found, key=lambda pair: pair[0])]


def _pieces(sftp: paramiko.SFTPClient, first: paramiko.SFTPFile, files: Sequence[tuple[str, int]]) -> Iterator[bytes]:
    """Read as many bytes of each file as it had: what is appended meanwhile belongs to the next request."""
    yield from _content(first, files[0][1])
    for name, size in files[1:]:
        with closing(sftp.open(name, "rb")) as file:
            yield from _content(file, size)


def _content(file: paramiko.SFTPFile, size: int) -> Iterator[bytes]:
    file.prefetch(size, _AHEAD)
    while size > 0 and (piece := file.read(min(_PIECE, size))):
        size -= len(piece)
        yield piece


@contextmanager
def _missing_is_not_found(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in {errno.ENOENT, errno.EACCES, errno.ENOTDIR}:
            raise FileNotFoundError(path) from exc
        raise
