"""Calls of one login that are made together: one request for many costs a login node hardly more than one for one."""

import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from clusters.errors import Interrupted, TimedOut

_COMPANY_WAIT = 0.01  # seconds; about half of what a cancel takes

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class _Batch(Generic[Item, Result]):
    """Items of one request, and what came of it: a result or an error for each, or the error of the whole request."""

    items: list[Item] = field(default_factory=list)
    results: Sequence[Result | Exception] = ()
    error: Exception | None = None
    begun: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, work: Callable[[list[Item]], Sequence[Result | Exception]]) -> None:
        try:
            self.results = work(self.items)
        except Exception as exc:  # noqa: BLE001 - each caller of the batch raises it
            self.error = exc
        except BaseException:
            self.error = Interrupted("the thread that asked for several callers was ended")
            raise
        finally:
            self.over.set()

    def result(self, number: int) -> Result:
        """Return the result for one item, or raise its error."""
        if self.error:
            raise self.error
        result = self.results[number]
        if isinstance(result, Exception):
            raise result
        return result


@dataclass
class _Line(Generic[Item, Result]):
    """The callers of one login: one request at a time, and the batch that newcomers join."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    joining: _Batch[Item, Result] = field(default_factory=_Batch)
    callers: int = 0


class RequestBatcher(Generic[Item, Result]):
    """Puts what callers of one login ask for, while a request of theirs is under way, into the next request.

    A caller alone is served at once. Where several came together the last time, a caller waits a few milliseconds for
    company: those who had their answers together ask again at about the same time. Thread-safe.
    """

    def __init__(self, work: Callable[[list[Item]], Sequence[Result | Exception]], most: int) -> None:
        """`work` returns for each of its items, at most `most`, a result, or the error that its caller is to raise."""
        self._work = work
        self._most = most
        self.forget()
        _inherited.add(self)

    def forget(self) -> None:
        """Forget all callers: the threads that waited did not survive a fork."""
        self._lock = threading.Lock()
        self._lines: dict[Hashable, _Line[Item, Result]] = {}
        self._company: dict[Hashable, int] = {}  # how many asked together the last time, where that was not one

    def ask(self, login: Hashable, item: Item, timeout: float) -> Result:
        """Return the result for `item`, whose turn has to come within `timeout` seconds; then the request's own count.

        Raises what the request raises, and TimedOut if the turn does not come in time: `item` may still be asked for,
        in the batch that it has joined.
        """
        with self._lock:
            line = self._lines.setdefault(login, _Line())
            line.callers += 1
            if len(line.joining.items) >= self._most:
                line.joining = _Batch()
            batch, number = line.joining, len(line.joining.items)
            batch.items.append(item)
        try:
            self._wait_or_run(login, line, batch, timeout)
        finally:
            with self._lock:
                line.callers -= 1
                if not line.callers:
                    del self._lines[login]
        return batch.result(number)

    def _wait_or_run(
        self, login: Hashable, line: _Line[Item, Result], batch: _Batch[Item, Result], timeout: float
    ) -> None:
        """Wait for the turn of `batch`. The first of its callers who gets it asks for all of them."""
        if not line.turn.acquire(timeout=timeout):
            if not batch.begun:
                raise TimedOut(f"no answer within {timeout:g} s: other calls of this account came first")
            batch.over.wait()
            return
        try:
            if batch.over.is_set():
                return
            self._await_company(login, batch)
            with self._lock:
                batch.begun = True
                if line.joining is batch:
                    line.joining = _Batch()
                self._company.pop(login, None)
                if len(batch.items) > 1:
                    self._company[login] = len(batch.items)
            batch.run(self._work)
        finally:
            line.turn.release()

    def _await_company(self, login: Hashable, batch: _Batch[Item, Result]) -> None:
        company, deadline = self._company.get(login, 1), time.monotonic() + _COMPANY_WAIT
        while len(batch.items) < company and time.monotonic() < deadline:
            time.sleep(_COMPANY_WAIT / 8)


class DelayedBatcher(Generic[Key, Item]):
    """Hands over all items that were added under one key together, some time after the first. Thread-safe."""

    def __init__(
        self,
        hand_over: Callable[[Key, list[Item]], None],
        *,
        seconds: float,
        most: float = 0.0,
        gives_way: Callable[[], bool] = lambda: False,
    ) -> None:
        """Hand over after `seconds`; as long as `gives_way` returns true, up to `most` seconds after the first item.

        `hand_over` is called in a thread of its own, and should not take long.
        """
        self._hand_over = hand_over
        self._seconds = seconds
        self._most = most
        self._gives_way = gives_way
        self.forget()
        _inherited.add(self)

    def forget(self) -> None:
        """Forget what was added: after a fork it is the parent's to hand over."""
        self._lock = threading.Lock()
        self._items: dict[Key, list[Item]] = {}

    def add(self, key: Key, item: Item) -> None:
        """Add `item`, to be handed over with the others of `key`."""
        with self._lock:
            items = self._items.setdefault(key, [])
            items.append(item)
            is_first = len(items) == 1
        if is_first:
            self._start_timer(key, time.monotonic())

    def _start_timer(self, key: Key, since: float) -> None:
        timer = threading.Timer(self._seconds, self._on_timer, [key, since])
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # no further thread can be started; what nobody hands over would be kept for ever
            self._on_timer(key, -math.inf)

    def _on_timer(self, key: Key, since: float) -> None:
        if time.monotonic() - since < self._most and self._gives_way():
            self._start_timer(key, since)
            return
        with self._lock:
            items = self._items.pop(key)
        self._hand_over(key, items)


class _Inherited(Protocol):
    """What a forked process has from its parent, and has to begin anew."""

    def forget(self) -> None:
        """Begin anew."""


_inherited: weakref.WeakSet[_Inherited] = weakref.WeakSet()


def _forget_inherited() -> None:
    for each in list(_inherited):
        each.forget()


os.register_at_fork(after_in_child=_forget_inherited)
