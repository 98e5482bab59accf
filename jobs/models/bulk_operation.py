"""Bulk operations: what operators have done to many jobs at once, and how far each job of one is."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from jobs.models.job import Job


class BulkAction(models.TextChoices):
    """The actions that operators can order for many jobs."""

    REFRESH = "refresh"
    ABORT = "abort"


class BulkOperation(models.Model):
    """One order of an operator for many jobs, worked off by Celery while its page shows how far it is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    verb = models.CharField(max_length=7, choices=BulkAction)
    operator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    address = models.CharField(max_length=64, blank=True, help_text="from which it was ordered")

    class Meta:
        ordering = ["-created_at"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.verb} ordered at {self.created_at:%Y-%m-%d %H:%M:%S} UTC"


class BulkOperationItem(models.Model):
    """One job of a bulk operation."""

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"

    operation = models.ForeignKey(BulkOperation, on_delete=models.CASCADE, related_name="items")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    outcome = models.TextField(blank=True, help_text="why it failed, or what the job is now")

    class Meta:
        ordering = ["id"]
        default_permissions = ()
        indexes = [models.Index("operation", condition=Q(state="waiting"), name="waiting_items")]

    def __str__(self) -> str:
        return f"{self.job}: {self.state}"
