"""The Celery application and what beat starts. Redis is broker and nothing more: no result is kept."""

import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, worker_process_shutdown

from submitter import multiprocess, taskid

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "submitter.settings")

app = Celery("submitter")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
taskid.connect()


@celeryd_init.connect
def _count_together(**_: Any) -> None:
    """Have the worker's processes count with the web server's; the tasks, and with them the metrics, are read later."""
    multiprocess.join("worker")


@worker_process_shutdown.connect
def _forget(pid: int, **_: Any) -> None:
    multiprocess.forget(pid)
