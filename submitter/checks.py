"""What `check --deploy` says of the whole installation."""

import os
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from submitter.environment import FORMER_NAMES_IN_USE
from submitter.http.forwarded import with_reverse_proxies


@register(Tags.security, deploy=True)
def check_account(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - Django's signature
    """Warn of root: the service becomes other users by its own certificates, and never needs to be root."""
    if os.geteuid() != 0:
        return []
    hint = "run it, and this check, as the account of the service"
    return [CheckWarning("this process runs as root", hint=hint, id="submitter.W001")]


@register(Tags.security)
def check_reverse_proxies(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - as above
    """Refuse an address of a reverse proxy that cannot be read: it would stop every process at its start."""
    try:
        with_reverse_proxies(lambda _environ, _start: [], settings.REVERSE_PROXIES)
    except ValueError as exc:
        return [Error(f"REVERSE_PROXIES: {exc}", id="submitter.E001")]
    return []


@register()
def check_former_names(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - as above
    """Warn of settings under their former names: these are read for one release only."""
    return [
        CheckWarning(f"{former} is called {name} now", hint="the next release reads no other", id="submitter.W002")
        for former, name in FORMER_NAMES_IN_USE.items()
    ]


@register(Tags.security)
def check_metrics(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - as above
    """Refuse addresses of monitoring that cannot be read."""
    try:
        for network in settings.METRICS_ALLOWED_IPS:
            ip_network(network)
    except ValueError as exc:
        return [Error(f"METRICS_ALLOWED_IPS: {exc}", id="submitter.E002")]
    return []
