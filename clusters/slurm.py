"""PURE. What squeue and sacct print of jobs, read into values. Times are epochs there and aware UTC here.

Sources: the manual pages of squeue and sacct; what SLURM 20.11 to 26.05 has printed.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from sys import intern

from clusters.errors import Failed, Malformed
from clusters.shell import Section


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
        return 1 if self.task is None else _count(self.task)


@dataclass(frozen=True)
class Listing:
    """What squeue or sacct printed: its records, and the lines of which no sense could be made."""

    records: list[Record]
    unread: tuple[str, ...] = ()

    @property
    def complaint(self) -> str:
        """How many lines were not understood, and the first of them; empty if there is none."""
        return f"{len(self.unread)} lines not understood, the first: {self.unread[0][:300]!r}" if self.unread else ""


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

    What SLURM 20.11 and 22.05 print as the wait status `768` is `3:0` in 24.11, code and signal.
    """
    text = "\n".join(section.text for section in found if section.status == 0)
    lines = re.findall(r"^(\S+) +([0-9]+)(?::([0-9]+))? *$", text, re.MULTILINE)
    return {
        name.replace("+", "_"): int(code) << 8 | int(signal) if signal else int(code) for name, code, signal in lines
    }


def _listing(text: str, read: Callable[[str], Record]) -> Listing:
    records, unread = [], []
    for line in re.finditer(r"[^\n]+", text):  # one after another: there may be 100,000
        try:
            records.append(read(line[0]))
        except Malformed as exc:
            unread.append(str(exc))
    return Listing(records, tuple(unread))


def _queue_record(line: str) -> Record:
    try:
        name, user, state, submit, start, end, used, nodes, cores, node_list, reason = line.split("|", 10)
        job, task = _split_name(name)
        allocated = node_list != ""
        return Record(
            job=job,
            task=task,
            user=intern(user),
            state=intern(word(state)),
            submitted_at=moment(submit),
            started_at=moment(start) if allocated else None,
            ended_at=moment(end),
            wall_seconds=_duration(used),
            nodes=int(nodes) if allocated else None,
            cores=int(cores) if allocated else None,
            exit_code=None,
            signal=None,
            reason="" if reason == "None" else intern(reason[:200]),
            from_accounting=False,
        )
    except ValueError as exc:
        raise Malformed(f"squeue: {line[:300]!r}") from exc


def _history_record(line: str) -> Record:
    try:
        name, user, state, exit_code, submit, start, end, elapsed, nodes, cores, node_list = line.split("|")
        job, task = _split_name(name)
        code, _, signal = exit_code.partition(":")
        allocated = node_list not in {"", "None assigned"}
        return Record(
            job=job,
            task=task,
            user=intern(user),
            state=intern(word(state)),
            submitted_at=moment(submit),
            started_at=moment(start) if allocated else None,
            ended_at=moment(end),
            wall_seconds=int(elapsed or 0),
            nodes=int(nodes) if allocated else None,
            cores=int(cores) if allocated else None,
            exit_code=int(code),
            signal=int(signal or 0),
            reason=None,
            from_accounting=True,
        )
    except ValueError as exc:
        raise Malformed(f"sacct: {line[:300]!r}") from exc


def _split_name(name: str) -> tuple[int, str | None]:
    """Split `1080_5`, `1080_[5-9%2]` (job arrays) and `93+1` (heterogeneous jobs) into the job's id and the rest."""
    match = re.fullmatch(r"([0-9]+)(?:[_+](\S+))?", name)
    if not match:
        raise ValueError(name)
    return int(match[1]), match[2]


def _count(tasks: str) -> int | None:
    """Count the tasks of `5` or `[1,3,5-9,20-30:2%4]`; None where that is cut with `...`."""
    if not tasks.startswith("["):
        return 1
    total = 0
    for part in tasks.strip("[]").partition("%")[0].split(","):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+)(?::([0-9]+))?)?", part)
        if not match:
            return None
        first, last = int(match[1]), int(match[2] or match[1])
        total += (last - first) // int(match[3] or 1) + 1
    return total


def word(state: str) -> str:
    """Return SLURM's state as one word: `CANCELLED by 1001` is CANCELLED, a trailing `+` is dropped.

    Raises ValueError where there is none.
    """
    words = state.split()
    if not words:
        raise ValueError("no state")
    return words[0].removesuffix("+")


def moment(epoch: str) -> dt.datetime | None:
    """Return the time of an epoch; None for any of SLURM's words for none. Raises ValueError."""
    if epoch in {"N/A", "Unknown", "None", "NONE", "0", ""}:
        return None
    return dt.datetime.fromtimestamp(int(epoch), dt.UTC)


def _duration(text: str) -> int:
    """Return the seconds of SLURM's `[D-]HH:MM:SS`, of which squeue leaves out leading zero parts."""
    days, _, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + part
    return seconds + 86_400 * int(days or 0)


def checked(found: Iterable[Section], what: str, stderr: bytes = b"") -> str:
    """Return the output of the first section. Raises Failed with the command's words if it failed or never ended."""
    section = next(iter(found), None)
    if section is None:
        raise Failed(f"{what} did not end: {stderr[:300].decode('utf-8', 'replace').strip()}")
    if section.status != 0:
        words = section.text.strip() or stderr.decode("utf-8", "replace").strip()
        raise Failed(f"{what} ended with {section.status}: {words[:500]}")
    return section.text
