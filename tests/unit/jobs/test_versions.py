"""What is told of a job is the same whichever version of SLURM runs it."""

import datetime as dt
from dataclasses import replace

import pytest

from clusters.slurm import listings, records
from clusters.slurm.records import Record
from jobs.states import Status
from jobs.sync.interpret import JobState, job_state
from tests.recorded import EVERY, Recording

every_version = pytest.mark.parametrize("recording", EVERY, ids=str)


def queue(recording: Recording, look: str) -> list[Record]:
    """Return what the controller told in a look, with the exit codes that it was asked for."""
    squeue, codes, _sacct = recording.sections(look)
    told = listings.parse_queue(squeue.text)
    assert told.unread == ()
    return records.with_exit_codes(told.records, listings.parse_exit_codes([codes]))


def history(recording: Recording, look: str) -> list[Record]:
    """Return what accounting told in a look."""
    told = listings.parse_history(recording.sections(look)[2].text)
    assert told.unread == ()
    return told.records


def readings(recording: Recording, look: str, *, accounting: bool = True) -> dict[str, JobState]:
    """Return what is said of each job that something is said of, by its name."""
    held, kept = queue(recording, look), history(recording, look) if accounting else []
    found = {
        name: job_state(
            [record for record in held if record.job == job], [record for record in kept if record.job == job]
        )
        for name, job in recording.jobs.items()
    }
    return {name: reading for name, reading in found.items() if reading}


EARLY = {
    "finished": Status.FINISHED, "failed": Status.ERROR, "killed": Status.ERROR, "unlaunched": Status.ERROR,
    "array_ended": Status.ERROR, "parts_ended": Status.FINISHED, "timeout": Status.RUNNING, "held": Status.QUEUED,
    "begins_later": Status.QUEUED, "own_files": Status.QUEUED, "running": Status.RUNNING, "to_cancel": Status.RUNNING,
    "to_requeue": Status.QUEUED, "to_hold_again": Status.QUEUED, "to_mark": Status.QUEUED, "to_stop": Status.RUNNING,
    "array_waiting": Status.RUNNING, "parts_running": Status.RUNNING, "to_suspend": Status.RUNNING,
    "to_resume": Status.RUNNING, "depends": Status.QUEUED, "on_lost_node": Status.ERROR,
    "queued_again": Status.QUEUED, "preempted": Status.ERROR, "preempting": Status.FINISHED,
}  # fmt: skip
CHANGED = {
    "timeout": Status.ERROR, "begins_later": Status.ABORTED, "to_cancel": Status.ABORTED, "deadline": Status.ERROR,
    "to_requeue": Status.FINISHED, "array_waiting": Status.ERROR, "parts_running": Status.ABORTED,
    "to_resume": Status.FINISHED, "queued_again": Status.FINISHED,
}  # fmt: skip


def test_four_versions_are_recorded_from_the_oldest_to_the_newest() -> None:
    assert [recording.version for recording in EVERY] == ["20.11", "22.05", "24.11", "26.05"]


@every_version
def test_each_job_has_the_status_of_the_contract(recording: Recording) -> None:
    early = {name: reading.status for name, reading in readings(recording, "look_early").items()}
    early.pop("deadline")  # 20.11 and 22.05 end at once what cannot end before its deadline
    assert early == EARLY
    assert {name: reading.status for name, reading in readings(recording, "look_end").items()} == EARLY | CHANGED


@every_version
def test_the_controller_alone_tells_the_same_of_jobs_that_are_no_array(recording: Recording) -> None:
    told = readings(recording, "look_early", accounting=False)
    told.pop("deadline")
    # 20.11 lists no job that was stopped by a signal; so nothing is said of it, and arrays end in accounting.
    silent = {"array_ended", "parts_ended"} | ({"to_stop"} if recording.version == "20.11" else set())
    assert {name: reading.status for name, reading in told.items()} == {
        name: status for name, status in EARLY.items() if name not in silent
    }


@every_version
@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("timeout", "TIMEOUT"), ("deadline", "DEADLINE"), ("on_lost_node", "NODE_FAIL"), ("preempted", "PREEMPTED"),
        ("to_cancel", "CANCELLED"), ("finished", "COMPLETED"), ("failed", "FAILED"), ("to_suspend", "SUSPENDED"),
        ("to_mark", "SPECIAL_EXIT"),
    ],
)  # fmt: skip
def test_slurms_own_word_is_shown(recording: Recording, name: str, word: str) -> None:
    assert readings(recording, "look_end")[name].slurm_state == word


@every_version
def test_reasons_are_told_of_jobs_that_wait(recording: Recording) -> None:
    told = readings(recording, "look_early")
    reasons = {name: told[name].reason for name in ("held", "begins_later", "depends", "to_requeue", "to_hold_again")}
    assert reasons == {
        "held": "JobHeldUser", "begins_later": "BeginTime", "depends": "DependencyNeverSatisfied",
        "to_requeue": "BeginTime", "to_hold_again": "job requeued in held state",
    }  # fmt: skip


@every_version
@pytest.mark.parametrize("accounting", [True, False], ids=["accounting", "controller"])
@pytest.mark.parametrize(("name", "ended"), [("finished", (0, 0)), ("failed", (3, 0)), ("killed", (None, 9))])
def test_controller_and_accounting_tell_the_same_exit_code(
    recording: Recording, name: str, ended: tuple[int | None, int], *, accounting: bool
) -> None:
    told = readings(recording, "look_early", accounting=accounting)[name]
    assert (told.exit_code, told.signal, told.accounting_confirmed) == (*ended, accounting)


@every_version
@pytest.mark.parametrize("look", ["look_early", "look_end"])
def test_only_what_came_to_its_own_end_has_an_exit_code_or_a_signal(recording: Recording, look: str) -> None:
    own = {
        name: (reading.exit_code, reading.signal)
        for name, reading in readings(recording, look).items()
        if reading.final and reading.status is not Status.FINISHED and reading.signal is not None
    }
    # 20.11 tells the error of a launch as the script's exit code, the others as a signal that there is none of.
    unlaunched = {"unlaunched": (1, 0)} if recording.version == "20.11" else {}
    waiting = {"array_waiting": (5, 0)} if look == "look_end" else {}
    assert own == {"failed": (3, 0), "killed": (None, 9), "array_ended": (5, 0)} | unlaunched | waiting


def ends(recording: Recording, look: str) -> list[tuple[JobState, JobState]]:
    """Return what the controller and what accounting tell of each job that both say has ended."""
    held, kept = queue(recording, look), history(recording, look)
    told = [
        (job_state([r for r in held if r.job == job], []), job_state([], [r for r in kept if r.job == job]))
        for job in recording.jobs.values()
    ]
    return [(one, other) for one, other in told if one and other and one.final and other.final]


@every_version
@pytest.mark.parametrize("look", ["look_early", "look_end"])
def test_what_the_controller_tells_of_an_end_is_never_taken_back_by_accounting(recording: Recording, look: str) -> None:
    found = ends(recording, look)
    assert found
    for one, other in found:
        told = replace(one, reason=other.reason, from_accounting=True)
        if one.signal is None:
            told = replace(told, exit_code=other.exit_code, signal=other.signal)
        assert told == other


@every_version
def test_an_array_counts_its_tasks(recording: Recording) -> None:
    early, late = readings(recording, "look_early"), readings(recording, "look_end")
    assert early["array_waiting"].tasks == {"QUEUED": 2, "RUNNING": 2, "FINISHED": 1, "ERROR": 1}
    assert late["array_waiting"].tasks == {"ABORTED": 4, "FINISHED": 1, "ERROR": 1}
    assert (late["array_ended"].tasks, late["array_ended"].exit_code) == ({"FINISHED": 2, "ERROR": 1}, 5)
    assert late["parts_running"].tasks == {"ABORTED": 2}


@every_version
def test_what_never_ran_has_no_start_and_nothing_allocated(recording: Recording) -> None:
    for look, names in {"look_early": ("held", "begins_later"), "look_end": ("begins_later", "deadline")}.items():
        for name in names:
            told = readings(recording, look)[name]
            assert (told.started_at, told.wall_seconds, told.nodes, told.cores) == (None, None, None, None)


@every_version
def test_what_ended_has_all_of_its_times(recording: Recording) -> None:
    told = readings(recording, "look_end")
    for name in ("finished", "failed", "timeout", "to_cancel", "array_ended", "parts_ended", "to_requeue"):
        reading = told[name]
        assert reading.submitted_at
        assert reading.started_at
        assert reading.ended_at
        assert reading.submitted_at <= reading.started_at <= reading.ended_at
        assert dt.timedelta(seconds=reading.wall_seconds or 0) == reading.ended_at - reading.started_at
    assert (told["finished"].nodes, told["finished"].cores, told["parts_ended"].cores) == (1, 1, 3)


@every_version
def test_the_time_in_suspension_is_no_time_of_running(recording: Recording) -> None:
    told = readings(recording, "look_end")["to_resume"]
    assert told.started_at
    assert told.ended_at
    assert told.wall_seconds
    assert 0 < told.wall_seconds < (told.ended_at - told.started_at).total_seconds()


@every_version
def test_of_a_job_that_was_queued_again_the_first_record_does_not_count(recording: Recording) -> None:
    records = [record for record in history(recording, "look_end") if record.job == recording.jobs["to_requeue"]]
    assert [record.state for record in records] == ["REQUEUED", "COMPLETED"]
    for kept in (records, records[::-1]):
        told = job_state([], kept)
        assert told
        assert (told.status, told.submitted_at) == (Status.FINISHED, records[1].submitted_at)
