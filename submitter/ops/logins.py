"""Failed logins of operators, counted by address: what a successful login makes up for, and what it does not."""

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.http import HttpRequest

from proxyauth.ratelimit.network import client_of


class Lockouts(AxesDatabaseHandler):  # type: ignore[misc]  # axes ships no types
    """Counts the failures of an address. A login forgives those of its own name there, and of nobody else's.

    django-axes would forgive all of the address: who has an account could guess the passwords of others for ever, with
    a login of their own in between.
    """

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Forget the failures of this name from this address after its login; return how many rows they were."""
        name = get_client_username(request, credentials)
        address = request.axes_ip_address  # type: ignore[attr-defined]  # axes adds it
        count, _ = AccessAttempt.objects.filter(username=name, ip_address=address).delete()
        return int(count)


def client(request: HttpRequest) -> str | None:
    """Return what a login's failures are counted for: the address, or the IPv6 network of 64 bits.

    None is one client for all requests that no address is known of.
    """
    counted = client_of(request.META.get("REMOTE_ADDR", ""))
    return None if counted is None else str(counted)
