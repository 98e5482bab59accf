"""Whose request it is, behind a front server: a WSGI layer that believes those front servers that are named.

gunicorn takes `https` over from a front server that it trusts, but never the client's address.
"""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

SOCKET = "unix"
"""Names whatever comes over a Unix socket: there, the file's permissions say who may."""


def with_client_address(application: Application, front_servers: Sequence[str]) -> Application:
    """Wrap `application`: behind `front_servers` (addresses, networks, or "unix"), REMOTE_ADDR is the client's own.

    It is the last address in X-Forwarded-For that is no front server: what stands before it, the client may have
    written. Raises ValueError if a front server is no network.
    """
    networks = [ip_network(name) for name in front_servers if name != SOCKET]
    trusts_socket = SOCKET in front_servers

    def is_front(address: str) -> bool:
        if not address:
            return trusts_socket
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in networks)

    def addressed(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if is_front(environ.get("REMOTE_ADDR", "")):
            told = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
            addresses = [address.strip() for address in told if address.strip()]
            client = next((address for address in reversed(addresses) if not is_front(address)), None)
            environ["REMOTE_ADDR"] = client if client is not None and _is_address(client) else ""
        return application(environ, start_response)

    return addressed if front_servers else application


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
