"""The clusters as a Django app: registers its system checks."""

from django.apps import AppConfig
from django.core.checks import register

from clusters import checks


class ClustersConfig(AppConfig):
    """Speaks SLURM over SSH."""

    name = "clusters"

    def ready(self) -> None:
        """Have `manage.py check`, and so each start-up, look at the SSH CA key."""
        register(checks.ssh_ca_key)
