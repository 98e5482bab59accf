"""Files that are read again when they change; where the new version is broken, the last good one stays in use."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from proxyauth.errors import Unreadable

T = TypeVar("T")

# Two writes within one tick of the kernel's clock leave the same times: a file so young is read again until it has
# become stable.
_STABLE_NS = 100_000_000


class FileVersion(NamedTuple):
    """What differs when a file has changed. The change time catches tools that put modification times back."""

    changed_ns: int
    modified_ns: int
    size: int
    inode: int

    def is_stable(self, at_ns: int) -> bool:
        """Return whether a further write would show in the times, if the file was read at `at_ns`."""
        return not 0 <= at_ns - self.changed_ns < _STABLE_NS


FileVersions = Mapping[str, FileVersion]


def file_version(status: os.stat_result) -> FileVersion:
    """Return the version that a file's status tells of."""
    return FileVersion(status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_ino)


@dataclass(frozen=True, slots=True)
class FileState(Generic[T]):
    """The value now, and why it could not be renewed ("" if it could)."""

    value: T
    fault: str = ""
    versions: FileVersions | None = None
    is_stable: bool = False


class ReloadingFile(Generic[T]):
    """A value that files hold.

    `look` returns their versions, `load` reads them and gets the value before, None at first. Both may raise OSError or
    Unreadable. Threads share it; states are replaced as a whole, so nobody sees half of a change.
    """

    def __init__(self, look: Callable[[], FileVersions], load: Callable[[FileVersions, T | None], T], empty: T) -> None:
        self._look = look
        self._load = load
        self._lock = threading.Lock()
        self._state = FileState(empty)
        self._good: T | None = None

    def state(self) -> FileState[T]:
        """Return the present state, after one look at the files. Raises nothing: `fault` says what is wrong."""
        try:
            versions = self._look()
        except OSError as exc:
            return self._broken(None, str(exc))
        state = self._state
        if state.is_stable and state.versions == versions:
            return state
        with self._lock:
            return self._reload(versions)

    def _reload(self, versions: FileVersions) -> FileState[T]:
        before = time.time_ns()
        try:
            value = self._load(versions, self._good)
        except (OSError, Unreadable) as exc:
            return self._broken(versions, str(exc))
        self._good = value
        self._state = FileState(value, "", versions, all(each.is_stable(before) for each in versions.values()))
        return self._state

    def _broken(self, versions: FileVersions | None, fault: str) -> FileState[T]:
        """Keep the value; look again at the next request."""
        self._state = FileState(self._state.value, fault, versions, is_stable=False)
        return self._state
