"""What a connection is made to: a login node, and an account that the service may become. Nothing is connected here."""

import re
from dataclasses import dataclass

from django.conf import settings

from clusters.errors import Refused

_ACCOUNT = re.compile(r"[a-z_][a-z0-9._-]{0,31}\Z")


@dataclass(frozen=True)
class Endpoint:
    """A login node: where it listens, the host keys (`TYPE BASE64`) that it may show, and how much it is asked at once.

    `channels` of one account's connection stay below sshd's MaxSessions (10 by default). More callers than
    `callers_per_account`, or `callers` of all accounts, at work or waiting, are turned away at once: a slow cluster
    takes its own callers only. All of these are counted in each process.
    """

    address: str
    port: int
    host_keys: tuple[str, ...]
    connect_timeout: float = 10.0
    channels: int = 8
    callers_per_account: int = 32
    callers: int = 60


def check_account(account: str) -> None:
    """Raise Refused for an account that this service never becomes, whatever a mapping says.

    Those are root, whoever ACCOUNTS_NEVER_USED names, and names with odd characters.
    """
    if account == "root" or account in settings.ACCOUNTS_NEVER_USED or not _ACCOUNT.match(account):
        raise Refused(f"{account!r} is no account that jobs can run as")
