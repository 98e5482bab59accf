"""Composition of the service: settings, routes, error table, Celery."""

from submitter.celery import app as celery_app

__all__ = ["celery_app"]
