"""Whose request it is, and how it came, behind a front server: a WSGI layer that believes those that are named.

Nothing else does: gunicorn is set to believe nobody.
"""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_HEADERS = {"HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"}
"""What a front server sends; where both are missing, somebody on its machine calls without it."""
SOCKET = "unix"
"""Names whatever comes over a Unix socket: there, the file's permissions say who may."""


def with_reverse_proxies(application: Application, front_servers: Sequence[str]) -> Application:
    """Wrap `application`: behind `front_servers` (addresses, networks, or "unix") address and scheme are the client's.

    REMOTE_ADDR is the last address in X-Forwarded-For that is no front server: what stands before it, the client may
    have written. A caller from a front server's own address, its machine, has just that one. The scheme is
    X-Forwarded-Proto. From anybody else both change nothing. Raises ValueError if a front server is no network.
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

    def forwarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if is_front(environ.get("REMOTE_ADDR", "")) and not _HEADERS.isdisjoint(environ):
            environ["REMOTE_ADDR"] = _client(environ.get("HTTP_X_FORWARDED_FOR", ""), is_front)
            if environ.get("HTTP_X_FORWARDED_PROTO") in {"http", "https"}:
                environ["wsgi.url_scheme"] = environ["HTTP_X_FORWARDED_PROTO"]
        return application(environ, start_response)

    return forwarded if front_servers else application


def _client(forwarded_for: str, is_front: Callable[[str], bool]) -> str:
    """Return the client's address; empty where the front server names none.

    Where all are front servers, the last one is the caller: those before it the caller may have written.
    """
    addresses = [address.strip() for address in forwarded_for.split(",") if address.strip()]
    last = addresses[-1] if addresses else ""
    client = next((address for address in reversed(addresses) if not is_front(address)), last)
    return client if _is_address(client) else ""


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
