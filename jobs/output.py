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

log = structlog.get_logger(__name__)


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
        raise OutputNotFound(f"Job with {job.job_id} has no such output file yet") from exc
    pieces = iter(()) if request.method == "HEAD" else file.pieces
    response = StreamingHttpResponse(_Stream(stack, pieces, expires), content_type="text/plain; charset=utf-8")
    response["Content-Length"] = str(file.size)
    return response
