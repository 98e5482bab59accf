"""Tells the parts of this process that it is about to stop: what only waits for time to pass then ends at once."""

from collections.abc import Callable
from threading import Event, Lock

_listeners: list[Callable[[], None]] = []
_told = Event()
_lock = Lock()


def on_stop(listener: Callable[[], None]) -> None:
    """Have `listener` called once: when the process is told to stop, or now if it was. It must not wait."""
    with _lock:
        if not _told.is_set():
            _listeners.append(listener)
            return
    listener()


def announce_stop() -> None:
    """Say that the process is about to stop."""
    with _lock:
        _told.set()
        listeners = list(_listeners)
        _listeners.clear()
    for listener in listeners:
        listener()
