"""SLURM's words and the five statuses."""

import pytest

from jobs.states import Status, of_array, status_of

TABLE = {
    Status.QUEUED: ["PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"],
    Status.RUNNING: [
        "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT",
        "POWER_UP_NODE",
    ],
    Status.FINISHED: ["COMPLETED"],
    Status.ABORTED: ["CANCELLED"],
    Status.ERROR: [
        "BOOT_FAIL", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "RECONFIG_FAIL",
        "REVOKED", "TIMEOUT",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("word", "status"), [(word, status) for status, words in TABLE.items() for word in words])
def test_each_word_of_the_table_has_its_status(word: str, status: Status) -> None:
    assert status_of(word) is status


# What job_state_string() of libslurm gives for every base state and every flag (SLURM 20.11, 22.05, 24.11, 26.05).
OF_EVERY_VERSION = """
    PENDING RUNNING SUSPENDED COMPLETED CANCELLED FAILED TIMEOUT NODE_FAIL PREEMPTED BOOT_FAIL DEADLINE OUT_OF_MEMORY
    REQUEUED REQUEUE_HOLD SPECIAL_EXIT RESIZING CONFIGURING COMPLETING STOPPED REVOKED REQUEUE_FED RESV_DEL_HOLD
    SIGNALING STAGE_OUT
"""
OF_SOME = {"REQUEUED_CRON": Status.QUEUED, "EXPEDITING": Status.RUNNING}  # 20.11; from 25.11 on


@pytest.mark.parametrize("word", OF_EVERY_VERSION.split())
def test_each_word_that_slurm_can_say_is_in_the_table(word: str) -> None:
    assert word in {word for words in TABLE.values() for word in words}


@pytest.mark.parametrize(("word", "status"), OF_SOME.items())
def test_a_word_of_some_versions_has_its_status(word: str, status: Status) -> None:
    assert status_of(word) is status


@pytest.mark.parametrize("word", ["", "completed", "CANCELLED by 1001", "NEW_IN_SLURM_30"])
def test_a_word_that_is_not_in_the_table_has_none(word: str) -> None:
    assert status_of(word) is None


def test_there_are_five_statuses_and_three_are_final() -> None:
    assert {status: status.final for status in Status} == {
        "QUEUED": False, "RUNNING": False, "FINISHED": True, "ABORTED": True, "ERROR": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "status"),
    [
        ("QUEUED RUNNING ERROR", "RUNNING"),
        ("QUEUED FINISHED", "QUEUED"),
        ("FINISHED ERROR ABORTED", "ERROR"),
        ("FINISHED ABORTED", "ABORTED"),
        ("FINISHED", "FINISHED"),
    ],
)
def test_an_array_is_as_its_tasks_are(tasks: str, status: str) -> None:
    assert of_array({Status(task) for task in tasks.split()}) is Status(status)
