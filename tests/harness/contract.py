"""What the contract says of the shape of every answer."""

import datetime as dt
import re
from typing import Any

import httpx

from tests.harness.caller import Job
from tests.harness.sandbox_env import Cluster

ERROR_FIELDS = {"status", "exit_code", "standard_output", "error_output", "error_message", "tag"}
ALWAYS = {"job_id", "stdout_path", "stderr_path", "status", "tag"}
RUNTIME = {"nodes", "cores", "start_time", "end_time", "wall_time", "queue_time"}
ADDITIVE = {"host", "slurm_state", "reason", "exit_code", "signal", "checked_at"}
TWINS = {"start_time": "start_time_utc", "end_time": "end_time_utc"}  # the cluster's clocks, and UTC
STATUSES = {"QUEUED", "RUNNING", "FINISHED", "ABORTED", "ERROR"}

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
DURATION = r"(\d+-)?\d\d:\d\d:\d\d"
_FORMS = {
    "nodes": r"[1-9]\d*",
    "cores": r"[1-9]\d*",
    "start_time": TIME,
    "end_time": TIME,
    "wall_time": DURATION,
    "queue_time": DURATION,
}


def check_job(job: Job, cluster: Cluster) -> None:
    """Check every field of a job for its presence and its form."""
    assert set(job) >= ALWAYS | ADDITIVE
    assert re.fullmatch(r"[0-9]+\." + re.escape(cluster.domain), job["job_id"])
    assert job["status"] in STATUSES
    assert job["host"] == cluster.host
    assert job["tag"] is None or isinstance(job["tag"], str)
    for stream in ("stdout", "stderr"):
        assert job[f"{stream}_path"].endswith(f"/api/jobs/{job['job_id']}/{stream}")
    for name in RUNTIME & set(job):
        assert isinstance(job[name], str), name
        assert re.fullmatch(_FORMS[name], job[name]), (name, job[name])
    for name, twin in TWINS.items():
        assert (name in job) == (twin in job)
        if name in job:
            there = dt.datetime.fromisoformat(job[name]).replace(tzinfo=cluster.zone)
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", job[twin])
            here = dt.datetime.fromisoformat(job[twin])
            assert here in {there.astimezone(dt.UTC), there.replace(fold=1).astimezone(dt.UTC)}
    assert job["exit_code"] is None or isinstance(job["exit_code"], int)
    assert job["signal"] is None or (job["exit_code"] is None and 1 <= job["signal"] <= 31)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", job["checked_at"] or "1970-01-01T00:00:00Z")


def error(answer: httpx.Response, code: int) -> dict[str, Any]:
    """Check that an answer is an error with this code and the contract's body, and return the body."""
    assert answer.status_code == code, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert set(body) == ERROR_FIELDS
    assert body["status"] == "error"
    assert isinstance(body["exit_code"], int)
    assert all(isinstance(body[name], str) for name in ("standard_output", "error_output", "error_message"))
    assert body["error_message"]
    return body
