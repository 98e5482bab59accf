"""What Celery runs for the whole of the service."""

from celery import shared_task

from submitter.ops import heartbeat


@shared_task
def note_heartbeat() -> None:
    """Note that beat orders and a worker works."""
    heartbeat.beat()
