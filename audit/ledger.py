"""Writes lines of the audit log: at once, or behind the answer's back where a caller must not wait for it."""

import atexit
import os
import queue
import threading
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.forms import model_to_dict

from audit.models import Entry

log = structlog.get_logger(__name__)

_BATCH = 200
_GATHERING = 0.05  # seconds: each statement costs more than its lines do, in this process and in PostgreSQL
_MOST = 10_000  # lines of a process that wait for the database; each takes a few KB at most
_PATIENCE = 5.0  # seconds that the end of a process waits for lines that are not stored yet
_COLUMNS = (
    "at", "account", "dn", "operator", "address", "action", "cluster", "submission", "subject", "outcome", "code",
    "detail", "request_id",
)  # fmt: skip
# The ORM opens a transaction for it, which is two ways more to PostgreSQL and back, and takes 0.2 ms to write it.
_STORE = """
    INSERT INTO audit_entry (at, account, dn, operator, address, action, cluster, submission, subject, outcome, code,
                             detail, request_id)
    VALUES {rows} ON CONFLICT DO NOTHING
"""
_ROW = f"({', '.join(['%s'] * len(_COLUMNS))})"


def entry(action: str, outcome: str, **fields: Any) -> Entry:
    """Return a line about the request that is being answered; its id and address are those of the log's lines."""
    bound = structlog.contextvars.get_contextvars()
    fields.setdefault("request_id", str(bound.get("request_id", "")))
    fields.setdefault("address", str(bound.get("client", "")))
    return Entry(action=action, outcome=outcome, **fields)


def store(lines: Iterable[Entry]) -> bool:
    """Insert `lines`. Where the database is away each goes to the log in full, at level error, and False is returned.

    What was done is done, and was answered: a missing line must not turn into a failure of the call. A line that the
    database does not take goes to the log alone, and takes none of the others along.
    """
    lines = list(lines)
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext(), connection.cursor() as cursor:
            values = [getattr(line, column) for line in lines for column in _COLUMNS]
            cursor.execute(_STORE.format(rows=", ".join([_ROW] * len(lines))), values)
    except (DatabaseError, ValueError) as exc:  # the latter for a NUL
        if len(lines) > 1 and not isinstance(exc, OperationalError | InterfaceError):
            stored = [store([line]) for line in lines]
            return all(stored)
        fault = str(exc).partition("\n")[0]
    else:
        return True
    _log(lines, fault)
    return False


def _log(lines: Iterable[Entry], fault: str) -> None:
    for line in lines:
        log.error("audit-line-not-stored", error=fault, line=model_to_dict(line))


class Ledger:
    """The lines of this process that are not stored yet. One thread stores them, many at a time."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Entry] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._left = 0
        self._empty = threading.Condition()
        self._hurried = threading.Event()

    def later(self, line: Entry) -> None:
        """Have `line` stored within moments; nobody waits for it. It goes to the log where too many lines wait."""
        with self._empty:
            has_room = self._left < _MOST
            self._left += has_room
        if not has_room:
            _log([line], "too many lines wait for the database")
            return
        self._waiting.put(line)
        if self._thread is None:
            self._start()

    def flush(self, timeout: float = _PATIENCE) -> bool:
        """Wait until every line is stored, or `timeout` seconds; say whether every one is."""
        self._hurried.set()
        try:
            with self._empty:
                return self._empty.wait_for(lambda: not self._left, timeout)
        finally:
            self._hurried.clear()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="audit-ledger", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            lines = [self._waiting.get()]
            if self._waiting.qsize() < _BATCH:
                self._hurried.wait(_GATHERING)
            while len(lines) < _BATCH and not self._waiting.empty():
                lines.append(self._waiting.get())
            try:
                store(lines)
                connection.close()  # others can use it
            except Exception:
                log.exception("audit-ledger-stumbled")
            with self._empty:
                self._left -= len(lines)
                self._empty.notify_all()


_of_this_process = Ledger()


def later(line: Entry) -> None:
    """Store `line` behind the answer's back, or at once where the settings say so (AUDIT_AT_ONCE: tests)."""
    if getattr(settings, "AUDIT_AT_ONCE", False):
        store([line])
    else:
        _of_this_process.later(line)


def flush() -> bool:
    """Wait until this process has stored its lines; say whether it has."""
    return _of_this_process.flush()


def _begin_anew() -> None:
    """Leave the parent's lines to the parent: its thread did not survive the fork."""
    global _of_this_process  # noqa: PLW0603 - the one place that replaces it
    _of_this_process = Ledger()


os.register_at_fork(after_in_child=_begin_anew)
atexit.register(flush)
