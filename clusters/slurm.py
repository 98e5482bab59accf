"""PURE. What squeue and sacct print of jobs, read into values. Times are epochs there and aware UTC here.

What is printed is the word of a login, so each value has bounds (`clusters.bounds`) that the registry's columns can
hold, and is read by scans of linear time: a line that is beyond them is one that is not understood.
Sources: the manual pages of squeue and sacct; what SLURM 20.11 to 26.05 has printed.
"""

import datetime as dt
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from sys import intern

from clusters import bounds, jobnames
from clusters.bounds import number
from clusters.errors import Failed, Malformed
from clusters.shell import Section, decoded

_LONGEST_USER = 256  # characters; LOGIN_NAME_MAX (limits.h)
_LONGEST_STATE = 32
_LONGEST_REASON = 200
_WAIT_STATUS = 0xFFFF  # wait(2)
_UNREAD_SHOWN = 10  # lines

_OF_STATES = frozenset(string.ascii_uppercase + "_")


@dataclass(frozen=True, slots=True)
class Record:
    """What SLURM says of a job, or of one task (or range of pending tasks) of a job array.

    Words that many records share are kept once (`intern`).
    `state` is SLURM's word; times are aware UTC; `wall_seconds` is the time it ran; `nodes` and `cores` are None until
    something is allocated, and so is `started_at` for good if nothing ever was; `exit_code` and `signal` are
    accounting's, `reason` is the controller's.
    """

    job: int
    task: str | None
    user: str
    state: str
    submitted_at: dt.datetime | None
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    wall_seconds: int
    nodes: int | None
    cores: int | None
    exit_code: int | None
    signal: int | None
    reason: str | None
    from_accounting: bool

    @property
    def name(self) -> str:
        """The job's id, and behind `_` that of the task of an array or the part of a heterogeneous job."""
        return f"{self.job}" if self.task is None else f"{self.job}_{self.task}"

    @property
    def tasks(self) -> int | None:
        """How many tasks of an array this stands for; None where SLURM has cut the list of them."""
        return 1 if self.task is None else jobnames.count(self.task)


@dataclass(frozen=True)
class Listing:
    """What squeue or sacct printed: its records, and the lines of which no sense could be made.

    Of these the first are in `unread`; there are `more`.
    """

    records: list[Record]
    unread: tuple[str, ...] = ()
    more: int = 0

    @property
    def complaint(self) -> str:
        """How many lines were not understood, and the first of them; empty if there is none."""
        lines = len(self.unread) + self.more
        return f"{lines} lines not understood, the first: {self.unread[0][:300]!r}" if self.unread else ""


def parse_queue(text: str) -> Listing:
    """Read squeue's lines."""
    return _listing(text, _queue_record)


def parse_history(text: str) -> Listing:
    """Read sacct's lines."""
    return _listing(text, _history_record)


def with_exit_codes(records: list[Record], statuses: Mapping[str, int]) -> list[Record]:
    """Return `records` with the controller's wait statuses (wait(2)) of jobs that ended by themselves, by their names.

    Of what SLURM ended itself (TIMEOUT, NODE_FAIL...) the controller tells other codes than accounting does.
    """
    if not statuses:
        return records
    return [
        _with_status(record, statuses[record.name])
        if record.name in statuses and record.state in {"COMPLETED", "FAILED"}
        else record
        for record in records
    ]


def _with_status(record: Record, status: int) -> Record:
    signal = status & 0x7F
    return replace(record, exit_code=0 if signal else status >> 8, signal=signal)


def parse_exit_codes(found: Iterable[Section]) -> dict[str, int]:
    """Return the wait statuses (wait(2)) of ended jobs by their records' names; nothing where squeue failed.

    What SLURM 20.11 and 22.05 print as the wait status `768` is `3:0` in 24.11, code and signal. A line that is none
    tells nothing (a long name is cut, and then no blank is between the two): accounting tells the exit code as well.
    """
    statuses = {}
    for line in (line for section in found if section.status == 0 for line in _lines(section.text)):
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


def _listing(text: str, read: Callable[[str], Record]) -> Listing:
    records: list[Record] = []
    unread: list[str] = []
    more = 0
    for line in _lines(text):
        try:
            records.append(read(line))
        except Malformed as exc:
            if len(unread) < _UNREAD_SHOWN:
                unread.append(str(exc))
            else:
                more += 1
    return Listing(records, tuple(unread), more)


def _queue_record(line: str) -> Record:
    try:
        name, user, state, submit, start, end, used, nodes, cores, node_list, reason = line.split("|", 10)
        job, task = jobnames.split(name)
        allocated = node_list != ""
        return Record(
            job=job,
            task=task,
            user=intern(_user(user)),
            state=intern(word(state)),
            submitted_at=moment(submit),
            started_at=moment(start) if allocated else None,
            ended_at=moment(end),
            wall_seconds=_duration(used),
            nodes=number(nodes, bounds.COUNT) if allocated else None,
            cores=number(cores, bounds.COUNT) if allocated else None,
            exit_code=None,
            signal=None,
            reason="" if reason == "None" else intern(bounds.line(reason, _LONGEST_REASON)),
            from_accounting=False,
        )
    except ValueError as exc:
        raise Malformed(f"squeue: {line[:300]!r}") from exc


def _history_record(line: str) -> Record:
    try:
        name, user, state, exit_code, submit, start, end, elapsed, nodes, cores, node_list = line.split("|")
        job, task = jobnames.split(name)
        code, _, signal = exit_code.partition(":")
        allocated = node_list not in {"", "None assigned"}
        return Record(
            job=job,
            task=task,
            user=intern(_user(user)),
            state=intern(word(state)),
            submitted_at=moment(submit),
            started_at=moment(start) if allocated else None,
            ended_at=moment(end),
            wall_seconds=number(elapsed or "0", bounds.SECONDS),
            nodes=number(nodes, bounds.COUNT) if allocated else None,
            cores=number(cores, bounds.COUNT) if allocated else None,
            exit_code=number(code, bounds.COUNT),
            signal=number(signal or "0", bounds.COUNT),
            reason=None,
            from_accounting=True,
        )
    except ValueError as exc:
        raise Malformed(f"sacct: {line[:300]!r}") from exc


def _user(name: str) -> str:
    if len(name) > _LONGEST_USER or not name.isprintable():
        raise ValueError("not a user's name")
    return name


def word(state: str) -> str:
    """Return SLURM's state as one word: `CANCELLED by 1001` is CANCELLED, a trailing `+` is dropped.

    Raises ValueError where there is none, or one that is none of SLURM's by its letters or its length.
    """
    first = state.strip().partition(" ")[0].removesuffix("+")
    if not 1 <= len(first) <= _LONGEST_STATE or not _OF_STATES.issuperset(first):
        raise ValueError("no state")
    return first


def moment(epoch: str) -> dt.datetime | None:
    """Return the time of an epoch; None for any of SLURM's words for none. Raises ValueError."""
    if epoch in {"N/A", "Unknown", "None", "NONE", "0", ""}:
        return None
    return dt.datetime.fromtimestamp(number(epoch, bounds.EPOCH, least=1), dt.UTC)


def _duration(text: str) -> int:
    """Return the seconds of SLURM's `[D-]HH:MM:SS`, of which squeue leaves out leading zero parts."""
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    if len(parts) > 3:  # noqa: PLR2004 - hours, minutes, seconds
        raise ValueError("not a duration")
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + number(part, bounds.COUNT)
    seconds += 86_400 * (number(days, bounds.COUNT) if dash else 0)
    if seconds > bounds.SECONDS:
        raise ValueError("longer than any job runs")
    return seconds


def checked(found: Iterable[Section], what: str, stderr: bytes = b"") -> str:
    """Return the output of the first section. Raises Failed with the command's words if it failed or never ended."""
    section = next(iter(found), None)
    if section is None:
        raise Failed(f"{what} did not end: {decoded(stderr[:300]).strip()}")
    if section.status != 0:
        words = section.text.strip() or decoded(stderr).strip()
        raise Failed(f"{what} ended with {section.status}: {words[:500]}")
    return section.text
