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
