"""gunicorn's log as lines of JSON: its own messages, and one line for each request.

No header and no query is in any of them: a header holds a private key.
"""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

import structlog
from gunicorn import glogging

from submitter.logs import config

_access = structlog.get_logger("gunicorn.access")
_MONITORING = {"/healthz", "/readyz", "/metrics"}
"""Asked again and again by machines; only an answer that is no success is worth a line."""


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Where gunicorn writes to stays as it is; how, is as everywhere in the service."""

    def setup(self, cfg: Any) -> None:
        """Take over what else would be printed, in the first process and with it in all others."""
        super().setup(cfg)
        config.configure()
        config.take_over()
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(config.LineFormatter())

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Write one request once it is answered or broken off; the address is the client's, as the service sees it.

        Answers to monitoring are not written as long as all is well.
        """
        del req
        code = getattr(resp, "status_code", None)
        if environ.get("PATH_INFO") in _MONITORING and code == HTTPStatus.OK:
            return
        _access.info(
            "request",
            address=environ.get("REMOTE_ADDR", ""),
            method=environ.get("REQUEST_METHOD", ""),
            path=environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace"),
            status=code,
            bytes=getattr(resp, "sent", None),
            seconds=round(request_time.total_seconds(), 6),
            request_id=environ.get("HTTP_X_REQUEST_ID"),
        )
