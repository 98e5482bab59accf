"""A job as it is job_fields out: what becomes of times as PostgreSQL tells them."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.api.representation import ClusterRow, Row, job_fields

ZONES = ["UTC", "Europe/Warsaw", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia"]


def told(time: dt.datetime) -> str:
    """Return `time` as PostgreSQL writes it in UTC: without a fraction that is 0, or zeros at its end."""
    fraction = f".{time:%f}".rstrip("0").rstrip(".")
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}{fraction}+00"


def row(**values: Any) -> Row:
    known: dict[str, Any] = {
        "id": "", "cluster_id": 1, "account": "plgalice", "job_id": "7.x", "slurm_id": 7, "status": "RUNNING",
        "slurm_state": "RUNNING", "tag": None, "reason": "", "stdout": "", "stderr": "", "accounting_confirmed": False,
    }  # fmt: skip
    return Row._make((known | values).get(name) for name in Row._fields)


def answer(job: Row, time_zone: str = "UTC", polled_at: str | None = None) -> dict[str, Any]:
    return job_fields(job, ClusterRow(1, "zeus", time_zone, "", polled_at), "https://s/api/jobs")


times = st.datetimes(dt.datetime(1973, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001


@given(times, st.sampled_from(ZONES))
def test_times_are_told_on_the_clusters_clocks_and_in_utc(time: dt.datetime, zone: str) -> None:
    shown = answer(row(started_at=told(time)), zone)
    assert shown["start_time"] == time.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
    assert shown["start_time_utc"] == time.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("second", range(-2, 3))
@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("Europe/Warsaw", dt.datetime(2026, 10, 25, 1, tzinfo=dt.UTC)),
        ("Australia/Lord_Howe", dt.datetime(2026, 4, 4, 15, tzinfo=dt.UTC)),
        ("Australia/Lord_Howe", dt.datetime(2026, 10, 3, 15, 30, tzinfo=dt.UTC)),
    ],
)
def test_clocks_are_changed_at_their_second(zone: str, change: dt.datetime, second: int) -> None:
    time = change + dt.timedelta(seconds=second)
    shown = answer(row(ended_at=told(time)), zone)["end_time"]
    assert shown == time.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("submitted", "started", "waited"),
    [
        ("2026-11-01 12:00:00+00", "2026-11-03 13:00:01+00", "2-01:00:01"),
        ("2026-11-01 12:00:00.9+00", "2026-11-01 12:00:02.8+00", "00:00:01"),
        ("2026-11-01 12:00:00+00", "2026-11-01 11:00:00+00", "00:00:00"),
    ],
)
def test_a_time_in_the_queue_has_whole_seconds_and_is_never_negative(submitted: str, started: str, waited: str) -> None:
    assert answer(row(submitted_at=submitted, started_at=started))["queue_time"] == waited


@pytest.mark.parametrize(
    ("values", "polled_at", "checked_at"),
    [
        ({"checked_at": None}, None, None),
        ({"checked_at": None}, "2026-11-01 12:00:05.123+00", "2026-11-01T12:00:05Z"),
        ({}, "2026-11-01 12:00:05.123+00", "2026-11-01T12:00:05Z"),
        ({}, "2026-11-01 11:00:05.123+00", "2026-11-01T12:00:00Z"),
        ({"slurm_state": ""}, "2026-11-01 12:00:05+00", "2026-11-01T12:00:00Z"),
        ({"status": "FINISHED"}, "2026-11-01 12:00:05+00", "2026-11-01T12:00:05Z"),
        ({"status": "FINISHED", "accounting_confirmed": True}, "2026-11-01 12:00:05+00", "2026-11-01T12:00:00Z"),
    ],
)
def test_polls_count_for_jobs_of_which_they_tell(
    values: dict[str, Any], polled_at: str | None, checked_at: str | None
) -> None:
    assert (
        answer(row(**{"checked_at": "2026-11-01 12:00:00.5+00"} | values), "UTC", polled_at)["checked_at"] == checked_at
    )
