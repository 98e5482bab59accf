"""What `check --deploy` says of the whole installation."""

import os
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from submitter.http.forwarded import with_reverse_proxies


@register(Tags.security, deploy=True)
def check_account(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - Django's signature
    """The service becomes other users by its own certificates; it never needs to be root."""
    if os.geteuid() != 0:
        return []
    hint = "run it, and this check, as the account of the service"
    return [CheckWarning("this process runs as root", hint=hint, id="submitter.W001")]


@register(Tags.security)
def check_front_servers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - as above
    """A front server that cannot be read would stop every process at its start."""
    try:
        with_reverse_proxies(lambda _environ, _start: [], settings.FRONT_SERVERS)
    except ValueError as exc:
        return [Error(f"FRONT_SERVERS: {exc}", id="submitter.E001")]
    return []


@register(Tags.security)
def check_metrics(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - as above
    """Who may read /metrics has to be readable itself."""
    try:
        for network in settings.METRICS_ALLOWED:
            ip_network(network)
    except ValueError as exc:
        return [Error(f"METRICS_ALLOWED: {exc}", id="submitter.E002")]
    return []
