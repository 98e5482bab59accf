"""The Celery application and what beat starts. Redis is broker and nothing more: no result is kept."""

import os
from typing import Any

from celery import Celery
from celery.loaders.app import AppLoader
from celery.signals import worker_shutdown

from submitter.logs import celery_logs, task_id
from submitter.ops import metrics_dir

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "submitter.settings")


class Loader(AppLoader):
    """Celery's own, which leaves the log of a worker as Django has set it up."""

    def init_worker(self) -> None:
        """Take the log over before the tasks are imported."""
        if not self.worker_initialized:
            celery_logs.connect()
        super().init_worker()


app = Celery("submitter", loader="submitter.celery:Loader")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
task_id.connect()


@worker_shutdown.connect
def _forget(**_: Any) -> None:
    metrics_dir.mark_dead(os.getpid())
