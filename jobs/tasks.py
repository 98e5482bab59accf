"""What Celery runs: beat orders a look at every cluster, and each cluster is looked at by a task of its own."""

from celery import shared_task
from django.conf import settings

from clusters.models import Cluster
from jobs import polling


@shared_task(expires=60)
def poll_clusters() -> None:
    """Order one poll for each cluster with open jobs, so that none waits for another."""
    for cluster in polling.clusters_to_poll():
        poll_cluster.apply_async((cluster.pk,), expires=settings.POLL_INTERVAL)


@shared_task
def poll_cluster(pk: int) -> None:
    """Look once at the cluster with the key `pk`, if it is still there."""
    cluster = Cluster.objects.filter(pk=pk, enabled=True).first()
    if cluster:
        polling.poll(cluster)
