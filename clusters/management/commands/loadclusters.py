"""`manage.py loadclusters FILE`: registers the clusters that a TOML file describes."""

import tomllib
from pathlib import Path
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from clusters.models import Cluster


class Command(BaseCommand):
    """Adds or changes; a cluster that the file does not name stays as it is."""

    help = "Register the clusters of a TOML file ([[cluster]] tables with the fields of the admin's form)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file's name."""
        parser.add_argument("file", type=Path)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write all of the file's clusters or, at the first fault, none."""
        try:
            tables = tomllib.loads(options["file"].read_text(encoding="utf-8"))["cluster"]
        except (OSError, KeyError, ValueError) as exc:
            raise CommandError(f"{options['file']}: {exc}") from exc
        with transaction.atomic():
            for table in tables:
                cluster = self._put(table)
                self.stdout.write(f"{cluster.name} at {cluster.address} port {cluster.port}")

    def _put(self, table: dict[str, Any]) -> Cluster:
        cluster = Cluster.objects.filter(name=table.get("name")).first() or Cluster()
        try:
            for field, value in table.items():
                Cluster._meta.get_field(field)  # noqa: SLF001 - Django documents _meta
                setattr(cluster, field, value)
            cluster.full_clean()
        except (FieldDoesNotExist, ValidationError) as exc:
            raise CommandError(f"cluster {table.get('name')!r}: {exc}") from exc
        cluster.save()
        return cluster
