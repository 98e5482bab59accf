"""Submissions on the login node: made, acknowledged, and found again where their answer was lost.

Each step is one request to an agent; docs/login-node.md has the whole protocol.
"""

from clusters.submitting.acknowledgement import OnUpdates, SubmissionUpdate, acknowledge, clean_remote_directory
from clusters.submitting.descriptions import describe
from clusters.submitting.lost import find_lost_submissions
from clusters.submitting.slots import SubmissionSlot, acquire_slot
from clusters.submitting.submission import SubmissionAnswer, WorkingDirectoryError, submit

__all__ = [
    "OnUpdates",
    "SubmissionAnswer",
    "SubmissionSlot",
    "SubmissionUpdate",
    "WorkingDirectoryError",
    "acknowledge",
    "acquire_slot",
    "clean_remote_directory",
    "describe",
    "find_lost_submissions",
    "submit",
]
