"""Waiting for a change of a job (`Prefer: wait=N`): the answer comes when the job has changed, or after N seconds."""

from functools import partial
from uuid import UUID

from rest_framework.request import Request

from clusters.calls.database import release_connection
from jobs.api import client_socket, queries
from jobs.api.http_headers import etag, has_current
from jobs.api.representation import ClusterRow, Row, job_fields
from jobs.api.requests import caller_of, jobs_url
from jobs.sync import notifications


def wait_for_change(request: Request, row: Row, cluster: ClusterRow, seconds: int) -> tuple[Row, ClusterRow]:
    """Return the job `row` as soon as it has changed, or after `seconds`; at once if it changes no more.

    Raises JobNotFound where it is deleted meanwhile, OwnShareTaken or AllTaken where too many requests wait already.
    """
    if _is_news(request, row, cluster):
        return row, cluster
    account = caller_of(request).account
    with notifications.changes.subscribe(UUID(row.id), account) as changed:
        now, now_cluster = queries.get_row(account, row.job_id)  # it may have changed before the subscription
        if changed is None or now.status != row.status or _is_news(request, now, now_cluster):
            return now, now_cluster
        release_connection()
        has_left = partial(client_socket.has_left, request.META)
        notifications.wait(changed, seconds, has_left, partial(_has_changed, request, row))
    return queries.get_row(account, row.job_id)


def _has_changed(request: Request, row: Row) -> bool:
    """Say whether the job is another one than `row` shows, for its caller; the database connection is released."""
    now, cluster = queries.get_row(caller_of(request).account, row.job_id)
    has_changed = now.status != row.status or _is_news(request, now, cluster)
    release_connection()
    return has_changed


def _is_news(request: Request, row: Row, cluster: ClusterRow) -> bool:
    """Say whether the caller has not seen the job as it is, or it changes no more."""
    if row.is_final:
        return True
    tag = etag(job_fields(row, cluster, jobs_url(request)))
    return "If-None-Match" in request.headers and not has_current(request, tag)
