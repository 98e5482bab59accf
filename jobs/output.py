"""Streams a job's output file from its cluster, and ends by the time at which the caller's proxy does."""

import errno
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime

import structlog
from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework.request import Request

from clusters import gateway
from clusters.database import release_connection
from jobs import clientsocket
from jobs.errors import OutputNotFound
from jobs.models import Job
from jobs.states import Status

log = structlog.get_logger(__name__)

_DISCARDED = "/dev/null"  # what SLURM makes of `-o none`, too
_LONGEST_SHOWN = 1_000  # characters of a path


class _Stream:
    """A response's content that gives its SSH channel back, whether it was read or not."""

    def __init__(self, stack: ExitStack, pieces: Iterator[bytes], expires: datetime) -> None:
        self._stack = stack
        self._pieces = pieces
        self._expires = expires

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces. Raises ConnectionResetError once `expires` has come.

        The web server then closes the connection, and the client sees that it has not got what Content-Length said.
        """
        release_connection()  # the audit log and the like may have asked since the file was opened
        for piece in self._pieces:
            if timezone.now() >= self._expires:
                log.info("output-broken-off", reason="the proxy has expired")
                raise ConnectionResetError(errno.ECONNRESET, "the proxy has expired")
            yield piece

    def close(self) -> None:
        """End the file transfer."""
        self._stack.close()


def stream(request: Request, job: Job, path: str, expires: datetime) -> StreamingHttpResponse:
    """Return the file `path` of `job` as a response, read as the job's own account; nothing of it for HEAD.

    Raises OutputNotFound, and what `gateway.open_file` raises.
    """
    clientsocket.end_in(request.META, (expires - timezone.now()).total_seconds())
    release_connection()
    stack = ExitStack()
    try:
        file = stack.enter_context(gateway.open_file(job.cluster, job.account, path))
    except FileNotFoundError as exc:
        raise OutputNotFound(f"Job with {job.job_id} {_why_none(job, path)}") from exc
    pieces = iter(()) if request.method == "HEAD" else file.pieces
    response = StreamingHttpResponse(_Stream(stack, pieces, expires), content_type="text/plain; charset=utf-8")
    response["Content-Length"] = str(file.size)
    return response


def _why_none(job: Job, path: str) -> str:
    """Return what is true of a job whose output file `path` cannot be read, by what SLURM has said of the job."""
    status = Status(job.status)
    if path == _DISCARDED:
        return f"has no output file: what it writes goes to {path}"
    if status is Status.QUEUED:
        return "has no output file yet: it has not started"
    if not path:
        return f"{'has ended' if status.final else 'runs'}, and SLURM has not told the name of its output file"
    there = f"{path[:_LONGEST_SHOWN]} is not there, or is no file that {job.account} can read"
    if not status.final:
        return f"has no such output file yet: it runs, and {there}"
    if job.started_at is None:
        return f"has no output file: it ended ({job.slurm_state or status}) before it started"
    return f"has ended, and has no such output file any more: {there}"
