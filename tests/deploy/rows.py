"""Run by `manage.py shell`: fills a registry, or prints what alice is told of it."""

FILL = """
from datetime import UTC, datetime, timedelta
from uuid import UUID
from clusters.models import Cluster
from jobs.models import Event, Job
zeus = Cluster.objects.create(
    name="zeus.example.org", address="127.0.0.1", host_keys=["ssh-ed25519 AAAA"], job_domain="example.org",
    time_zone="Europe/Warsaw", poll_account="plgpoll")
for number in range(1, 26):
    job = Job.objects.create(
        cluster=zeus, account="plgalice", owner_dn="/CN=plgalice", job_id=f"{number}.example.org", slurm_id=number,
        status="FINISHED", slurm_state="COMPLETED", submission_status="SUBMITTED", tag=f"tag {number}",
        nodes=1, cores=2,
        submitted_at=datetime(2026, 1, 1, tzinfo=UTC), started_at=datetime(2026, 1, 1, 1, tzinfo=UTC),
        ended_at=datetime(2026, 1, 1, 2, tzinfo=UTC), exit_code=0)
    Event.objects.create(job=job, at=datetime(2026, 1, 1, 2, tzinfo=UTC), source="poll", status="FINISHED")
"""

TELL = """
import base64, json, os
from django.test import Client
proxy = base64.b64encode(open(os.environ["ALICE_PROXY"], "rb").read()).decode()
def get(path):
    return Client().get(path, headers={"PROXY": proxy}, secure=True, SERVER_NAME="localhost").json()
jobs = get("/api/jobs")
print("TOLD" + json.dumps([jobs, [get(f"/api/jobs/{job['job_id']}/events") for job in jobs]]))
"""
