"""One id for each request, from HTTP through the logs to the SSH certificate: a WSGI layer around the application."""

import re
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from structlog.contextvars import bound_contextvars

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")


def with_request_id(application: Application) -> Application:
    """Wrap `application`: the caller's X-Request-Id if its form is harmless, else a new one, is bound and returned.

    Beside it the client's address is bound: every line of the log, and of the audit log, has both.
    """

    def identified(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _ACCEPTED.match(given) else uuid.uuid4().hex
        environ["HTTP_X_REQUEST_ID"] = request_id
        environ["submitter.began"] = time.perf_counter()

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, ("X-Request-Id", request_id)], *rest)

        with bound_contextvars(request_id=request_id, client=environ.get("REMOTE_ADDR", "")):
            return application(environ, start)

    return identified
