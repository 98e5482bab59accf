"""The lines of the audit log."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Entry(models.Model):
    """One call that asked for a change, or one act of an operator. PostgreSQL refuses every change of a line.

    All of it is text, so that a line means the same when what it names is gone. No line holds a script or a header, nor
    a reason that could repeat them.
    """

    at = models.DateTimeField("time (UTC)", default=timezone.now, help_text="when it was answered")
    account = models.CharField(max_length=32, blank=True, help_text="the caller's, on the cluster")
    dn = models.TextField("DN", blank=True, help_text="the owner of the caller's proxy")
    operator = models.CharField(max_length=150, blank=True, help_text="who is logged in to the admin")
    address = models.CharField(max_length=64, blank=True, help_text="from which the request came")
    action = models.CharField(max_length=32, help_text="submit, abort, delete; of operators also refresh, enable, ...")
    cluster = models.CharField(max_length=253, blank=True)
    submission = models.UUIDField(
        "submission's id", null=True, blank=True, help_text="the key of the job's row, where there is one"
    )
    subject = models.CharField(
        "on what", max_length=300, blank=True, help_text="the job_id, or what an operator worked on"
    )
    outcome = models.CharField(max_length=16, help_text="done, refused, failed or unknown")
    code = models.PositiveSmallIntegerField("HTTP status", null=True, blank=True, help_text="of the HTTP answer")
    detail = models.TextField(
        "what was said", blank=True, help_text="why it was refused or failed; what an operator did"
    )
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "entries"
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint("submission", condition=Q(action="submit"), name="one_line_per_submission"),
        ]
        indexes = [
            models.Index(F("at").desc(), F("id").desc(), name="audit_newest"),
            models.Index("account", F("at").desc(), F("id").desc(), name="audit_of_account"),
            models.Index("subject", F("at").desc(), name="audit_of_subject"),
            models.Index("request_id", name="audit_of_request"),
            models.Index("operator", F("at").desc(), condition=~Q(operator=""), name="audit_of_operator"),
            # The rare lines, each by its filter: most are submissions that were done, and those are among the newest.
            models.Index(F("at").desc(), F("id").desc(), condition=~Q(operator=""), name="audit_of_operators"),
            models.Index(
                "action", F("at").desc(), F("id").desc(), condition=~Q(action="submit"), name="audit_by_action"
            ),
            models.Index(
                "outcome", F("at").desc(), F("id").desc(), condition=~Q(outcome="done"), name="audit_by_outcome"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.operator or self.account or 'nobody'}: {self.outcome}"
