"""The request's id in Celery: a task that a request orders logs under the request's id, one of beat's under its own."""

import uuid
from typing import Any

import structlog
from celery.signals import before_task_publish, task_postrun, task_prerun

_HEADER = "request_id"


def connect() -> None:
    """Listen to Celery: where tasks are ordered, and where they run."""
    before_task_publish.connect(_send)
    task_prerun.connect(_bind)
    task_postrun.connect(_unbind)


def _send(headers: dict[str, Any], **_: Any) -> None:
    """Give the order the id of what is being done now, or a new one."""
    bound = structlog.contextvars.get_contextvars()
    headers.setdefault(_HEADER, bound.get("request_id") or uuid.uuid4().hex)


def _bind(task: Any, task_id: str, **_: Any) -> None:
    structlog.contextvars.bind_contextvars(request_id=task.request.get(_HEADER) or task_id, task=task.name)


def _unbind(**_: Any) -> None:
    structlog.contextvars.unbind_contextvars("request_id", "task")
