"""The API's forms: what callers may send, and how a job is written out."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from drf_spectacular.drainage import set_override
from rest_framework import serializers

from clusters.models import Cluster
from clusters.remote import LONGEST_DIRECTORY
from jobs import hosts
from jobs.hosts import Host
from jobs.models import Event, Job, Source
from jobs.states import Status

SUBMISSION_STATUSES = ["pending", "submitted", "failed"]
MAX_SCRIPT = 4 * 1024 * 1024  # bytes
_STATUS = (
    "QUEUED while it waits, RUNNING, FINISHED if its script succeeded, ABORTED if it was cancelled, ERROR if it failed "
    "or SLURM ended it"
)
_LONGEST_NAME = 255  # bytes of each name in a path; NAME_MAX (limits.h)


class StrictCharField(serializers.CharField):
    """A string as it was sent: nothing else is turned into one, nothing is trimmed.

    `form` is what JSON Schema can say of it, for the API's description.
    """

    def __init__(self, *, form: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        set_override(self, "field", {"type": "string", **(form or {})})

    def to_internal_value(self, data: object) -> str:
        """Return `data` if it is text. Raises ValidationError."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Leave the empty string to the validators of the field: for some it has a meaning."""
        return serializers.Field.run_validation(self, data)


class ClosedSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "it must be a JSON object, in braces"}

    def to_internal_value(self, data: Any) -> Any:
        """Return the checked values. Raises ValidationError naming each field that is wrong."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        known = ", ".join(self.fields)
        errors: dict[str, Any] = {str(name): [f"unknown field; this call takes: {known}"] for name in unknown}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as exc:
            if not isinstance(exc.detail, dict):
                raise
            errors |= exc.detail
        if errors:
            raise serializers.ValidationError(errors)
        return values


class OrderSerializer(ClosedSerializer):
    """A job to be submitted."""

    host = StrictCharField(
        help_text="name of a registered cluster, in any case",
        form={"pattern": "^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", "maxLength": 253},
    )
    script = StrictCharField(
        help_text="begins with #!, no NUL, at most 4 MiB",
        form={"pattern": r"^#![^\u0000]*$"},
    )
    working_directory = StrictCharField(
        required=False,
        allow_null=True,
        help_text="absolute, or relative to the home directory, which is the default; at most 4095 bytes, 255 in each "
        "of its names; it must exist",
        form={"pattern": r"^(/|[^/\u0000\r\n]{1,255}(/|$))*$", "maxLength": LONGEST_DIRECTORY},
    )
    tag = StrictCharField(
        required=False,
        allow_null=True,
        default=None,
        help_text="your own word for the job, by which lists can be filtered; 1 to 255 printable characters",
        form={"pattern": r"^([^\p{C}\p{Z}]| )+$", "minLength": 1, "maxLength": 255},
    )

    def validate_host(self, value: str) -> Host:
        """Return the cluster of that name or alias: an enabled one, or one of which operators have said why it is not.

        Whether it takes jobs now is not checked here: the view does that.
        """
        host = hosts.get_host(value)
        if host and (host.cluster.enabled or host.cluster.disabled_message):
            return host
        names = ", ".join(cluster.name for cluster in Cluster.objects.filter(enabled=True)) or "none"
        raise serializers.ValidationError(f"unknown host; known hosts: {names}")

    def validate_script(self, value: str) -> str:
        """Refuse what sbatch would not take as a script."""
        if not value.startswith("#!"):
            raise serializers.ValidationError("must begin with #!, as in #!/bin/bash")
        if len(value.encode()) > MAX_SCRIPT:
            raise serializers.ValidationError("must not be longer than 4 MiB")
        return value

    def validate_working_directory(self, value: str | None) -> str:
        """Refuse line breaks, and what no directory can be called (path_resolution(7))."""
        value = value or ""
        if any(character in value for character in "\r\n"):
            raise serializers.ValidationError("must not contain line breaks")
        path = value.encode()
        if len(path) > LONGEST_DIRECTORY:
            raise serializers.ValidationError(f"must not be longer than {LONGEST_DIRECTORY} bytes")
        if max(map(len, path.split(b"/"))) > _LONGEST_NAME:
            raise serializers.ValidationError(f"must not have a name of more than {_LONGEST_NAME} bytes")
        return value

    def validate_tag(self, value: str | None) -> str | None:
        """Accept null, or 1 to 255 printable characters."""
        if value is not None and not (1 <= len(value) <= 255 and value.isprintable()):  # noqa: PLR2004 - see the message
            raise serializers.ValidationError("must be 1 to 255 printable characters")
        return value


class ActionSerializer(ClosedSerializer):
    """What is to be done to a job."""

    action = StrictCharField(help_text="`abort`, in any case", form={"pattern": "^[Aa][Bb][Oo][Rr][Tt]$"})

    def validate_action(self, value: str) -> str:
        """Accept `abort` in any case."""
        if value.lower() != "abort":
            raise serializers.ValidationError("must be abort")
        return value


class JobSerializer(serializers.Serializer[Job]):
    """A job, as far as SLURM has told of it. What is not known yet is absent or null, as each field says."""

    # For the API's description alone; what writes a job out is jobs.api.representation.

    job_id = serializers.CharField(help_text="SLURM's id, a dot, and the cluster's job domain")
    stdout_path = serializers.URLField(help_text="where standard output can be downloaded")
    stderr_path = serializers.URLField(help_text="where standard error can be downloaded")
    status = serializers.ChoiceField(choices=list(Status), help_text=_STATUS)
    tag = serializers.CharField(allow_null=True, help_text="your own word for the job; null if it has none")
    nodes = serializers.CharField(required=False, help_text="number of nodes, decimal; absent until allocated")
    cores = serializers.CharField(required=False, help_text="number of cores, decimal; absent until allocated")
    start_time = serializers.CharField(
        required=False,
        help_text="when it started, YYYY-MM-DD HH:MM:SS in the cluster's time zone; absent if it has not",
    )
    end_time = serializers.CharField(
        required=False, help_text="when it ended, YYYY-MM-DD HH:MM:SS in the cluster's time zone; absent if it has not"
    )
    start_time_utc = serializers.DateTimeField(
        required=False, help_text="the same moment as `start_time`, in UTC (ISO 8601); absent where that is"
    )
    end_time_utc = serializers.DateTimeField(
        required=False, help_text="the same moment as `end_time`, in UTC (ISO 8601); absent where that is"
    )
    wall_time = serializers.CharField(required=False, help_text="how long it ran, [D-]HH:MM:SS; absent until it ended")
    queue_time = serializers.CharField(
        required=False,
        help_text="how long it waited since its first submission, [D-]HH:MM:SS; absent until it started or ended",
    )
    host = serializers.CharField(help_text="name of the cluster")
    slurm_state = serializers.CharField(
        allow_null=True, help_text="SLURM's own word for the state, such as TIMEOUT; null until SLURM has told one"
    )
    reason = serializers.CharField(
        allow_null=True, help_text="why it waits or has failed, in SLURM's own word; null if SLURM tells none"
    )
    exit_code = serializers.IntegerField(
        allow_null=True,
        help_text="with which the script ended by itself; null as long as SLURM has told none, and for good where it "
        "ended the job itself (time limit, abort, failed launch, lost node), or a signal did",
    )
    signal = serializers.IntegerField(allow_null=True, help_text="number of the signal that ended the script, or null")
    tasks = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="how many tasks of a job array have each status; absent for other jobs, and where SLURM tells none",
    )
    checked_at = serializers.DateTimeField(
        allow_null=True, help_text="when SLURM was last asked about it with success, UTC; null before the first time"
    )


class EventSerializer(serializers.Serializer[Event]):
    """One change of a job's state."""

    at = serializers.DateTimeField(help_text="when the registry heard of it, UTC", format="%Y-%m-%dT%H:%M:%SZ")
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field of that name
        choices=Source.choices,
        help_text="who told of the change: the `submission` itself, a `poll` of the controller, `accounting`, the "
        "`user` who aborted it, or an `operator`",
    )
    status = serializers.ChoiceField(choices=list(Status), help_text=_STATUS)
    slurm_state = serializers.CharField(
        allow_blank=True, help_text="SLURM's own word for the state; empty if SLURM has told none"
    )


class SubmissionSerializer(serializers.Serializer[Job]):
    """What became of a submission."""

    # The docstring and the fields are for the API's description; here a submission is written out, and never read.

    submission_id = serializers.UUIDField(help_text="as the header `Submission-Id` has told it")
    status = serializers.ChoiceField(
        choices=SUBMISSION_STATUSES,
        help_text="`pending` while it is being found out, `submitted` if it has become a job, else `failed`",
    )
    host = serializers.CharField(help_text="name of the cluster")
    tag = serializers.CharField(allow_null=True, help_text="your own word for the job; null if it has none")
    created_at = serializers.DateTimeField(help_text="when the submission began, UTC")
    job_id = serializers.CharField(required=False, help_text="of the job that it has become; absent if it has not")
    exit_code = serializers.IntegerField(
        required=False, help_text="of sbatch, 0 where it was not run; absent unless the submission failed"
    )
    standard_output = serializers.CharField(
        required=False, help_text="what sbatch printed; absent unless the submission failed"
    )
    error_output = serializers.CharField(
        required=False, help_text="what sbatch printed as errors; absent unless the submission failed"
    )
    error_message = serializers.CharField(required=False, help_text="why the submission failed; absent unless it did")

    def to_representation(self, job: Job) -> dict[str, Any]:
        """Return the submission's fields: `job_id` if it has a job, sbatch's words if it failed."""
        failure = job.failure or {}
        outcome = {
            "exit_code": failure.get("exit_code", 0),
            "standard_output": failure.get("stdout", ""),
            "error_output": failure.get("stderr", ""),
            "error_message": failure.get("message", ""),
        }
        return {
            "submission_id": str(job.id),
            "status": job.submission_status.lower(),
            "host": job.cluster.name,
            "tag": job.tag,
            "created_at": _utc(job.created_at),
            **({"job_id": job.job_id} if job.job_id else {}),
            **(outcome if failure else {}),
        }


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(length: timedelta) -> str:
    """Return `length` in SLURM's form `[D-]HH:MM:SS`; clocks that disagree make no negative one."""
    seconds = max(0, int(length.total_seconds()))
    days, seconds = divmod(seconds, 86_400)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{days}-{clock}" if days else clock
