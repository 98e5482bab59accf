"""A job that has ended, for tests of what is read of it."""

import datetime as dt

import pytest

from clusters.models import Cluster
from jobs.models import Job, SubmissionStatus

JOB = "/api/jobs/7.batch.grid.cyf-kr.edu.pl"


@pytest.fixture
def job(zeus: Cluster) -> Job:
    """A finished job of alice's, over the end of daylight saving time in Warsaw."""
    start = dt.datetime(2026, 10, 25, 0, 30, 11, tzinfo=dt.UTC)
    return Job.objects.create(
        cluster=zeus, account="plgalice", owner_dn="/CN=plgalice", tag="t1",
        submission_status=SubmissionStatus.SUBMITTED, slurm_id=7, job_id="7.batch.grid.cyf-kr.edu.pl",
        status="FINISHED", slurm_state="COMPLETED", nodes=1, cores=12,
        exit_code=0, signal=0, submitted_at=start - dt.timedelta(minutes=10), started_at=start,
        ended_at=start + dt.timedelta(hours=1), wall_seconds=3600, accounting_confirmed=True, checked_at=start,
        stdout="/home/plgalice/slurm-7.out", stderr="/home/plgalice/err or/7.err",
    )  # fmt: skip
