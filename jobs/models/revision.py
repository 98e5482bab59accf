"""The hash that PostgreSQL keeps of what answers show of each job; the ETags of lists are made of it."""

from typing import Any

from django.db import models
from django.db.models import Func, Value
from django.db.models.functions import Cast

# What an answer shows of a job, and its place in a list. When SLURM was asked is left out: it makes no other answer.
_SHOWN = (
    "id", "cluster_id", "job_id", "slurm_id", "status", "tag", "slurm_state", "reason", "stdout", "stderr", "nodes",
    "cores", "exit_code", "signal", "wall_seconds",
)  # fmt: skip
_TIMES_SHOWN = ("created_at", "submitted_at", "started_at", "ended_at")


def _text(function: str, *of: Any) -> Func:
    return Func(*of, function=function, output_field=models.TextField())


def _hash(function: str, of: Any) -> Func:
    return Func(of, Value(0), function=function, output_field=models.BigIntegerField())


def revision() -> Func:
    """Return a hash of what is shown of a row: 64 bits, by functions that PostgreSQL takes for immutable.

    Sums of it have to differ where lists do. PostgreSQL's hash of a record is a sum over its columns: two jobs that
    swap a column would leave the sum over both as it was. So that hash is hashed once more, as a text. Times and JSON
    are hashed as bytes and text: the hash of a time itself has no more than 32 bits.
    """
    times = [_text("encode", _text("timestamptz_send", time), Value("hex")) for time in _TIMES_SHOWN]
    record = _text("ROW", *_SHOWN, *times, Cast("tasks", models.TextField()))
    return _hash("hashtextextended", Cast(_hash("hash_record_extended", record), models.TextField()))
