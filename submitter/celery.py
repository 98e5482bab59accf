"""The Celery application and what beat starts. Redis is broker and nothing more: no result is kept."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "submitter.settings")

app = Celery("submitter")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
