"""What SLURM's records say of a job, and what they do not."""

import datetime as dt
from typing import Any

import pytest

from clusters.slurm.records import Record
from jobs.states import Status
from jobs.sync.interpret import JobState, job_state

T0 = dt.datetime(2026, 10, 25, 0, 0, tzinfo=dt.UTC)


def at(seconds: int) -> dt.datetime:
    return T0 + dt.timedelta(seconds=seconds)


def record(state: str, *, accounting: bool = False, **changes: Any) -> Record:
    """A record of job 7, submitted at 0, started at 10, ended at 70."""
    values: dict[str, Any] = {
        "job": 7, "task": None, "user": "plgalice", "state": state, "submitted_at": at(0), "started_at": at(10),
        "ended_at": at(70), "wall_seconds": 60, "nodes": 1, "cores": 12, "exit_code": 0 if accounting else None,
        "signal": 0 if accounting else None, "reason": None if accounting else "", "from_accounting": accounting,
    }  # fmt: skip
    return Record(**values | changes)


def said(queue: list[Record], history: list[Record] | None = None) -> JobState:
    reading = job_state(queue, history or [])
    assert reading
    return reading


def test_absence_says_nothing() -> None:
    assert job_state([], []) is None


def test_a_waiting_job_has_neither_start_nor_cores() -> None:
    reading = said([record("PENDING", reason="Priority")])
    assert (reading.status, reading.reason) == (Status.QUEUED, "Priority")
    assert (reading.started_at, reading.ended_at, reading.nodes, reading.cores) == (None, None, None, None)


def test_the_expected_end_of_a_running_job_is_no_end() -> None:
    reading = said([record("RUNNING")])
    assert (reading.started_at, reading.nodes, reading.cores) == (at(10), 1, 12)
    assert (reading.ended_at, reading.wall_seconds, reading.accounting_confirmed) == (None, None, False)


def test_the_controller_tells_the_end_before_accounting_does() -> None:
    reading = said([record("COMPLETED")])
    assert (reading.status, reading.ended_at, reading.wall_seconds) == (Status.FINISHED, at(70), 60)
    assert not reading.accounting_confirmed


def test_accounting_confirms_the_end_with_the_exit_code() -> None:
    reading = said([record("FAILED")], [record("FAILED", accounting=True, exit_code=3)])
    assert (reading.status, reading.exit_code, reading.accounting_confirmed) == (Status.ERROR, 3, True)


def unread(state: str, *fields: str, **changes: Any) -> Record:
    """A record of which `fields` could not be read."""
    unknown: dict[str, Any] = dict.fromkeys(fields)
    return record(state, unread=frozenset(fields), **unknown, **changes)


def test_an_end_that_could_not_be_read_is_an_end() -> None:
    reading = said([], [unread("FAILED", "ended_at", "nodes", accounting=True, exit_code=3)])
    assert (reading.status, reading.exit_code, reading.ended_at, reading.accounting_confirmed) == (
        Status.ERROR,
        3,
        None,
        True,
    )
    assert reading.unread == {"ended_at", "nodes"}


def test_what_could_not_be_read_of_a_job_that_has_it_not_is_no_matter() -> None:
    assert said([unread("PENDING", "wall_seconds", "ended_at", started_at=None)]).unread == frozenset()
    assert said([unread("RUNNING", "wall_seconds", "ended_at", "cores")]).unread == {"cores"}
    assert said([unread("A_NEW_WORD", "cores", "ended_at")]).unread == frozenset()


def test_a_start_that_could_not_be_read_is_a_start() -> None:
    reading = said([unread("FAILED", "started_at", reason="NonZeroExitCode")])
    assert (reading.wall_seconds, reading.reason, reading.unread) == (60, "NonZeroExitCode", frozenset({"started_at"}))


def test_an_array_is_not_told_what_could_not_be_read_of_one_of_its_tasks() -> None:
    good = record("COMPLETED", accounting=True, task="0", nodes=3)
    bad = unread("FAILED", "nodes", "ended_at", "wall_seconds", accounting=True, task="1")
    reading = said([], [good, bad])
    assert (reading.status, reading.cores, reading.started_at) == (Status.ERROR, 24, at(10))
    assert reading.unread == {"nodes", "ended_at", "wall_seconds"}
    running = said([record("RUNNING", task="2")], [good, bad])
    assert (running.status, running.unread) == (Status.RUNNING, frozenset({"nodes"}))
    failed = unread("FAILED", "exit_code", "signal", accounting=True, task="1")
    assert said([], [good, failed]).unread == {"exit_code", "signal"}
    finished = unread("COMPLETED", "exit_code", "signal", accounting=True, task="2")
    assert said([], [finished, record("FAILED", accounting=True, task="1")]).unread == frozenset()


@pytest.mark.parametrize(
    ("state", "told", "own"),
    [
        ("COMPLETED", (0, 0), (0, 0)), ("FAILED", (7, 0), (7, 0)), ("FAILED", (255, 0), (255, 0)),
        ("FAILED", (0, 9), (None, 9)), ("FAILED", (0, 31), (None, 31)), ("FAILED", (0, 53), (None, None)),
        ("FAILED", (0, 125), (None, None)), ("FAILED", (0, 0), (None, None)), ("COMPLETED", (1, 0), (None, None)),
        ("COMPLETED", (0, 15), (None, None)), ("FAILED", (None, None), (None, None)),
        ("TIMEOUT", (0, 0), (None, None)), ("TIMEOUT", (0, 15), (None, None)), ("TIMEOUT", (143, 0), (None, None)),
        ("CANCELLED", (0, 0), (None, None)), ("CANCELLED", (0, 15), (None, None)), ("NODE_FAIL", (1, 0), (None, None)),
        ("DEADLINE", (1, 0), (None, None)), ("OUT_OF_MEMORY", (0, 125), (None, None)),
        ("PREEMPTED", (0, 15), (None, None)), ("BOOT_FAIL", (1, 0), (None, None)),
        ("LAUNCH_FAILED", (0, 0), (None, None)), ("RUNNING", (0, 0), (None, None)), ("PENDING", (0, 0), (None, None)),
    ],
)  # fmt: skip
def test_the_exit_is_the_scripts_own_or_not_known(state: str, told: tuple[Any, Any], own: tuple[Any, Any]) -> None:
    reading = said([], [record(state, accounting=True, exit_code=told[0], signal=told[1])])
    assert (reading.exit_code, reading.signal) == own


def test_what_failed_before_anything_was_allocated_has_no_exit_code() -> None:
    reading = said([], [record("FAILED", accounting=True, exit_code=1, started_at=None, nodes=None, cores=None)])
    assert (reading.exit_code, reading.signal) == (None, None)


@pytest.mark.parametrize(
    ("told", "accounted", "read"), [(137, 9, 137), (128, 0, 128), (200, 72, 200), (9, 9, 9), (3, 9, 9), (None, 9, 9)]
)
def test_an_exit_code_from_128_on_is_the_controllers(told: int | None, accounted: int, read: int) -> None:
    queue = [record("FAILED", exit_code=told, signal=None if told is None else 0)]
    reading = said(queue, [record("FAILED", accounting=True, exit_code=accounted)])
    assert (reading.exit_code, reading.signal, reading.accounting_confirmed) == (read, 0, True)


def test_the_exit_code_of_an_earlier_run_is_not_that_of_the_last_one() -> None:
    queue = [record("FAILED", exit_code=137, signal=0, ended_at=at(60))]
    assert said(queue, [record("FAILED", accounting=True, exit_code=9)]).exit_code == 9


def test_each_task_of_an_array_has_its_own_whole_exit_code() -> None:
    queue = [record("FAILED", task=task, exit_code=137, signal=0) for task in ("1", "2")]
    history = [record("FAILED", accounting=True, task=task, exit_code=9) for task in ("1", "2")]
    assert said(queue, history).exit_code == 137


def test_the_reason_is_the_controllers_also_where_accounting_tells_the_end() -> None:
    failed = record("FAILED", accounting=True, exit_code=3)
    assert said([record("FAILED", reason="NonZeroExitCode")], [failed]).reason == "NonZeroExitCode"
    assert said([], [failed]).reason is None


def test_a_job_that_the_controller_holds_is_not_over_whatever_accounting_says() -> None:
    reading = said([record("PENDING")], [record("PREEMPTED", accounting=True)])
    assert (reading.status, reading.accounting_confirmed) == (Status.QUEUED, False)


def test_late_accounting_does_not_hide_the_end_that_the_controller_told() -> None:
    assert said([record("COMPLETED")], [record("RUNNING", accounting=True)]).status is Status.FINISHED


def test_a_job_cancelled_in_the_queue_never_started() -> None:
    cancelled = record("CANCELLED", started_at=None, wall_seconds=0, nodes=None, cores=None, reason="Priority")
    reading = said([cancelled])
    assert (reading.status, reading.started_at, reading.wall_seconds) == (Status.ABORTED, None, None)
    assert (reading.ended_at, reading.reason) == (at(70), "")


def test_an_unknown_word_moves_nothing_and_ends_nothing() -> None:
    reading = said([record("NEW_IN_SLURM_30")], [record("COMPLETED", accounting=True)])
    assert (reading.status, reading.slurm_state, reading.accounting_confirmed) == (None, "NEW_IN_SLURM_30", False)


def test_an_array_runs_while_a_task_runs() -> None:
    reading = said([record("RUNNING", task="1"), record("PENDING", task="[2-9]"), record("FAILED", task="0")])
    assert (reading.status, reading.is_array, reading.cores) == (Status.RUNNING, True, 24)
    assert reading.tasks == {"QUEUED": 8, "RUNNING": 1, "ERROR": 1}


def test_a_task_that_has_left_the_controller_is_counted_by_accounting() -> None:
    queue = [record("RUNNING", task="2"), record("COMPLETED", task="3")]
    history = [
        record("FAILED", accounting=True, task="1", ended_at=at(9)),
        record("RUNNING", accounting=True, task="2"),
    ]
    reading = job_state(queue, history)
    assert reading
    assert (reading.status, reading.tasks) == (Status.RUNNING, {"RUNNING": 1, "FINISHED": 1, "ERROR": 1})


def test_tasks_are_not_counted_where_slurm_has_cut_their_numbers() -> None:
    assert said([record("PENDING", task="[1,3,...]")]).tasks is None


def test_of_a_job_that_was_queued_again_the_last_record_counts() -> None:
    first = record("NODE_FAIL", accounting=True, submitted_at=at(0), ended_at=at(9))
    second = record("COMPLETED", accounting=True, submitted_at=at(10), ended_at=at(30))
    for history in ([first, second], [second, first]):
        reading = job_state([], history)
        assert reading
        assert (reading.status, reading.ended_at) == (Status.FINISHED, at(30))


def test_an_array_of_which_the_controller_shows_only_ends_is_not_over_yet() -> None:
    assert job_state([record("COMPLETED", task="9")], []) is None


def test_accounting_tells_the_end_of_an_array() -> None:
    tasks = [
        record("COMPLETED", accounting=True, task="1"),
        record("FAILED", accounting=True, task="2", exit_code=2, started_at=at(5), ended_at=at(90)),
        record("CANCELLED", accounting=True, task="3", started_at=None, nodes=None, cores=None, ended_at=at(20)),
    ]
    reading = said([record("COMPLETED", task="1")], tasks)
    assert (reading.status, reading.slurm_state, reading.exit_code) == (Status.ERROR, "FAILED", 2)
    assert (reading.started_at, reading.ended_at, reading.wall_seconds) == (at(5), at(90), 85)
    assert (reading.nodes, reading.cores, reading.accounting_confirmed) == (2, 24, True)


def test_an_array_with_a_task_that_accounting_still_holds_is_not_over() -> None:
    tasks = [record("COMPLETED", accounting=True, task="1"), record("PENDING", accounting=True, task="[2]")]
    assert said([], tasks).status is Status.QUEUED


def test_an_array_is_not_over_while_accounting_lacks_one_of_its_tasks() -> None:
    queue = [record("COMPLETED", task="0"), record("FAILED", task="1")]
    some = [record("COMPLETED", accounting=True, task="0")]
    assert job_state(queue, some) is None
    every = [*some, record("FAILED", accounting=True, task="1", exit_code=5)]
    assert (said(queue, every).status, said(queue, every).accounting_confirmed) == (Status.ERROR, True)


def test_a_final_record_of_accounting_without_an_end_is_not_whole_and_does_not_count() -> None:
    half = record("FAILED", accounting=True, ended_at=None, exit_code=0)
    assert job_state([], [half]) is None
    assert (said([record("FAILED")], [half]).ended_at, said([record("FAILED")], [half]).exit_code) == (at(70), None)
