"""`manage.py pingcluster [NAME]`: whether the clusters can be reached, and what their SLURM answers."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clusters import gateway
from clusters.errors import ClusterError
from clusters.models import Cluster


class Command(BaseCommand):
    """Exit code 0 if every cluster asked answered, 1 if one did not."""

    help = "Connect to a cluster, or to each, and print SLURM's version, the round trip and the scheduler's answer."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a name (default: all enabled clusters) and an account (default: the poll account)."""
        parser.add_argument("name", nargs="?")
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
        account = account or cluster.poll_account
        try:
            words = _as_account(cluster, account) if account else _greeting(cluster)
        except ClusterError as exc:
            self.stderr.write(f"{cluster}: {type(exc).__name__}: {exc}")
            return False
        self.stdout.write(f"{cluster}: {words}")
        return True


def _as_account(cluster: Cluster, account: str) -> str:
    gateway.ping(cluster, account)  # connects
    begin = time.perf_counter()
    version, controller = gateway.ping(cluster, account)
    took = (time.perf_counter() - begin) * 1000
    return f"{version} answers {account} in {took:.1f} ms (two commands); {controller}"


def _greeting(cluster: Cluster) -> str:
    """Go as far as one can without an account: the connection and the host key."""
    begin = time.perf_counter()
    gateway.greet(cluster)
    took = (time.perf_counter() - begin) * 1000
    return f"the login node shows its pinned key within {took:.1f} ms; name an --account to ask SLURM"
