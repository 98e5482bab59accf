"""A row for each submission, kept with the job's runtime statistics long after SLURM has forgotten the job."""

import uuid
from datetime import timedelta
from typing import Any, Self, cast

from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Left
from django.utils import timezone

from clusters.models import Cluster
from jobs import statements
from jobs.models.revision import revision
from jobs.states import ACTIVE, Status


class SubmissionStatus(models.TextChoices):
    """How far the submission came: it is PENDING as long as it is not known whether SLURM has the job."""

    PENDING = "PENDING"
    SUBMITTED = "SUBMITTED"
    FAILED = "FAILED"


class JobQuerySet(models.QuerySet["Job"]):
    """The queries on the registry."""

    def listed(self) -> Self:
        """Jobs that SLURM has accepted and their owners have not deleted: what users see."""
        return self.filter(submission_status=SubmissionStatus.SUBMITTED, deleted_at=None)

    def owned_by(self, account: str) -> Self:
        """Listed jobs of `account`, newest first, with their clusters."""
        return self.listed().filter(account=account).select_related("cluster")

    def open(self) -> Self:
        """Jobs of which SLURM has more to say: active ones, and ended ones that accounting has not confirmed.

        One that its owner has deleted is followed until its end is known, but no longer than FOLLOWED_FOR.
        """
        followed = Q(deleted_at=None) | Q(deleted_at__gte=timezone.now() - FOLLOWED_FOR)
        return self.filter(OPEN, followed, submission_status=SubmissionStatus.SUBMITTED)


# For how long SLURM is asked about a job that its owner has deleted.
FOLLOWED_FOR = timedelta(days=7)

# PostgreSQL's notification channel, to which the key of each job that has changed is sent.
CHANNEL = "jobs_moved"

# The row, its event and the notification are one statement. With the ORM they were three, in a transaction of two more:
# 1.42 ms of Python's processor time instead of 0.31, and five exchanges with PostgreSQL. `columns` are what changes.
_MOVE = """
    WITH moved AS (UPDATE jobs_job SET {columns} WHERE id = %s AND status = %s RETURNING id), events AS (
        INSERT INTO jobs_event (job_id, at, source, status, slurm_state, by)
        SELECT id, %s::timestamptz, %s::text, %s::text, %s::text, %s::text FROM moved
    )
    SELECT pg_notify(%s, id::text) FROM moved
"""

# So much of a DN is in its index: a whole one may be longer than an entry of PostgreSQL's indexes.
DN_INDEXED = 200

OPEN = Q(status__in=sorted(ACTIVE)) | Q(accounting_confirmed=False)


class Job(models.Model):
    """A submission, and the batch job that it has become.

    A submission that failed has a row too, with its `failure`, and so has one whose outcome is not known yet: there is
    a job only where `submission_status` is SUBMITTED. Three names lead to a row: `id` is the submission's, `slurm_id`
    is SLURM's number, which SLURM may use again, and `job_id` is that number with the cluster's domain, by which
    callers know the job. `account` and `owner_dn` are text, so that history survives a changed mapping.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False, help_text="of the submission")
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="jobs")
    account = models.CharField(max_length=32)
    owner_dn = models.TextField("owner's DN")
    tag = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null is a documented answer
    working_directory = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    # At most one submission for each key that a caller names; a submission that came to nothing gives its key back.
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null is not unique
    answer = models.JSONField(null=True, blank=True, help_text="the first answer to a request with a key")
    request_digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the request's body")

    submission_status = models.CharField(max_length=9, choices=SubmissionStatus, default=SubmissionStatus.PENDING)
    acknowledged = models.BooleanField(default=False, help_text="the cluster knows that the outcome is known here")
    failure = models.JSONField(null=True, blank=True, help_text="sbatch's own words where it refused")
    slurm_id = models.BigIntegerField("SLURM id", null=True, blank=True)
    job_id = models.CharField(max_length=300, blank=True)
    slurm_id_reused = models.BooleanField(
        default=False, help_text="SLURM has given the id to a later job of this account"
    )

    status = models.CharField(max_length=8, choices=[(s, s) for s in Status], default=Status.QUEUED)
    slurm_state = models.CharField("SLURM state", max_length=32, blank=True)
    reason = models.TextField(blank=True)
    is_array = models.BooleanField(default=False)
    tasks = models.JSONField(null=True, blank=True, help_text="of an array: how many have each status")
    stdout = models.TextField(blank=True)
    stderr = models.TextField(blank=True)
    nodes = models.PositiveIntegerField(null=True, blank=True)
    cores = models.PositiveIntegerField(null=True, blank=True)
    # Of the job's script, where SLURM tells it: an exit code and the signal 0, or the signal that ended it alone.
    exit_code = models.IntegerField(null=True, blank=True, help_text="of the script itself, if it came to its own end")
    signal = models.IntegerField(null=True, blank=True, help_text="that ended the script; 0 is none")
    submitted_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    wall_seconds = models.PositiveBigIntegerField(null=True, blank=True)
    abort_requested_at = models.DateTimeField(null=True, blank=True)
    accounting_confirmed = models.BooleanField(default=False, help_text="accounting has told the end of it")
    checked_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="by its owner, who no longer sees it")

    # A hash of the row itself. PostgreSQL computes it with each write, whatever has written.
    revision = models.GeneratedField(
        expression=revision(),
        output_field=models.BigIntegerField(),
        db_persist=True,
        help_text="a hash of what answers show of it",
    )

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                "cluster",
                "account",
                "slurm_id",
                condition=Q(slurm_id_reused=False),
                name="one_current_job_per_slurm_id",
            ),
            models.UniqueConstraint("account", "idempotency_key", name="one_submission_per_key"),
        ]
        indexes = [
            models.Index("account", F("created_at").desc(), name="jobs_of_account"),
            # What a list's ETag is made of, without the table: 1,000 jobs of a million take 0.1 ms, 10,000 take 0.9.
            models.Index(
                "account",
                "tag",
                F("created_at").desc(),
                F("id").desc(),
                include=["revision"],
                condition=Q(submission_status="SUBMITTED", deleted_at__isnull=True),
                name="listed_jobs_of_account",
            ),
            models.Index("job_id", name="jobs_by_job_id"),
            models.Index("cluster", condition=OPEN, name="open_jobs_of_cluster"),
            models.Index("created_at", condition=Q(submission_status="PENDING"), name="pending_submissions"),
            # The operators' list: newest first, by each filter and search. The key of a row makes its order certain.
            models.Index(F("created_at").desc(), F("id").desc(), name="jobs_newest"),
            models.Index("cluster", F("created_at").desc(), F("id").desc(), name="jobs_of_cluster"),
            models.Index(
                "status",
                F("created_at").desc(),
                F("id").desc(),
                condition=Q(submission_status="SUBMITTED"),
                name="submitted_jobs_by_status",
            ),
            models.Index(
                F("created_at").desc(),
                F("id").desc(),
                condition=Q(submission_status="FAILED"),
                name="refused_submissions",
            ),
            models.Index(
                F("created_at").desc(), F("id").desc(), condition=Q(deleted_at__isnull=False), name="deleted_jobs"
            ),
            models.Index("slurm_state", F("created_at").desc(), F("id").desc(), name="jobs_by_slurm_state"),
            models.Index("tag", F("created_at").desc(), F("id").desc(), name="jobs_by_tag"),
            models.Index(Left("owner_dn", DN_INDEXED), F("created_at").desc(), F("id").desc(), name="jobs_by_dn"),
            models.Index("ended_at", condition=Q(ended_at__isnull=False), name="jobs_by_end"),
        ]
        permissions = [
            ("abort_job", "Can abort jobs of any user"),
            ("refresh_job", "Can have SLURM asked about jobs"),
            ("export_job", "Can export lists of jobs"),
        ]

    def __str__(self) -> str:
        return self.job_id or f"submission {self.id}"

    @property
    def is_given_up(self) -> bool:
        """Whether its end will never be known: its owner has deleted it, and SLURM has not said how it ended."""
        return bool(self.deleted_at and self.status in ACTIVE and self.deleted_at < timezone.now() - FOLLOWED_FOR)

    def move_to(self, new: Status, source: "Source", *, by: str = "", **changes: Any) -> bool:
        """Move this row to `new` and write `changes`; False, and nothing written, if another worker moved it first.

        `by` is the operator who asked for it, where one did.
        """
        values = {"status": new, **changes}
        fields = {name: cast("models.Field[Any, Any]", self._meta.get_field(name)) for name in values}
        statement = _MOVE.format(columns=", ".join(f'"{field.column}" = %s' for field in fields.values()))
        values_written = [fields[name].get_db_prep_save(value, connection) for name, value in values.items()]
        event = [timezone.now(), source, new, changes.get("slurm_state", self.slurm_state), by]
        with statements.prepared() as cursor:
            cursor.execute(statement, [*values_written, self.pk, self.status, *event, CHANNEL])
            has_moved = bool(cursor.rowcount == 1)
        if has_moved:
            for name, value in values.items():
                setattr(self, name, value)
        return has_moved


class Source(models.TextChoices):
    """Where a change came from."""

    SUBMISSION = "submission"
    POLL = "poll"
    ACCOUNTING = "accounting"
    USER = "user"
    OPERATOR = "operator"


class Event(models.Model):
    """One change of a job's state: the job's history, kept as long as the job is."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    source = models.CharField(max_length=10, choices=Source)
    status = models.CharField(max_length=8, choices=[(s, s) for s in Status])
    slurm_state = models.CharField("SLURM state", max_length=32, blank=True)
    by = models.CharField(max_length=150, blank=True, db_default="", help_text="the operator who asked for it")

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.status} at {self.at:%Y-%m-%d %H:%M:%S} UTC by {self.source}"


class RecoveryAttempt(models.Model):
    """When an account's lost submissions are looked for again; there is no row where the last attempt succeeded."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    account = models.CharField(max_length=32)
    failures = models.PositiveIntegerField(default=0, help_text="in a row")
    due_at = models.DateTimeField(default=timezone.now, help_text="not attempted again before")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["cluster", "account"], name="one_recovery_per_account")]

    def __str__(self) -> str:
        return f"recovery for {self.account} on {self.cluster}"
