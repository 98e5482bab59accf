"""Output files on a cluster, read over SFTP."""

import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from clusters.errors import Interrupted, Malformed, TooMuch
from clusters.slurm.filenames import Pattern, Template
from clusters.ssh.sftp import Client
from clusters.ssh.sftp_packets import Attributes

_MOST_TASKS = 10_000  # files that are read one after another
_PROBED = 64  # tasks whose files decide which names are the right ones
_LARGEST = 2**63 - 1  # bytes
_TOO_MANY = f"more than {_MOST_TASKS} tasks have output files, too many to be joined"


@dataclass(frozen=True)
class Named:
    """The path of an output file, and the number of the task that writes it; None where there is no array."""

    path: str
    task: int | None = None


@dataclass(frozen=True)
class Wanted:
    """The output files of a job, in the order in which they are read.

    `variants` are what they may be called, the last of which may be names that tasks share; the first counts of which a
    file is there. Where nobody knows the tasks, `template` is a path with `%a` instead. A file that has not changed
    since `since` (epoch) is another job's; None: no other job has such names.
    """

    variants: tuple[tuple[Named, ...], ...]
    since: int | None = None
    template: Pattern | None = None


@dataclass(frozen=True)
class OutputFile:
    """A file on a cluster as it was when it was opened: its size in bytes, and its content in pieces.

    The pieces are `size` bytes, or end with a ClusterError: what reads them may not take a part for the whole. Of an
    array `tasks` are the numbers of the tasks whose files follow each other, and the size of each.
    """

    size: int
    pieces: Iterator[bytes]
    tasks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class _Part:
    """A file of which `size` bytes are read. It can be opened by its path again, on another channel."""

    path: bytes
    size: int
    task: int | None = None


@contextmanager
def opened(sftp: Client, wanted: Wanted, current: Callable[[], Client] | None = None) -> Iterator[OutputFile]:
    """Open the files that are `wanted`, one after another.

    Each is read up to its present size. `current` returns the client to go on with: where it is another than before,
    what is left is read by that one. Raises FileNotFoundError where the account can read no such file, TooMuch where
    there are too many, and what `sftp` raises.
    """
    if any(len(variant) > _MOST_TASKS for variant in wanted.variants):
        raise TooMuch(_TOO_MANY)
    parts = _files_by_template(sftp, wanted.template) if wanted.template else _files_of_variant(sftp, wanted)
    if not parts:
        raise FileNotFoundError
    size = sum(part.size for part in parts)
    if size > _LARGEST:
        raise Malformed(f"the login node claims that the output files have {size} bytes")
    tasks = tuple((part.task, part.size) for part in parts if part.task is not None)
    yield OutputFile(size, _pieces(sftp, sftp.open(parts[0].path), parts, current or (lambda: sftp)), tasks)


def _files_of_variant(sftp: Client, wanted: Wanted) -> list[_Part]:
    """Return the files of the first variant that has a file which no other variant names."""
    *own, last = wanted.variants
    for number, variant in enumerate(own, start=1):
        later = {named.path for other in wanted.variants[number:] for named in other[:_PROBED]}
        apart = [named for named in variant[:_PROBED] if named.path not in later]
        if _existing(sftp, apart, wanted.since):
            return _existing(sftp, variant, wanted.since)
    return _existing(sftp, last, wanted.since)


def _existing(sftp: Client, names: Sequence[Named], since: int | None) -> list[_Part]:
    """Return the files of these names that are there and have changed since `since`, each once."""
    tasks = {named.path.encode(): named.task for named in reversed(names)}
    paths = list(dict.fromkeys(named.path.encode() for named in names))
    return [
        part
        for path, attributes in zip(paths, sftp.stats(paths), strict=True)
        if attributes and (since is None or attributes.modified is None or attributes.modified >= since)
        for part in _part_of_regular_file(path, attributes, tasks[path])
    ]


def _files_by_template(sftp: Client, pattern: Pattern) -> list[_Part]:
    """Return the files in the pattern's directory that have names of tasks, in the order of the tasks' numbers."""
    directory, _, name = pattern.written().rpartition("/")
    template = Template.of(Pattern.of(name))
    directory_pattern = Pattern.of(directory)
    if template is None or directory_pattern.letters:
        return []
    parent = "".join(piece for piece in directory_pattern.pieces if isinstance(piece, str)).encode()
    entries: list[tuple[int, bytes, Attributes]] = []
    for entry, attributes in sftp.names(parent or b"/"):
        number = template.task(entry)
        if number is not None:
            entries.append((number, entry, attributes))
        if len(entries) > _MOST_TASKS:
            raise TooMuch(_TOO_MANY)
    return [
        part
        for number, entry, attributes in sorted(entries, key=lambda each: each[:2])
        for part in _part_of_regular_file(parent + b"/" + entry, attributes, number)
    ]


def _part_of_regular_file(path: bytes, attributes: Attributes, task: int | None) -> Iterator[_Part]:
    """Yield the file, if it is a regular one: a pipe would wait for its writer, and a device might never end."""
    if not stat.S_ISREG(attributes.mode):
        return
    if attributes.size is None:
        raise Malformed("the login node tells no size of a file")
    yield _Part(path, attributes.size, task)


def _pieces(sftp: Client, handle: bytes, parts: Sequence[_Part], current: Callable[[], Client]) -> Iterator[bytes]:
    """Yield as many bytes of each file as it had; what is appended meanwhile belongs to the next request.

    `handle` is that of the first, which is open already.
    """
    for part in parts:
        if part is not parts[0]:
            sftp = current()
            handle = _reopen(sftp, part)
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
                handle = _reopen(sftp, part)


def _reopen(sftp: Client, part: _Part) -> bytes:
    try:
        return sftp.open(part.path)
    except FileNotFoundError as exc:
        raise Interrupted(f"an output file is not there any more: {exc}") from exc
