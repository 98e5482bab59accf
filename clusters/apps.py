"""The clusters as a Django app, and the system check of what they need on this machine."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from clusters.ssh import certificates


def ssh_ca_key(**_options: Any) -> list[CheckMessage]:
    """Report a missing, unreadable or exposed SSH CA key."""
    try:
        certificates.load_key(settings.SSH_CA_KEY)
    except certificates.AuthorityError as exc:
        return [Error(str(exc), hint="SSH_CA_KEY names the file; ssh-keygen -t ed25519 makes one.", id="clusters.E001")]
    return []


class ClustersConfig(AppConfig):
    """Speaks SLURM over SSH."""

    name = "clusters"

    def ready(self) -> None:
        """Register the check, which runs at each start-up."""
        register(ssh_ca_key)
