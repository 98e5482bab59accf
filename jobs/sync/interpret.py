"""PURE. Turns SLURM's records of one job into a JobState: only what SLURM says counts, absence says nothing."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from clusters.bounds import COUNT
from clusters.slurm.records import Record
from jobs.states import ENDING, Status, of_array, status_of

_LAST_SIGNAL = 31  # SIGSYS; signal(7)


@dataclass(frozen=True, slots=True)
class JobState:
    """What SLURM has said of a job. `status` is None where SLURM's state is not known, `reason` where SLURM gave none.

    `exit_code` and `signal` are those of the job's script: with its own exit code `signal` is 0, with the signal that
    ended it `exit_code` is None; both are None where SLURM tells neither (see `_script_exit`).
    `tasks`: of an array or a heterogeneous job, how many tasks or components have each status; None where not known.
    `unread` names the fields that SLURM has told and that could not be read: they are None here, and the row keeps
    what it has.
    """

    status: Status | None
    slurm_state: str
    reason: str | None
    submitted_at: dt.datetime | None
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    wall_seconds: int | None
    nodes: int | None
    cores: int | None
    exit_code: int | None
    signal: int | None
    from_accounting: bool
    is_array: bool
    tasks: dict[str, int] | None = None
    unread: frozenset[str] = frozenset()

    @property
    def final(self) -> bool:
        """Whether this tells how the job ended."""
        return self.status is not None and self.status.final

    @property
    def accounting_confirmed(self) -> bool:
        """Whether accounting has told the end of the job."""
        return self.final and self.from_accounting and (self.ended_at is not None or "ended_at" in self.unread)


# What a record tells of a job that has been given nodes, and of one that is over; of others it says that there is none.
_OF_HELD = frozenset({"started_at", "nodes", "cores"})
_OF_ENDED = frozenset({"ended_at", "wall_seconds", "exit_code", "signal"})


def is_active(record: Record) -> bool:
    """Return whether SLURM still holds the job or task of `record`; an unknown state counts as held."""
    status = status_of(record.state)
    return status is None or not status.final


def goes_on(record: Record) -> bool:
    """Return whether SLURM says that the job or task of `record` waits or runs, and is not about to end."""
    return is_active(record) and record.state not in ENDING


def by_source(records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """Split `records` into what the controller has said and what accounting has said."""
    queue: list[Record] = []
    history: list[Record] = []
    for record in records:
        (history if record.from_accounting else queue).append(record)
    return queue, history


def job_state(queue: Sequence[Record], history: Sequence[Record]) -> JobState | None:
    """Return what the controller (`queue`) and accounting (`history`) together say of one job; None if nothing.

    The controller decides as long as it holds the job as active. After that accounting decides, and where its record
    has not arrived yet, the controller's last word on a job that is no array: an array's tasks leave it one by one.
    The reason is the controller's also then. A final state without an end is a record that is not whole yet: nothing of
    it counts.
    """
    whole = (record for record in history if is_active(record) or _tells_its_end(record))
    history = _with_full_exit_codes(queue, _latest(whole))
    active = [record for record in queue if is_active(record)]
    ended = bool(history) and not any(is_active(record) for record in history) and not _missing(queue, history)
    if active:
        records = [*active, *_ended_tasks(queue, history)]
    elif ended:
        records = history
    elif queue and not _is_array(queue):
        records = list(queue)
    else:
        records = [] if _missing(queue, history) else history
    if not records:
        return None
    if _is_array(records):
        return _combine_tasks(records)
    one = _state_of_task(records[-1])
    return replace(one, reason=_state_of_task(queue[-1]).reason) if queue and one.reason is None else one


def _tells_its_end(record: Record) -> bool:
    return record.ended_at is not None or "ended_at" in record.unread


def _latest(history: Iterable[Record]) -> list[Record]:
    """Keep the last record of each task: a job that was queued again has one for each time."""
    beginning = dt.datetime.min.replace(tzinfo=dt.UTC)
    return list({record.task: record for record in sorted(history, key=lambda r: r.submitted_at or beginning)}.values())


def _with_full_exit_codes(queue: Sequence[Record], history: Sequence[Record]) -> list[Record]:
    """Give the records of accounting the exit codes that the controller tells of the same ends where these are higher.

    sacct takes 128 from an exit code that is not lower than that (src/sacct/print.c): 137 is 9 there.
    """
    codes = {(record.task, record.state, record.ended_at): record.exit_code for record in queue}
    return [
        replace(record, exit_code=code)
        if is_same_code(code := codes.get((record.task, record.state, record.ended_at)), record.exit_code)
        else record
        for record in history
    ]


def is_same_code(controller: int | None, accounting: int | None) -> bool:
    """Return whether the exit code of the `controller` is the one that sacct prints as that of `accounting`."""
    if controller is None or accounting is None:
        return False
    return accounting == (controller - 128 if controller >= 128 else controller)  # noqa: PLR2004 - see above


def _ended_tasks(queue: Sequence[Record], history: Sequence[Record]) -> list[Record]:
    """Return the tasks of an array that are over: accounting's record before the controller's."""
    if not _is_array(queue):
        return []
    over = {record.task: record for record in [*queue, *history] if not is_active(record)}
    held = {record.task for record in queue if is_active(record)}
    return [record for task, record in over.items() if task not in held]


def _missing(queue: Sequence[Record], history: Sequence[Record]) -> bool:
    """Return whether accounting, which hears of an array's tasks one by one, lacks one that the controller lists."""
    return not {record.task for record in queue} <= {record.task for record in history}


def _is_array(records: Sequence[Record]) -> bool:
    return any(record.task is not None for record in records)


def _script_exit(record: Record, *, started: bool) -> tuple[int | None, int | None]:
    """Return the exit code of the job's script and 0, or None and the signal that ended it; None twice if unknown.

    COMPLETED and FAILED are the ends that a script comes to by itself. With any other state the code is not the
    script's, and not the same in each version of SLURM: TIMEOUT has 0:0, CANCELLED 0:0 or 0:15, NODE_FAIL 0:0 or 1:0,
    DEADLINE 1:0, OUT_OF_MEMORY 0:125. FAILED with 0:0, or before anything was allocated, says nothing either. A number
    over the signals is one of slurmd's errors, taken for a wait status: 0:53 is 4021, ESLURMD_IO_ERROR
    (slurm_errno.h), for output that cannot be written. Where the interpreter is missing SLURM tells its error as the
    script's own exit: 2:0, ENOENT.
    Sources: sacct and squeue, "JOB STATE CODES" and "ExitCode"; what SLURM 20.11 to 26.05 has printed.
    """
    code, signal = record.exit_code, record.signal or 0
    if code is None or (record.state == "COMPLETED") != ((code, signal) == (0, 0)):
        return None, None
    if record.state not in {"COMPLETED", "FAILED"} or not started or signal > _LAST_SIGNAL:
        return None, None
    return (None, signal) if signal else (code, 0)


def _state_of_task(record: Record) -> JobState:
    status = status_of(record.state)
    final = status is not None and status.final
    held = status is not None and status is not Status.QUEUED
    started = record.started_at is not None or "started_at" in record.unread
    relevant = (_OF_HELD if held else frozenset()) | (_OF_ENDED if final else frozenset())
    exit_code, signal = _script_exit(record, started=started)
    return JobState(
        status=status,
        slurm_state=record.state,
        reason="" if final and not started and not record.from_accounting else record.reason,
        submitted_at=record.submitted_at,
        started_at=record.started_at if held else None,
        ended_at=record.ended_at if final else None,
        wall_seconds=record.wall_seconds if final and started else None,
        nodes=record.nodes if held else None,
        cores=record.cores if held else None,
        exit_code=exit_code,
        signal=signal,
        from_accounting=record.from_accounting,
        is_array=False,
        unread=record.unread & relevant,
    )


def _combine_tasks(records: Sequence[Record]) -> JobState:
    """Put the tasks together: earliest start, latest end, all nodes and cores, the worst end and its exit code."""
    tasks = [_state_of_task(record) for record in records]
    known = [task for task in tasks if task.status is not None]
    if not known:
        return replace(tasks[0], is_array=True)
    status = of_array({task.status for task in known if task.status})
    deciding = next(task for task in known if task.status is status)
    started = min((task.started_at for task in tasks if task.started_at), default=None)
    ended = max((task.ended_at for task in tasks if task.ended_at), default=None) if status.final else None
    return replace(
        deciding,
        submitted_at=min((task.submitted_at for task in tasks if task.submitted_at), default=None),
        started_at=started,
        ended_at=ended,
        wall_seconds=max(0, int((ended - started).total_seconds())) if started and ended else None,
        nodes=min(sum(task.nodes or 0 for task in tasks), COUNT) or None,
        cores=min(sum(task.cores or 0 for task in tasks), COUNT) or None,
        from_accounting=all(task.from_accounting for task in tasks),
        is_array=True,
        tasks=_counts(records),
        unread=_unread_of_array(tasks, deciding, status),
    )


def _unread_of_array(tasks: Sequence[JobState], deciding: JobState, status: Status) -> frozenset[str]:
    """Return what cannot be said of an array with `status`, since it was not read of one task: sums and extremes.

    The exit code is that of one task, `deciding`; how long the array ran is from the first start to the last end.
    """
    of_any = frozenset[str]().union(*(task.unread for task in tasks)) & (_OF_HELD | {"ended_at"})
    unread = of_any | (deciding.unread & {"exit_code", "signal"})
    if unread & {"started_at", "ended_at"}:
        unread |= {"wall_seconds"}
    return unread if status.final else unread - _OF_ENDED


def _counts(records: Sequence[Record]) -> dict[str, int] | None:
    """Count tasks by status; None where the state of one, or how many tasks a record stands for, is not known."""
    counts = dict.fromkeys((status.value for status in Status), 0)
    for record in records:
        status, tasks = status_of(record.state), record.tasks
        if status is None or tasks is None:
            return None
        counts[status.value] += tasks
    return {status: number for status, number in counts.items() if number}
