"""How the service logs: structlog everywhere, one line of JSON for each event in production, readable ones else."""

import logging
import sys
import threading
from types import TracebackType
from typing import Any

import structlog

from submitter.environment import Environment
from submitter.logs import json_line

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]
REPEATED = ("celery.beat", "celery.worker.strategy", "celery.app.trace")
"""They tell of each task that it was ordered, received and has succeeded, at INFO: two hundred lines a minute of a
service that does nothing. What goes wrong they tell from WARNING on."""
_uncaught = logging.getLogger("uncaught")


class LineFormatter(structlog.stdlib.ProcessorFormatter):
    """Writes each record as one line, also one whose arguments do not fit its message."""

    def __init__(self, *, readable: bool | None = None) -> None:
        """Write for people if `readable`, or if the environment says so."""
        for_people = is_readable() if readable is None else readable
        renderer: Any = structlog.dev.ConsoleRenderer() if for_people else _render
        super().__init__(processors=[self.remove_processors_meta, renderer], foreign_pre_chain=_SHARED)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        try:
            return super().format(record)
        except Exception as exc:  # noqa: BLE001 - logging itself would print a traceback to standard error
            names = {"event": "log-line-broken", "logger": record.name, "level": record.levelname.lower()}
            return json_line.line(names | {"message": record.msg, "error": exc})


def _render(_logger: object, _method: str, event: structlog.typing.EventDict) -> str:
    return json_line.line(event)


def is_readable() -> bool:
    """Return whether lines are written for people, not for programs. Raises ImproperlyConfigured."""
    env = Environment("The service")
    line_format = env.choice(
        "LOG_FORMAT",
        ("json", "text"),
        default="text" if env.bool("DEBUG", default=False) else "json",
        shown="`json`; `text` where `DEBUG` is on",
        meaning="How log lines are written: one object of JSON each, or text for people.",
    )
    return line_format == "text"


def configure() -> dict[str, Any]:
    """Set structlog up and return Django's LOGGING, so that both write the same lines to standard error.

    Raises ImproperlyConfigured where the environment does not say how.
    """
    is_readable()
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": {"()": LineFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "django": {"level": "INFO"},
            "paramiko": {"level": "WARNING"},  # it tells each connection otherwise
            **{name: {"level": "WARNING"} for name in REPEATED},
        },
    }


def take_over() -> None:
    """Have everything that Python would print to standard error by itself logged instead, also before Django is set up.

    Warnings, and exceptions that nobody catches: in the main thread, in another one, in a destructor.
    """
    if not logging.root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(LineFormatter())
        logging.root.addHandler(handler)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _log_uncaught(kind: type[BaseException], exc: BaseException | None, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    _uncaught.critical("uncaught-exception", exc_info=(kind, exc or kind(), traceback))
