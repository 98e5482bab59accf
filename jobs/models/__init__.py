"""The registry's rows: jobs with their history, and the operators' bulk operations."""

from jobs.models.bulk_operation import BulkAction, BulkOperation, BulkOperationItem
from jobs.models.job import (
    CHANNEL,
    DN_INDEXED,
    FOLLOWED_FOR,
    OPEN,
    Event,
    Job,
    JobQuerySet,
    RecoveryAttempt,
    Source,
    SubmissionStatus,
)

__all__ = [
    "CHANNEL",
    "DN_INDEXED",
    "FOLLOWED_FOR",
    "OPEN",
    "BulkAction",
    "BulkOperation",
    "BulkOperationItem",
    "Event",
    "Job",
    "JobQuerySet",
    "RecoveryAttempt",
    "Source",
    "SubmissionStatus",
]
