"""PURE: what counts as one client of a network: an IPv4 address, or an IPv6 network of 64 bits.

Who has an IPv6 connection has at least such a network, and 2^64 addresses in it (RFC 4291 section 2.5.1, RFC 6177).
"""

from ipaddress import IPv4Address, IPv6Address, ip_address

_HOST_BITS = 64


def client_of(address: str) -> IPv4Address | IPv6Address | None:
    """Whom requests of this address count for: itself, or the first address of its IPv6 network; None if it is none.

    An IPv4 address counts as itself also where a socket for both families shows it as `::ffff:192.0.2.1`.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv4Address):
        return parsed
    return parsed.ipv4_mapped or IPv6Address(int(parsed) >> _HOST_BITS << _HOST_BITS)


def counted_as(address: str) -> str:
    """Return the name under which it is counted; what is no address, such as a Unix socket's "", stays as it is."""
    client = client_of(address)
    return address if client is None else str(client)
