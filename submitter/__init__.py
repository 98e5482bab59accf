"""The composition of the service: settings, routes, web server, Celery, logs."""

from submitter.celery import app as celery_app

__all__ = ["celery_app"]
