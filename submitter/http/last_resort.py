"""Answers what fails before or around Django's own handlers in the API's one form: a WSGI layer around Django."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from submitter.http.error_body import FAULT, error_body

log = structlog.get_logger(__name__)

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def with_faults_answered(application: Application) -> Application:
    """Wrap `application`: an exception that leaves it is logged once and answered with 500.

    What it returned is closed also where the server refuses its head: requests give back what they hold by that. It has
    to call `start_response` before it returns, as Django does, and not the `write` of PEP 3333.
    """

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        head: list[Any] = []
        try:
            response = application(environ, lambda *given: head.extend(given))
        except Exception:
            log.exception("unhandled-exception")
            body = json.dumps(error_body(FAULT)).encode()
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            start_response("500 Internal Server Error", headers)
            return [body]
        try:
            start_response(*head)
        except BaseException:
            close = getattr(response, "close", None)
            if close:
                close()
            raise
        return response

    return guarded
