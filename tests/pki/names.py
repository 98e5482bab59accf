"""Names, written: each value in the string type that a test wants."""

from tests.pki import asn1

OIDS = {
    "C": "2.5.4.6",
    "O": "2.5.4.10",
    "OU": "2.5.4.11",
    "CN": "2.5.4.3",
    "DC": "0.9.2342.19200300.100.1.25",
    "UID": "0.9.2342.19200300.100.1.1",
    "emailAddress": "1.2.840.113549.1.9.1",
}

# The DER of each RDN, from the root down.
Name = tuple[bytes, ...]


def part(kind: str, value: str | bytes, tag: int = asn1.UTF8) -> bytes:
    """One type and value."""
    return asn1.seq(asn1.oid(OIDS.get(kind, kind)), asn1.string(value, tag))


def rdn(kind: str, value: str | bytes, tag: int = asn1.UTF8) -> bytes:
    """An RDN with one value."""
    return asn1.tlv(0x31, part(kind, value, tag))


def rdns(*parts: bytes) -> bytes:
    """An RDN with several values."""
    return asn1.tlv(0x31, *sorted(parts))


def name(slashed: str, tag: int = asn1.UTF8) -> Name:
    """The name that a plain slash form describes; its values hold no slash."""
    pairs = [piece.split("=", 1) for piece in slashed.split("/")[1:]]
    return tuple(rdn(kind, value, asn1.PRINTABLE if kind == "C" else tag) for kind, value in pairs)


def encode(parts: Name) -> bytes:
    """The DER of a Name."""
    return asn1.seq(*parts)
