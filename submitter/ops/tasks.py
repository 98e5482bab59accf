"""What Celery runs for the whole of the service."""

from celery import shared_task

from submitter.ops.heartbeat import beat


@shared_task
def heartbeat() -> None:
    """Note that beat orders and a worker works."""
    beat()
