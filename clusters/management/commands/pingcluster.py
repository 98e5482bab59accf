"""`manage.py pingcluster [NAME]`: whether the clusters can be reached, and what their SLURM answers."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clusters.connectivity import ping
from clusters.errors import ClusterError
from clusters.models import Cluster


class Command(BaseCommand):
    """Exit code 0 if every cluster asked answered, 1 if one did not."""

    help = (
        "Connect to a cluster, or to each that is enabled, and print SLURM's version, the round trip and the "
        "scheduler's answer. The exit code is 1 where one does not answer."
    )
    examples = ("pingcluster", "pingcluster zeus.cyfronet.pl", "pingcluster zeus.cyfronet.pl --account plgalice")

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a name (default: all enabled clusters) and an account (default: the poll account)."""
        parser.add_argument(
            "name", nargs="?", help="name or alias of the only cluster to try; without it, each enabled one"
        )
        parser.add_argument("--account", help="log in as this account (default: the poll account)")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask each cluster in turn."""
        clusters = [c for c in Cluster.objects.filter(enabled=True) if options["name"] in {None, *c.names}]
        if not clusters:
            raise CommandError(f"no enabled cluster {options['name'] or ''}".rstrip())
        failed = [cluster.name for cluster in clusters if not self._ping(cluster, options["account"])]
        if failed:
            raise CommandError(f"no answer from {', '.join(failed)}")

    def _ping(self, cluster: Cluster, account: str | None) -> bool:
        try:
            sentence = ping(cluster, account or "")
        except ClusterError as exc:
            self.stderr.write(f"{cluster}: {type(exc).__name__}: {exc}")
            return False
        self.stdout.write(f"{cluster}: {sentence}")
        return True
