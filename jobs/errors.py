"""What the registry refuses, with the messages that callers get."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from clusters.errors import ClusterError, TimedOut


class JobNotFound(Exception):
    """The caller has no such job: it does not exist, or it is somebody else's."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job with {job_id} not found")


class SubmissionNotFound(Exception):
    """The caller has begun no such submission."""

    def __init__(self, submission: str) -> None:
        super().__init__(f"Submission {submission} not found")


class OutputNotFound(Exception):
    """The job has no such output file, or its owner cannot read it; the message says which and why."""


class ClusterClosed(Exception):
    """Operators have taken the cluster out of service; their message says why."""

    def __init__(self, cluster: str, message: str) -> None:
        super().__init__(f"{cluster} takes no jobs now: {message}")


class SubmissionRefused(Exception):
    """SLURM did not take the job; nothing runs. The fields are sbatch's own answer (exit code 0 where it never ran)."""

    def __init__(self, message: str, *, exit_code: int = 0, stdout: str = "", stderr: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr

    def stored(self) -> dict[str, Any]:
        """Return what Job.failure keeps of it."""
        return {"message": str(self), "exit_code": self.exit_code, "stdout": self.stdout, "stderr": self.stderr}


class RefusedBefore(SubmissionRefused):
    """The first request with this Idempotency-Key, submission `first`, was refused; this repeats its answer."""

    def __init__(self, first: UUID, failure: Mapping[str, Any]) -> None:
        """`failure` is what was stored of the first refusal; a row may have any part of it."""
        super().__init__(
            failure.get("message", "it failed"),
            exit_code=failure.get("exit_code", 0),
            stdout=failure.get("stdout", ""),
            stderr=failure.get("stderr", ""),
        )
        self.first = first


class OutcomeUnknown(Exception):
    """The answer to a submission was lost: there may be a job. The submission tells as soon as it is known."""

    def __init__(self, submission: UUID, cause: Exception) -> None:
        reason = cause if isinstance(cause, ClusterError) else "the outcome could not be kept"
        super().__init__(f"{reason}; submission {submission} will tell what became of it")
        self.stdout = cause.stdout if isinstance(cause, TimedOut) else b""


class KeyReused(Exception):
    """The Idempotency-Key was used before with another request; this one has begun no submission."""


class StillInFlight(Exception):
    """The first request with this Idempotency-Key, submission `first`, has no outcome yet."""

    def __init__(self, first: UUID) -> None:
        super().__init__(
            f"the first request with this Idempotency-Key, submission {first}, has no outcome yet; "
            "repeat this one in a few seconds"
        )
        self.first = first
