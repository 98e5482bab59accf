"""DER, written: just enough to mint certificates that no sane library would make."""

from datetime import UTC, datetime

PRINTABLE, UTF8, IA5, TELETEX, BMP, UNIVERSAL = 0x13, 0x0C, 0x16, 0x14, 0x1E, 0x1C
_CODECS = {
    UTF8: "utf-8",
    PRINTABLE: "ascii",
    IA5: "ascii",
    TELETEX: "latin-1",
    BMP: "utf-16-be",
    UNIVERSAL: "utf-32-be",
}
_GENERALIZED_FROM = 2050


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def seq(*parts: bytes) -> bytes:
    """A SEQUENCE."""
    return tlv(0x30, *parts)


def explicit(number: int, *parts: bytes) -> bytes:
    """A constructed context-specific element."""
    return tlv(0xA0 | number, *parts)


def integer(value: int) -> bytes:
    """An INTEGER, in its shortest form."""
    return tlv(0x02, value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, "big", signed=True))


def boolean(value: bool) -> bytes:
    """A BOOLEAN."""
    return tlv(0x01, b"\xff" if value else b"\x00")


def octets(value: bytes) -> bytes:
    """An OCTET STRING."""
    return tlv(0x04, value)


def bits(value: bytes) -> bytes:
    """A BIT STRING of whole octets."""
    return tlv(0x03, b"\x00", value)


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    return tlv(0x06, *(_arc(value) for value in (40 * first + second, *rest)))


def _arc(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | value & 0x7F)
    return bytes(reversed(groups))


def string(value: str | bytes, tag: int = UTF8) -> bytes:
    """A string of the type `tag`; bytes are taken as they are."""
    return tlv(tag, value if isinstance(value, bytes) else value.encode(_CODECS[tag]))


def time(value: datetime) -> bytes:
    """A UTCTime, or from 2050 on a GeneralizedTime."""
    utc = value.astimezone(UTC)
    if utc.year >= _GENERALIZED_FROM:
        return tlv(0x18, utc.strftime("%Y%m%d%H%M%SZ").encode())
    return tlv(0x17, utc.strftime("%y%m%d%H%M%SZ").encode())
