"""The operators' pages of the registry: the list and the job (job), and what is done to many at once (bulk)."""

from jobs.admin.job import JobAdmin

__all__ = ["JobAdmin"]
