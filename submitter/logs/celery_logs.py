"""Celery's lines in the form of all others: its worker and its beat leave the log as Django has set it up.

What they print for people, banners, is left out by `celery --quiet`.
"""

import json
import logging
import os
from typing import Any

from celery.apps import worker
from celery.signals import setup_logging

from submitter.logs import config


def connect() -> None:
    """Keep Celery from configuring logging; log what is uncaught, before Django is set up as well."""
    config.take_over()
    setup_logging.connect(_keep)
    worker.safe_say = _say  # type: ignore[attr-defined]  # celery-types does not have it


def _keep(loglevel: int | None = None, **_: Any) -> None:
    """Keep the handlers: Celery takes it for done when somebody listens. Its option `--loglevel` still counts.

    With DEBUG each task has its lines as well.
    """
    if not loglevel:
        return
    logging.root.setLevel(loglevel)
    if loglevel <= logging.DEBUG:
        for name in config.REPEATED:
            logging.getLogger(name).setLevel(logging.NOTSET)


def _say(message: str, _file: object = None) -> None:
    """Write what a worker says in a signal's handler, where the log may be in use by what was interrupted."""
    line = json.dumps({"event": message.strip(), "logger": "celery.apps.worker", "level": "warning"})
    os.write(2, f"{line}\n".encode())
