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

_COMPANY = 0.01  # seconds; about half of what a cancel takes

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class _Batch(Generic[Item, Result]):
    """Items that are asked for in one request, and what came of them: results, or the error of the request."""

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
        """Return what came of one item. Raises what came instead."""
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


class Together(Generic[Item, Result]):
    """Has what callers of one login ask for, while another request of theirs is under way, asked in the next one.

    A caller alone is served at once. Where there was company the last time, it is waited for, a few milliseconds: those
    who had their answers together ask again at about the same time. Thread-safe.
    """

    def __init__(self, work: Callable[[list[Item]], Sequence[Result | Exception]], most: int) -> None:
        """`work` returns for each of its items, at most `most`, a result, or the error that its caller is to raise."""
        self._work = work
        self._most = most
        self.forget()
        _inherited.add(self)

    def forget(self) -> None:
        """Forget everybody: the threads that waited did not survive a fork."""
        self._lock = threading.Lock()
        self._lines: dict[Hashable, _Line[Item, Result]] = {}
        self._company: dict[Hashable, int] = {}  # how many asked together the last time, where that was not one

    def ask(self, login: Hashable, item: Item, timeout: float) -> Result:
        """Return the result for `item`. Raises what the request raises, TimedOut if its turn has not come in time.

        Then `item` may still be asked for, with those of others. Once it is, the time is the request's own.
        """
        with self._lock:
            line = self._lines.setdefault(login, _Line())
            line.callers += 1
            if len(line.joining.items) >= self._most:
                line.joining = _Batch()
            batch, number = line.joining, len(line.joining.items)
            batch.items.append(item)
        try:
            self._served(login, line, batch, timeout)
        finally:
            with self._lock:
                line.callers -= 1
                if not line.callers:
                    del self._lines[login]
        return batch.result(number)

    def _served(self, login: Hashable, line: _Line[Item, Result], batch: _Batch[Item, Result], timeout: float) -> None:
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
        company, deadline = self._company.get(login, 1), time.monotonic() + _COMPANY
        while len(batch.items) < company and time.monotonic() < deadline:
            time.sleep(_COMPANY / 8)


class Collected(Generic[Item]):
    """Hands over what was added for one login together, some time after the first. Thread-safe."""

    def __init__(
        self,
        hand_over: Callable[[list[Item]], None],
        *,
        seconds: float,
        most: float = 0.0,
        gives_way: Callable[[], bool] = lambda: False,
    ) -> None:
        """Hand over after `seconds`, or up to `most` where it `gives_way` to something else meanwhile.

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
        self._items: dict[Hashable, list[Item]] = {}

    def add(self, login: Hashable, item: Item) -> None:
        """Add `item`; it is handed over at most `seconds` later."""
        with self._lock:
            items = self._items.setdefault(login, [])
            items.append(item)
            is_first = len(items) == 1
        if is_first:
            self._hand_over_later(login, time.monotonic())

    def _hand_over_later(self, login: Hashable, since: float) -> None:
        timer = threading.Timer(self._seconds, self._due, [login, since])
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # no further thread can be started; what nobody hands over would be kept for ever
            self._due(login, -math.inf)

    def _due(self, login: Hashable, since: float) -> None:
        if time.monotonic() - since < self._most and self._gives_way():
            self._hand_over_later(login, since)
            return
        with self._lock:
            items = self._items.pop(login)
        self._hand_over(items)


class _Inherited(Protocol):
    """What a forked process has of its parent, and is to begin anew."""

    def forget(self) -> None:
        """Begin anew."""


_inherited: weakref.WeakSet[_Inherited] = weakref.WeakSet()


def _forget_inherited() -> None:
    for each in list(_inherited):
        each.forget()


os.register_at_fork(after_in_child=_forget_inherited)
