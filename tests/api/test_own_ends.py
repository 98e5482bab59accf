"""Rows that were kept with exit codes of ends that were not their script's own."""

import datetime as dt
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from clusters.models import Cluster
from jobs.models import Job
from tests.api.test_polling import registered

STARTED = dt.datetime(2026, 10, 25, tzinfo=dt.UTC)

KEPT: list[tuple[str, dt.datetime | None, tuple[Any, Any], tuple[Any, Any]]] = [
    ("TIMEOUT", STARTED, (0, 0), (None, None)),
    ("CANCELLED", STARTED, (0, 15), (None, None)),
    ("CANCELLED", None, (0, 0), (None, None)),
    ("LAUNCH_FAILED", None, (0, 0), (None, None)),
    ("DEADLINE", None, (1, 0), (None, None)),
    ("NODE_FAIL", STARTED, (1, 0), (None, None)),
    ("OUT_OF_MEMORY", STARTED, (0, 125), (None, None)),
    ("FAILED", STARTED, (0, 53), (None, None)),
    ("FAILED", STARTED, (0, 0), (None, None)),
    ("FAILED", None, (1, 0), (None, None)),
    ("FAILED", STARTED, (0, 9), (None, 9)),
    ("FAILED", STARTED, (7, 0), (7, 0)),
    ("COMPLETED", STARTED, (0, 0), (0, 0)),
    ("RUNNING", STARTED, (None, None), (None, None)),
]


@pytest.mark.django_db
def test_rows_of_before_stop_telling_an_exit_that_was_not_the_scripts(zeus: Cluster) -> None:
    for number, (state, started, (code, signal), _) in enumerate(KEPT, 1):
        registered(zeus, number, slurm_state=state, started_at=started, exit_code=code, signal=signal)
    with connection.cursor() as cursor:
        cursor.execute(import_module("jobs.migrations.0007_own_ends").FORGET)
    found = Job.objects.order_by("slurm_id").values_list("exit_code", "signal")
    assert list(found) == [after for *_, after in KEPT]
