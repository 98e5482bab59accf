"""The clusters as a Django app: registers its system checks."""

from django.apps import AppConfig
from django.core.checks import register

from clusters import checks


class ClustersConfig(AppConfig):
    """Speaks SLURM over SSH."""

    name = "clusters"

    def ready(self) -> None:
        """Register the check of the SSH CA key, which runs at each start-up."""
        register(checks.ssh_ca_key)
