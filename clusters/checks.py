"""System checks of what the clusters need on this machine."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from clusters.ssh import certificates


def ssh_ca_key(**_options: Any) -> list[CheckMessage]:
    """Report a missing, unreadable or exposed SSH CA key."""
    try:
        certificates.load_key(settings.SSH_CA_KEY)
    except certificates.AuthorityError as exc:
        return [Error(str(exc), hint="SSH_CA_KEY names the file; ssh-keygen -t ed25519 makes one.", id="clusters.E001")]
    return []
