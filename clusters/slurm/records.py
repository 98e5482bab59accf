"""PURE. What SLURM says of jobs, as values: records, and the listings that they came in."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

from clusters.slurm import job_names


@dataclass(frozen=True, slots=True)
class Record:
    """What SLURM says of a job, or of one task (or range of pending tasks) of a job array.

    `state` is SLURM's word; times are aware UTC; `wall_seconds` is the time it ran; `nodes` and `cores` are None until
    something is allocated, and so is `started_at` for good if nothing ever was; `exit_code` and `signal` are
    accounting's, `reason` is the controller's.
    `unread` names the fields that SLURM has told and that could not be read: these are None, and say nothing.
    Words that many records share are in memory once (`intern`).
    """

    job: int
    task: str | None
    user: str
    state: str
    submitted_at: dt.datetime | None
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    wall_seconds: int | None
    nodes: int | None
    cores: int | None
    exit_code: int | None
    signal: int | None
    reason: str | None
    from_accounting: bool
    unread: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The job's id, and behind `_` that of the task of an array or the part of a heterogeneous job."""
        return f"{self.job}" if self.task is None else f"{self.job}_{self.task}"

    @property
    def tasks(self) -> int | None:
        """How many tasks of an array this stands for; None where SLURM has cut the list of them."""
        return 1 if self.task is None else job_names.count(self.task)


@dataclass(frozen=True)
class Listing:
    """What squeue or sacct printed: its records, and what of it was not understood.

    Of the lines that could not be read, the first are in `unread`, and there are `more`. Of the columns that could not
    be read while the rest of their lines could, the first are in `unclear`, and there are `unclear_more`.
    """

    records: list[Record]
    unread: tuple[str, ...] = ()
    more: int = 0
    unclear: tuple[str, ...] = ()
    unclear_more: int = 0

    @property
    def complaint(self) -> str:
        """How many lines and columns were not understood, and the first of each; empty if there is none."""
        lines, columns = len(self.unread) + self.more, len(self.unclear) + self.unclear_more
        complaints = [
            f"{lines} lines not understood, the first: {self.unread[0][:300]!r}" if lines else "",
            f"{columns} columns not understood, the first: {self.unclear[0][:120]}" if columns else "",
        ]
        return "; ".join(filter(None, complaints))


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
