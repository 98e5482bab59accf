"""One of a caller's jobs, by its id: what clients ask most. Django compiles the question once, not each time."""

from functools import cache
from typing import Any

from django.db import connection

from clusters.models import Cluster
from jobs.models import Job

_ACCOUNT, _JOB_ID = "account?", "job_id?"  # no account and no job_id has a question mark


def find(account: str, job_id: str) -> Job | None:
    """Return the job `job_id` that `account` has, with its cluster, in one query; None if there is no such job."""
    if "\0" in job_id:
        return None
    statement, marked, converters, columns = _compiled()
    given = {_ACCOUNT: account, _JOB_ID: job_id}
    with connection.cursor() as cursor:
        cursor.execute(statement, [given.get(value, value) for value in marked])
        row = cursor.fetchone()
    if row is None:
        return None
    values = list(row)
    for at, (convert, expression) in converters.items():
        for function in convert:
            values[at] = function(values[at], expression, connection)
    job = Job.from_db(connection.alias, _names(Job), values[:columns])
    job.cluster = Cluster.from_db(connection.alias, _names(Cluster), values[columns:])
    return job


@cache
def _compiled() -> tuple[str, tuple[Any, ...], dict[int, Any], int]:
    """Return the statement, its parameters (two of them stand for what is asked), converters, and columns of a job."""
    jobs = Job.objects.owned_by(_ACCOUNT).filter(job_id=_JOB_ID, recycled=False)
    compiler = jobs.query.get_compiler(connection.alias)
    statement, parameters = compiler.as_sql()
    converters = compiler.get_converters([column for column, *_ in compiler.select])
    return statement, tuple(parameters), dict(converters), len(_names(Job))


@cache
def _names(model: type[Job] | type[Cluster]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001 - Django documents it
