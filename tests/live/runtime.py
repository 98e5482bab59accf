"""A job's runtime information against what SLURM's accounting has written down."""

import datetime as dt

from tests.harness.caller import Job
from tests.harness.sandbox_env import Cluster, eventually

_FIELDS = ("AllocNodes", "AllocCPUS", "Submit", "Start", "End", "ElapsedRaw", "ExitCode")


def seconds(duration: str) -> int:
    """Return the seconds of SLURM's `[D-]HH:MM:SS`."""
    days, _, clock = duration.rpartition("-")
    hours, minutes, rest = (int(part) for part in clock.split(":"))
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + rest


def local(epoch: str, cluster: Cluster) -> str:
    """Return the time on the cluster's clocks."""
    return dt.datetime.fromtimestamp(int(epoch), cluster.zone).strftime("%Y-%m-%d %H:%M:%S")


def utc(epoch: str) -> str:
    """Return the time in UTC, ISO 8601."""
    return dt.datetime.fromtimestamp(int(epoch), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def own_end(state: str, exit_code: str) -> tuple[int | None, int | None]:
    """Return the script's exit code, or the signal that ended it, of sacct's `7:0` or `0:9`; nothing of other ends."""
    code, _, signal = exit_code.partition(":")
    if state not in {"COMPLETED", "FAILED"}:
        return None, None
    return (None, int(signal)) if int(signal) else (int(code), None)


def ended(job: Job, cluster: Cluster) -> dict[str, str] | None:
    """Return accounting's record, which comes later than the controller's word; None where it is not whole yet."""
    said = cluster.accounting(job["job_id"], *_FIELDS)
    return said if said.get("End", "Unknown") != "Unknown" else None


def check_runtime(job: Job, cluster: Cluster) -> None:
    """Check each field of a job that has ended (and is no array) against sacct's record."""
    said = eventually(lambda: ended(job, cluster), f"accounting has the end of {job['job_id']}")
    assert (job["exit_code"], job["signal"]) == own_end(job["slurm_state"], said["ExitCode"])
    assert (job["end_time"], job["end_time_utc"]) == (local(said["End"], cluster), utc(said["End"]))
    if int(said["AllocNodes"]) == 0:  # it never ran
        assert not {"start_time", "nodes", "cores"} & set(job)
        assert seconds(job["queue_time"]) == int(said["End"]) - int(said["Submit"])
        return
    assert (job["start_time"], job["start_time_utc"]) == (local(said["Start"], cluster), utc(said["Start"]))
    assert (job["nodes"], job["cores"]) == (said["AllocNodes"], said["AllocCPUS"])
    assert seconds(job["wall_time"]) == int(said["ElapsedRaw"])
    assert seconds(job["queue_time"]) == int(said["Start"]) - int(said["Submit"])
