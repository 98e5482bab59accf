"""`manage.py poll [CLUSTER]`: one look at the clusters without Celery."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clusters.models import Cluster, Poll
from jobs.sync import polling


class Command(BaseCommand):
    """Does what a worker does when beat orders it, and prints what came of it."""

    help = (
        "Ask SLURM once about all jobs that have not ended, as the workers do, and print what each account's question "
        "brought. The exit code is 1 where one was not answered."
    )
    examples = ("poll", "poll zeus.cyfronet.pl")

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a cluster's name."""
        parser.add_argument(
            "cluster", nargs="?", help="name or alias of the only cluster to ask; without it, each that has such jobs"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Poll, then print each account's result; exit code 1 if one failed."""
        name = options["cluster"]
        if name and not Cluster.named(name):
            raise CommandError(f"no cluster is called {name}")
        clusters = [cluster for cluster in polling.clusters_to_poll() if name is None or name.lower() in cluster.names]
        if not clusters:
            self.stdout.write("no open jobs: nobody was asked")
        failed = False
        for cluster in clusters:
            accounts = polling.accounts(cluster)
            self.stdout.write(f"{cluster}: {polling.poll(cluster)} jobs changed")
            for poll in cluster.polls.filter(account__in=accounts).order_by("account"):
                self.stdout.write(f"  as {poll.account}: {_outcome(poll)}")
                failed = failed or bool(poll.error)
        if failed:
            raise CommandError("a poll failed")


def _outcome(poll: Poll) -> str:
    if poll.error:
        return poll.error
    return f"last answer at {poll.succeeded_at:%H:%M:%S} UTC" if poll.succeeded_at else "not asked yet"
