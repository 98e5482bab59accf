"""PURE. The five statuses of the API, and which of them each of SLURM's states means.

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

# The states of a job that is over but for its end: its processes are killed or gone, and it starts none.
ENDING = frozenset({"COMPLETING", "STAGE_OUT"})

_STATES = {
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
_STATUS_OF = {state: status for status, states in _STATES.items() for state in states.split()}
STATES = frozenset(_STATUS_OF)


def status_of(state: str) -> Status | None:
    """Return the status that SLURM's `state` means; None for an unknown one, which then changes nothing."""
    return _STATUS_OF.get(state)


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
