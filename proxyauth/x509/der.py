"""PURE: the few DER forms that decide who somebody is, read strictly (X.690 section 10).

A library reads the certificates as well. This reader exists for what libraries soften or hide: the string types of
names, duplicate extensions, versions and serial numbers, ProxyCertInfo, and private keys that no library should be
handed before they were looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
SEQUENCE, SET = 0x30, 0x31
_LONG_FORM = 0x80
_HIGH_TAG = 0x1F
_LENGTH_OCTETS = 4
# RFC 5280 appendix B asks for 20 arcs below 2^28; the longest in use is of 128 bits (X.667).
_OID_OCTETS = 128
_ARC_BITS = 128


class NotDer(Exception):
    """The bytes are not the DER that was expected."""


@dataclass(frozen=True, slots=True)
class Item:
    """One element: its identifier octet, its contents, and all of its bytes."""

    tag: int
    body: bytes
    raw: bytes

    def __repr__(self) -> str:
        """Say nothing of the contents: they may be a private key's."""
        return f"<Item {self.tag:#04x}, {len(self.body)} bytes>"


def context(number: int) -> int:
    """Return the identifier octet of the constructed context-specific tag `number`."""
    return 0xA0 | number


def items(data: bytes) -> Iterator[Item]:
    """Yield the elements that `data` is a row of. Raises NotDer where a tag or length is not DER."""
    position = 0
    while position < len(data):
        start, position = position, position + 2
        header = data[start:position]
        if len(header) < 2 or header[0] & _HIGH_TAG == _HIGH_TAG:  # noqa: PLR2004 - identifier and length
            raise NotDer("truncated element or multi-octet tag")
        length = header[1]
        if length >= _LONG_FORM:
            octets = data[position : position + (length & 0x7F)]
            position += len(octets)
            length = _long_length(octets, length & 0x7F)
        end = position + length
        if end > len(data):
            raise NotDer("an element ends behind the data")
        yield Item(header[0], data[position:end], data[start:end])
        position = end


def _long_length(octets: bytes, count: int) -> int:
    length = int.from_bytes(octets, "big")
    if not 0 < count <= _LENGTH_OCTETS or len(octets) < count or octets[0] == 0 or length < _LONG_FORM:
        raise NotDer("a length is not in its shortest form")
    return length


def one(data: bytes, tag: int) -> Item:
    """Return the only element of `data`, which must be a `tag`. Raises NotDer."""
    elements = list(items(data))
    if len(elements) != 1:
        raise NotDer(f"{len(elements)} elements where one is expected")
    return expect(elements[0], tag)


def expect(item: Item | None, tag: int) -> Item:
    """Return `item`, which must be a `tag`. Raises NotDer."""
    if item is None or item.tag != tag:
        raise NotDer(f"element {tag:#04x} expected")
    return item


def sequence(data: bytes) -> list[Item]:
    """Return the elements of the one SEQUENCE that `data` is. Raises NotDer."""
    return list(items(one(data, SEQUENCE).body))


def integer(item: Item | None) -> int:
    """Return the value of an INTEGER in its shortest form (X.690 8.3.2). Raises NotDer."""
    body = expect(item, INTEGER).body
    if not body or (len(body) > 1 and (body[0], body[1] >> 7) in {(0x00, 0), (0xFF, 1)}):
        raise NotDer("an integer is not in its shortest form")
    return int.from_bytes(body, "big", signed=True)


def oid(item: Item | None) -> str:
    """Return the dotted form of an OBJECT IDENTIFIER (X.690 8.19) of at most 128 octets. Raises NotDer."""
    body = expect(item, OID).body
    if not body or body[-1] & 0x80:
        raise NotDer("an object identifier is cut off")
    if len(body) > _OID_OCTETS:
        raise NotDer("an object identifier is too long")
    arcs, value = [], 0
    for octet in body:
        if octet == 0x80 and value == 0:  # noqa: PLR2004 - a leading zero group
            raise NotDer("an arc is not in its shortest form")
        value = value << 7 | octet & 0x7F
        if value >> _ARC_BITS:
            raise NotDer("an arc is too large")
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def octets(item: Item | None) -> bytes:
    """Return the contents of a BIT STRING of whole octets, as signatures are. Raises NotDer for unused bits."""
    body = expect(item, BIT_STRING).body
    if body[:1] != b"\0":
        raise NotDer("a row of bits is not of whole octets")
    return body[1:]


def boolean(item: Item | None) -> bool:
    """Return the value of a BOOLEAN, which DER writes as 00 or FF (X.690 11.1). Raises NotDer."""
    body = expect(item, BOOLEAN).body
    if body not in {b"\x00", b"\xff"}:
        raise NotDer("a boolean is neither 00 nor FF")
    return body == b"\xff"
