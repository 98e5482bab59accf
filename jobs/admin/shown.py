"""How operators see a job: each value in a form that needs no knowledge of the table."""

from datetime import datetime, timedelta

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

from jobs.api.serializers import duration
from jobs.models import Job, SubmissionStatus

_OUTCOMES = {SubmissionStatus.PENDING: "no answer yet", SubmissionStatus.FAILED: "refused"}


def time(moment: datetime | None) -> str:
    """Return a time to the second; the columns' names say that it is UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""


def yes_or_no(*, value: bool) -> str:
    """Return a word, where Django would draw a green or a red sign: neither of the two is a fault here."""
    return "yes" if value else "no"


def refusal(job: Job) -> str:
    """Return why a submission came to nothing, in a line: SLURM's words where there are any."""
    failure = job.failure or {}
    output = " ".join(str(failure.get("stderr") or failure.get("stdout") or "").split())
    return output or str(failure.get("message", ""))


class JobColumns(admin.ModelAdmin):
    """The columns of the list and the fields of the page."""

    @admin.display(description="job")
    def name(self, job: Job) -> str:
        """Return the job_id, or that there is none."""
        return job.job_id or f"submission {str(job.pk)[:8]}…"

    @admin.display(description="status")
    def state(self, job: Job) -> SafeString:
        """Return the status, or how far the submission is where SLURM has no job; then what SLURM calls it or said."""
        label = (
            job.status
            if job.submission_status == SubmissionStatus.SUBMITTED
            else _OUTCOMES[SubmissionStatus(job.submission_status)]
        )
        label = "unknown" if job.is_given_up else label
        deleted = mark_safe(' <span class="badge deleted">deleted</span>') if job.deleted_at else ""
        note = (
            Truncator(refusal(job)).chars(90) if job.submission_status == SubmissionStatus.FAILED else _slurms_word(job)
        )
        quiet = format_html('<div class="quiet small">{}</div>', note) if note else ""
        return format_html('<span class="badge {}">{}</span>{}{}', label.replace(" ", "-"), label, deleted, quiet)

    @admin.display(description="tag")
    def short_tag(self, job: Job) -> str:
        """Return the tag, or the beginning of a long one."""
        return Truncator(job.tag or "").chars(40)

    @admin.display(description="account")
    def whose(self, job: Job) -> SafeString:
        """Return the account, and the cluster on which it is one."""
        return format_html('{}<div class="quiet small">{}</div>', job.account, job.cluster.name)

    @admin.display(description="nodes, cores")
    def size(self, job: Job) -> str:
        """Return what was allocated."""
        return "" if job.nodes is None else f"{job.nodes}, {job.cores or '?'}"

    @admin.display(description="submitted (UTC)")
    def begun(self, job: Job) -> str:
        """Return when the submission began."""
        return time(job.created_at)

    @admin.display(description="started (UTC)")
    def started(self, job: Job) -> str:
        """Return when it started."""
        return time(job.started_at)

    @admin.display(description="ended (UTC)")
    def ended(self, job: Job) -> str:
        """Return when it ended."""
        return time(job.ended_at)

    @admin.display(description="ran for")
    def length(self, job: Job) -> str:
        """Return how long it ran, in SLURM's form."""
        return "" if job.wall_seconds is None else duration(timedelta(seconds=job.wall_seconds))

    @admin.display(description="submission's id")
    def submission_id(self, job: Job) -> str:
        """Return the key by which callers ask what became of their POST."""
        return str(job.pk)

    @admin.display(description="SLURM's reason")
    def why(self, job: Job) -> str:
        """Return why it waits or has failed."""
        return job.reason

    @admin.display(description="exit code of the script")
    def exited(self, job: Job) -> str:
        """Return the exit code, and the signal that ended the script where one did."""
        signal = f"ended by signal {job.signal}" if job.signal else ""
        return signal or ("" if job.exit_code is None else str(job.exit_code))

    @admin.display(description="end confirmed by accounting")
    def is_confirmed(self, job: Job) -> str:
        """Return whether sacct has told the end."""
        return yes_or_no(value=job.accounting_confirmed)

    @admin.display(description="last change seen (UTC)")
    def checked(self, job: Job) -> str:
        """Return when SLURM was asked with success and said something new of it."""
        return time(job.checked_at)

    @admin.display(description="tasks of the array")
    def array(self, job: Job) -> str:
        """Return how many tasks have each status."""
        if not job.is_array:
            return "not an array job"
        return ", ".join(f"{count} {status}" for status, count in sorted((job.tasks or {}).items()))

    @admin.display(description="standard output")
    def output(self, job: Job) -> str:
        """Return the file's path on the cluster."""
        return job.stdout

    @admin.display(description="standard error")
    def errors(self, job: Job) -> str:
        """Return the file's path on the cluster."""
        return job.stderr

    @admin.display(description="taken by SLURM (UTC)")
    def taken(self, job: Job) -> str:
        """Return when SLURM says that it was submitted."""
        return time(job.submitted_at)

    @admin.display(description="abort asked for (UTC)")
    def abort_asked(self, job: Job) -> str:
        """Return when somebody wanted it to end."""
        return time(job.abort_requested_at)

    @admin.display(description="deleted by its owner (UTC)")
    def deleted(self, job: Job) -> str:
        """Return when, and what that means."""
        return f"{time(job.deleted_at)}; its owner can no longer see the job" if job.deleted_at else ""

    @admin.display(description="what came of the submission")
    def outcome(self, job: Job) -> str:
        """Return whether SLURM has taken the job."""
        return {
            SubmissionStatus.PENDING: "no answer yet: the service finds out by itself whether SLURM has the job",
            SubmissionStatus.SUBMITTED: "SLURM has taken the job",
            SubmissionStatus.FAILED: "refused: there is no job",
        }[SubmissionStatus(job.submission_status)]

    @admin.display(description="why it was refused")
    def refused(self, job: Job) -> SafeString | str:
        """Return what sbatch or the login node said, as it said it."""
        if not job.failure:
            return ""
        parts = [("", job.failure.get("message", "")), ("exit code ", job.failure.get("exit_code") or "")]
        parts += [("", job.failure.get("stdout", "")), ("", job.failure.get("stderr", ""))]
        lines = [f"{label}{text}".strip() for label, text in parts if str(text).strip()]
        return format_html('<pre class="output">{}</pre>', "\n".join(lines))

    @admin.display(description="Idempotency-Key")
    def key(self, job: Job) -> str:
        """Return the key that the caller sent with it."""
        return job.idempotency_key or ""

    @admin.display(description="the service's own record of the submission in the user's home directory")
    def is_acknowledged(self, job: Job) -> str:
        """Return whether what finds a lost submission again is no longer needed in the account's home."""
        return "removed" if job.acknowledged else "not removed yet"

    @admin.display(description="SLURM has used the job's number again, for a later job")
    def is_slurm_id_reused(self, job: Job) -> str:
        """Return whether the number means another job of this account by now."""
        return yes_or_no(value=job.slurm_id_reused)


def _slurms_word(job: Job) -> str:
    """Return SLURM's state where it says more than the status, with its reason."""
    parts = [job.slurm_state if job.slurm_state != job.status else "", job.reason]
    return Truncator(", ".join(part for part in parts if part and part != "None")).chars(60)
