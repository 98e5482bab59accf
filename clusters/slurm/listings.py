"""PURE. What squeue and sacct print of jobs, read into values. Times are epochs there and aware UTC here.

What is printed is the word of a login, so each value has bounds (`clusters.bounds`) that the registry's columns can
hold, and is read by scans of linear time: a line that is beyond them is one that is not understood.
Sources: the manual pages of squeue and sacct; what SLURM 20.11 to 26.05 has printed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from sys import intern
from typing import Any, NamedTuple

from clusters import bounds
from clusters.bounds import number
from clusters.errors import Failed
from clusters.slurm import job_names
from clusters.slurm.columns import (
    count_of,
    duration_of,
    exit_code_of,
    is_allocated,
    seconds_of,
    state_of,
    time_of,
    user_of,
)
from clusters.slurm.records import Listing, Record
from clusters.slurm.shell import Section, decoded

_LONGEST_REASON = 200
UNKNOWN_JOB = "Invalid job id specified"  # what squeue says, with exit status 1
_WAIT_STATUS = 0xFFFF  # wait(2)
_UNREAD_SHOWN = 10  # lines


def parse_exit_codes(sections: Iterable[Section]) -> dict[str, int]:
    """Return the wait statuses (wait(2)) of ended jobs by their records' names; nothing where squeue failed.

    What SLURM 20.11 and 22.05 print as the wait status `768` is `3:0` in 24.11, code and signal. A line that is none
    tells nothing (a long name is cut, and then no blank is between the two): accounting tells the exit code as well.
    """
    statuses = {}
    for line in (line for section in sections if section.status == 0 for line in _lines(section.text)):
        with suppress(ValueError):
            name, code = line.split(maxsplit=2)
            statuses[name.replace("+", "_")] = _wait_status(code)
    return statuses


def _wait_status(code: str) -> int:
    """Return the wait status of `768` or `3:0`. Raises ValueError."""
    exit_code, colon, signal = code.partition(":")
    if not colon:
        return number(exit_code, _WAIT_STATUS)
    return number(exit_code, 0xFF) << 8 | number(signal, 0x7F)


def _lines(text: str) -> Iterator[str]:
    """Return the lines of `text` that are not empty, one after another: there may be 100,000."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        if end > begin:
            yield text[begin:end]
        begin = end + 1


class _Column(NamedTuple):
    """A column that a record can do without: where it stands, its name, and how it is read.

    `blank`: a text that stands for it where it cannot be read. `fields`: what it tells of a record. One that is
    `of_allocated` says nothing of a job to which nothing was allocated, and is not looked at.
    """

    at: int
    name: str
    read: Callable[[str], object]
    blank: str
    fields: tuple[str, ...]
    of_allocated: bool = False


class _Command(NamedTuple):
    """One of SLURM's commands: how its lines are cut, which columns they can do without, and where nodes are listed."""

    name: str
    read: Callable[[Sequence[str]], Record]
    cuts: int
    node_list: int
    columns: tuple[_Column, ...]


def _listing(text: str, command: _Command) -> Listing:
    records: list[Record] = []
    unread, unclear = _FirstFew(), _FirstFew()
    for line in _lines(text):
        columns = line.split("|", command.cuts)
        try:
            records.append(command.read(columns))
        except ValueError:
            try:
                records.append(_parse_leniently(columns, command, unclear))
            except ValueError:
                unread.add(f"{command.name}: {line[:300]!r}")
    return Listing(records, tuple(unread.first), unread.more, tuple(unclear.first), unclear.more)


class _FirstFew:
    """The first of what may be many, and how many more there are."""

    def __init__(self) -> None:
        self.first: list[str] = []
        self.more = 0

    def add(self, text: str) -> None:
        """Keep it if it is among the first."""
        if len(self.first) < _UNREAD_SHOWN:
            self.first.append(text)
        else:
            self.more += 1


def _parse_leniently(columns: list[str], command: _Command, unclear: _FirstFew) -> Record:
    """Read a line without the columns that cannot be read; `unclear` gets a word on each.

    Raises ValueError where another one cannot be read: the id, the user, the state, when it was submitted. These say
    what the line is about.
    """
    if len(columns) <= command.node_list:
        raise ValueError("too few columns")
    allocated = is_allocated(columns[command.node_list])
    faulty = [
        column
        for column in command.columns
        if (allocated or not column.of_allocated) and not _can_be_read(column, columns)
    ]
    legible = list(columns)
    for column in faulty:
        legible[column.at] = column.blank
    record = command.read(legible)
    for column in faulty:
        if column.of_allocated and columns[column.at] == "0":
            continue  # accounting has the job's nodes, and has not heard yet how many they are
        unclear.add(f"{command.name}: {column.name} {columns[column.at][:40]!r} of {record.name[:40]}")
    unknown: dict[str, Any] = dict.fromkeys(field for column in faulty for field in column.fields)
    return replace(record, **unknown, unread=frozenset(unknown))


def _can_be_read(column: _Column, columns: Sequence[str]) -> bool:
    try:
        column.read(columns[column.at])
    except ValueError:
        return False
    return True


def _queue_record(columns: Sequence[str]) -> Record:
    name, user, state, submit, start, end, used, nodes, cores, node_list, reason = columns
    job, task = job_names.split(name)
    allocated = is_allocated(node_list)
    return Record(
        job=job,
        task=task,
        user=intern(user_of(user)),
        state=intern(state_of(state)),
        submitted_at=time_of(submit),
        started_at=time_of(start) if allocated else None,
        ended_at=time_of(end),
        wall_seconds=duration_of(used),
        nodes=count_of(nodes) if allocated else None,
        cores=count_of(cores) if allocated else None,
        exit_code=None,
        signal=None,
        reason="" if reason == "None" else intern(bounds.line(reason, _LONGEST_REASON)),
        from_accounting=False,
    )


def _history_record(columns: Sequence[str]) -> Record:
    name, user, state, exit_code, submit, start, end, elapsed, nodes, cores, node_list = columns
    job, task = job_names.split(name)
    code, signal = exit_code_of(exit_code)
    allocated = is_allocated(node_list)
    return Record(
        job=job,
        task=task,
        user=intern(user_of(user)),
        state=intern(state_of(state)),
        submitted_at=time_of(submit),
        started_at=time_of(start) if allocated else None,
        ended_at=time_of(end),
        wall_seconds=seconds_of(elapsed),
        nodes=count_of(nodes) if allocated else None,
        cores=count_of(cores) if allocated else None,
        exit_code=code,
        signal=signal,
        reason=None,
        from_accounting=True,
    )


_SQUEUE = _Command(
    "squeue",
    _queue_record,
    cuts=10,
    node_list=9,
    columns=(
        _Column(4, "start time", time_of, "N/A", ("started_at",), of_allocated=True),
        _Column(5, "end time", time_of, "N/A", ("ended_at",)),
        _Column(6, "run time", duration_of, "0:00", ("wall_seconds",)),
        _Column(7, "nodes", count_of, "1", ("nodes",), of_allocated=True),
        _Column(8, "CPUs", count_of, "1", ("cores",), of_allocated=True),
    ),
)
_SACCT = _Command(
    "sacct",
    _history_record,
    cuts=-1,
    node_list=10,
    columns=(
        _Column(3, "ExitCode", exit_code_of, "0:0", ("exit_code", "signal")),
        _Column(5, "Start", time_of, "Unknown", ("started_at",), of_allocated=True),
        _Column(6, "End", time_of, "Unknown", ("ended_at",)),
        _Column(7, "ElapsedRaw", seconds_of, "0", ("wall_seconds",)),
        _Column(8, "AllocNodes", count_of, "1", ("nodes",), of_allocated=True),
        _Column(9, "AllocCPUS", count_of, "1", ("cores",), of_allocated=True),
    ),
)


def parse_queue(text: str) -> Listing:
    """Read squeue's lines."""
    return _listing(text, _SQUEUE)


def parse_history(text: str) -> Listing:
    """Read sacct's lines."""
    return _listing(text, _SACCT)


def checked(sections: Iterable[Section], what: str, stderr: bytes = b"") -> str:
    """Return the output of the first section, of the command `what`. Raises Failed if that failed or did not end."""
    section = next(iter(sections), None)
    if section is None:
        raise Failed(f"{what} did not end: {decoded(stderr[:300]).strip()}")
    if section.status != 0:
        message = section.text.strip() or decoded(stderr).strip()
        raise Failed(f"{what} ended with {section.status}: {message[:500]}")
    return section.text
