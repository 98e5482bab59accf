"""What the registry refuses, in the words that callers get."""


class JobNotFound(Exception):
    """The caller has no such job: it does not exist, or it is somebody else's."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job with {job_id} not found")


class OutputNotFound(Exception):
    """The job has no such output file yet, or its owner cannot read it."""


class SubmissionRefused(Exception):
    """SLURM did not take the job; nothing runs. The fields are sbatch's own answer (exit code 0 where it never ran)."""

    def __init__(self, message: str, *, exit_code: int = 0, stdout: str = "", stderr: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr
