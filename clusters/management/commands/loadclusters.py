"""`manage.py loadclusters FILE`: registers the clusters that a TOML file describes."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from clusters.management import clusters_file
from clusters.models import Cluster


class Command(BaseCommand):
    """Adds clusters, or changes them; a cluster that the file does not name stays as it is."""

    help = "Register the clusters of a TOML file ([[cluster]] tables with the fields of the admin's form)."
    examples = ("loadclusters /etc/job-submitter/clusters.toml",)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the name of the file."""
        parser.add_argument("file", type=Path, help="such as deploy/clusters.example.toml, which tells the fields")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Store all clusters of the file or, with any fault, none. Raises CommandError with a line for each fault."""
        path = options["file"]
        try:
            tables = clusters_file.read(path)
        except clusters_file.Unusable as exc:
            raise CommandError(f"{path}: {exc}") from exc
        with transaction.atomic():
            clusters, faults = _put(tables)
            if faults:
                raise CommandError("\n".join(f"{path}: {fault}" for fault in faults))
        for cluster in clusters:
            self.stdout.write(f"{cluster.name} at {cluster.address} port {cluster.port}")


def _put(tables: list[dict[str, Any]]) -> tuple[list[Cluster], list[str]]:
    """Return the clusters that were stored, and a line for each fault of the others."""
    clusters: dict[str, Cluster] = {}
    faults: list[str] = []
    for number, table in enumerate(tables, 1):
        name = table.get("name")
        about = f"cluster {number}" + (f" ({clusters_file.shown(name)})" if isinstance(name, str) else "")
        if isinstance(name, str) and name.lower() in clusters:
            faults.append(f"{about}: name: another cluster of the file has it")
            continue
        cluster, wrong = clusters_file.put(table)
        faults += [f"{about}: {each}" for each in wrong]
        if cluster:
            clusters[cluster.name.lower()] = cluster
    return list(clusters.values()), faults
