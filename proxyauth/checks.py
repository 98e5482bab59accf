"""What operators should hear before users do: wrong settings, unreadable files, lists that grow stale."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from proxyauth import conf
from proxyauth.authenticator import ProxyAuthenticator

_MIDDLEWARE = "proxyauth.middleware.ProxyMiddleware"


@register("security")
def check_proxyauth(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - Django's signature
    """Check the settings, then the files that they name."""
    try:
        configuration = conf.read()
    except ValueError as exc:
        return [Error(str(exc), id="proxyauth.E001")]
    messages: list[CheckMessage] = [
        CheckWarning(problem, id="proxyauth.W001") for problem in ProxyAuthenticator(configuration).problems()
    ]
    if list(settings.MIDDLEWARE)[:1] != [_MIDDLEWARE]:
        messages.append(
            Error(f"{_MIDDLEWARE} must be the first middleware: others would see the private key", id="proxyauth.E002")
        )
    return messages
