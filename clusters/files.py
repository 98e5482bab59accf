"""Output files on a cluster, read over SFTP."""

import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from clusters.errors import Interrupted, Malformed, TooMuch
from clusters.filenames import Template
from clusters.packets import Attributes
from clusters.sftp import Client

_MOST_TASKS = 10_000  # files that are read one after another
_LARGEST = 2**63 - 1  # bytes


@dataclass(frozen=True)
class OutputFile:
    """A file on a cluster as it was when it was opened: its size in bytes, and its content in pieces.

    The pieces are `size` bytes, or end with a ClusterError: what reads them may not take a part for the whole.
    """

    size: int
    pieces: Iterator[bytes]


@dataclass(frozen=True)
class _Part:
    """A file of which `size` bytes are read: with them it can be found and read on, on any channel."""

    path: bytes
    size: int


@contextmanager
def opened(sftp: Client, path: str, current: Callable[[], Client] | None = None) -> Iterator[OutputFile]:
    """Open the regular file `path`, or with `%a` in its name the files of all tasks of a job array one after another.

    Each is read up to its present size. `current` returns the client to go on with: where it is another than before,
    what is left is read by that one. Raises FileNotFoundError where the account can read no such file, TooMuch where
    there are too many, and what `sftp` raises.
    """
    directory, _, name = path.encode().rpartition(b"/")
    template = Template.of(name)
    if template:
        parts = _tasks(sftp, directory or b"/", template)
    else:
        parts = list(_regular(path.encode(), sftp.stat(path.encode())))
    if not parts:
        raise FileNotFoundError(path)
    size = sum(part.size for part in parts)
    if size > _LARGEST:
        raise Malformed(f"the login node claims that the files {path} have {size} bytes")
    yield OutputFile(size, _pieces(sftp, sftp.open(parts[0].path), parts, current or (lambda: sftp)))


def _tasks(sftp: Client, directory: bytes, template: Template) -> list[_Part]:
    """Return the files in `directory` that are those of tasks by their names, in the order of the tasks' numbers."""
    found: list[tuple[int, bytes, Attributes]] = []
    for name, attributes in sftp.names(directory):
        number = template.task(name)
        if number is not None:
            found.append((number, name, attributes))
        if len(found) > _MOST_TASKS:
            raise TooMuch(f"more than {_MOST_TASKS} tasks have output files, too many to be joined")
    return [
        part
        for _number, name, attributes in sorted(found, key=lambda each: each[:2])
        for part in _regular(directory + b"/" + name, attributes)
    ]


def _regular(path: bytes, attributes: Attributes) -> Iterator[_Part]:
    """Return the file with its size, unless it is none: a pipe would wait for its writer, a device might never end."""
    if not stat.S_ISREG(attributes.mode):
        return
    if attributes.size is None:
        raise Malformed("the login node tells no size of a file")
    yield _Part(path, attributes.size)


def _pieces(sftp: Client, handle: bytes, parts: Sequence[_Part], current: Callable[[], Client]) -> Iterator[bytes]:
    """Read as many bytes of each file as it had: what is appended meanwhile belongs to the next request.

    `handle` is that of the first, which is open already.
    """
    for part in parts:
        if part is not parts[0]:
            sftp = current()
            handle = _opened_later(sftp, part)
        position, whole = 0, False
        while not whole:
            whole = True
            for piece in sftp.read(handle, position, part.size - position):
                position += len(piece)
                yield piece
                if current() is not sftp:
                    whole = False
                    break
            if whole:
                sftp.close(handle)
            else:
                sftp = current()
                handle = _opened_later(sftp, part)


def _opened_later(sftp: Client, part: _Part) -> bytes:
    try:
        return sftp.open(part.path)
    except FileNotFoundError as exc:
        raise Interrupted(f"an output file is not there any more: {exc}") from exc
