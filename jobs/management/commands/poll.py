"""`manage.py poll [CLUSTER]`: one look at the clusters without Celery."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clusters.models import Cluster
from jobs import polling


class Command(BaseCommand):
    """Does what a worker does when beat orders it, and prints what came of it."""

    help = "Ask one cluster, or each that has open jobs, about these jobs once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a cluster's name."""
        parser.add_argument("cluster", nargs="?")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Poll, then print each account's result; exit code 1 if one failed."""
        name = options["cluster"]
        clusters = [cluster for cluster in polling.clusters_to_poll() if name in {None, *cluster.names}]
        for cluster in clusters:
            self.stdout.write(f"{cluster}: {polling.poll(cluster)} jobs changed")
            self._print_polls(cluster)
        if any(poll.error for cluster in clusters for poll in cluster.polls.all()):
            raise CommandError("a poll failed")

    def _print_polls(self, cluster: Cluster) -> None:
        for poll in cluster.polls.order_by("account"):
            outcome = poll.error or f"last answer at {poll.succeeded_at:%H:%M:%S} UTC"
            self.stdout.write(f"  as {poll.account}: {outcome}")
