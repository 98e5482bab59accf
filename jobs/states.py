"""PURE. The five statuses of the API, and what each of SLURM's words means among them.

Sources: squeue and sacct, "JOB STATE CODES", SLURM 20.11 to 26.05; slurm.h for what they leave out.
"""

from enum import StrEnum


class Status(StrEnum):
    """What a job is doing, as clients read it: a closed list, there is never a sixth."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    ABORTED = "ABORTED"
    ERROR = "ERROR"

    @property
    def final(self) -> bool:
        """Whether a job stays like this unless SLURM itself takes it up again."""
        return self not in ACTIVE


ACTIVE = frozenset({Status.QUEUED, Status.RUNNING})

# The words of a job that is over but for its end: its processes are killed or gone, and it starts none.
ENDING = frozenset({"COMPLETING", "STAGE_OUT"})

_WORDS = {
    Status.QUEUED: "PENDING REQUEUED REQUEUED_CRON REQUEUE_FED REQUEUE_HOLD RESV_DEL_HOLD SPECIAL_EXIT",
    Status.RUNNING: (
        "CONFIGURING RUNNING COMPLETING EXPEDITING SUSPENDED STOPPED RESIZING SIGNALING STAGE_OUT POWER_UP_NODE"
    ),
    Status.FINISHED: "COMPLETED",
    Status.ABORTED: "CANCELLED",
    Status.ERROR: (
        "BOOT_FAIL DEADLINE FAILED LAUNCH_FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED RECONFIG_FAIL REVOKED TIMEOUT"
    ),
}
_STATUS_OF = {word: status for status, words in _WORDS.items() for word in words.split()}
WORDS = frozenset(_STATUS_OF)


def status_of(word: str) -> Status | None:
    """Return what SLURM's state `word` means; None for a word that is not known, which then moves nothing."""
    return _STATUS_OF.get(word)


def of_array(tasks: set[Status]) -> Status:
    """Return the status of a job array whose tasks have the statuses `tasks` (at least one)."""
    if Status.RUNNING in tasks:
        return Status.RUNNING
    if Status.QUEUED in tasks:
        return Status.QUEUED
    for outcome in (Status.ERROR, Status.ABORTED):
        if outcome in tasks:
            return outcome
    return Status.FINISHED
