"""Files that operators change while the service runs: read again then, kept as they were when they break."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from proxyauth.errors import Unreadable

T = TypeVar("T")

# Two writes within one tick of the kernel's clock leave the same times: a file so young is read again until it has
# settled.
_SETTLED_NS = 100_000_000


class FileVersion(NamedTuple):
    """What changes when a file changes; the change time catches tools that put modification times back."""

    changed_ns: int
    modified_ns: int
    size: int
    inode: int

    def is_settled(self, at_ns: int) -> bool:
        """Whether a further write would show in the times, if the file was read at `at_ns`."""
        return not 0 <= at_ns - self.changed_ns < _SETTLED_NS


Stamps = Mapping[str, FileVersion]


def file_version(status: os.stat_result) -> FileVersion:
    """The stamp in a file's status."""
    return FileVersion(status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_ino)


@dataclass(frozen=True, slots=True)
class State(Generic[T]):
    """The value now, and why it could not be renewed ("" if it could)."""

    value: T
    fault: str = ""
    stamps: Stamps | None = None
    is_settled: bool = False


class ReloadingFile(Generic[T]):
    """A value that files hold.

    `look` returns their stamps, `load` reads them and gets the value before, None at first. Both may raise OSError or
    Unreadable. Threads share it; states are replaced as a whole, so nobody sees half of a change.
    """

    def __init__(self, look: Callable[[], Stamps], load: Callable[[Stamps, T | None], T], empty: T) -> None:
        self._look = look
        self._load = load
        self._lock = threading.Lock()
        self._state = State(empty)
        self._good: T | None = None

    def state(self) -> State[T]:
        """The present state, after one look at the files."""
        try:
            stamps = self._look()
        except OSError as exc:
            return self._broken(None, str(exc))
        state = self._state
        if state.is_settled and state.stamps == stamps:
            return state
        with self._lock:
            return self._reload(stamps)

    def _reload(self, stamps: Stamps) -> State[T]:
        before = time.time_ns()
        try:
            value = self._load(stamps, self._good)
        except (OSError, Unreadable) as exc:
            return self._broken(stamps, str(exc))
        self._good = value
        self._state = State(value, "", stamps, all(each.is_settled(before) for each in stamps.values()))
        return self._state

    def _broken(self, stamps: Stamps | None, fault: str) -> State[T]:
        """Keep the value; look again at the next request."""
        self._state = State(self._state.value, fault, stamps, is_settled=False)
        return self._state
