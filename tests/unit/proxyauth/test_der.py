"""DER is read in its one spelling, and nothing else is DER."""

import pytest

from proxyauth.x509 import der
from tests.pki import asn1


def _item(raw: bytes) -> der.Item:
    return next(der.items(raw))


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 20])
def test_an_element_of_any_length_reads_as_it_was_written(length: int) -> None:
    raw = asn1.octets(b"x" * length)
    item = der.one(raw, der.OCTET_STRING)
    assert (item.body, item.raw) == (b"x" * length, raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x04",
        b"\x04\x01",
        b"\x04\x02a",
        b"\x04\x80",
        b"\x04\x80a\0\0",
        b"\x04\x81",
        b"\x04\x81\x01a",
        b"\x04\x81\x7f" + b"a" * 127,
        b"\x04\x82\x00\x80" + b"a" * 128,
        b"\x04\x82\x80",
        b"\x04\x85\x01\x00\x00\x00\x00" + b"a",
        b"\x1f\x81\x01\x00",
        b"\xff\x00",
    ],
)
def test_other_spellings_are_refused(raw: bytes) -> None:
    with pytest.raises(der.NotDer):
        list(der.items(raw))


def test_one_is_one() -> None:
    for raw in (b"", asn1.tlv(5) * 2, asn1.tlv(5) + b"\0"):
        with pytest.raises(der.NotDer):
            der.one(raw, der.NULL)


def test_another_type_is_refused() -> None:
    with pytest.raises(der.NotDer):
        der.expect(_item(asn1.tlv(5)), der.INTEGER)
    with pytest.raises(der.NotDer):
        der.expect(None, der.INTEGER)


@pytest.mark.parametrize("value", [0, 1, -1, 127, 128, -128, -129, 255, 256, 1 << 2048, -(1 << 2048)])
def test_an_integer_reads_as_it_was_written(value: int) -> None:
    assert der.integer(_item(asn1.integer(value))) == value


@pytest.mark.parametrize("body", [b"", b"\x00\x00", b"\x00\x7f", b"\xff\xff", b"\xff\x80"])
def test_an_integer_in_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(der.NotDer):
        der.integer(_item(asn1.tlv(2, body)))


@pytest.mark.parametrize(
    "dotted", ["0.9.2342.19200300.100.1.1", "1.2.840.113549.1.1.1", "2.5.4.3", "2.999.1", "1.39", "2.40.0", "0.0"]
)
def test_an_identifier_reads_as_it_was_written(dotted: str) -> None:
    assert der.oid(_item(asn1.oid(dotted))) == dotted


@pytest.mark.parametrize("body", [b"", b"\x81", b"\x2a\x80\x01", b"\x80\x01", b"\x2a\x86"])
def test_an_identifier_in_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(der.NotDer):
        der.oid(_item(asn1.tlv(6, body)))


def test_an_arc_may_hold_an_octet_of_zero_bits_within() -> None:
    assert der.oid(_item(asn1.tlv(6, b"\x2a\x81\x80\x00"))) == "1.2.16384"


def test_a_boolean_is_one_of_two() -> None:
    assert der.boolean(_item(asn1.tlv(1, b"\xff"))) is True
    assert der.boolean(_item(asn1.tlv(1, b"\x00"))) is False
    for body in (b"", b"\x01", b"\xff\xff"):
        with pytest.raises(der.NotDer):
            der.boolean(_item(asn1.tlv(1, body)))


def test_bits_are_read_in_whole_octets() -> None:
    assert der.octets(_item(asn1.bits(b"\x01\x02"))) == b"\x01\x02"
    for raw in (asn1.tlv(3), asn1.tlv(3, b"\1\x02"), asn1.tlv(3, b"\x08\x02"), asn1.octets(b"\0\x02")):
        with pytest.raises(der.NotDer):
            der.octets(_item(raw))


def test_an_element_does_not_show_its_contents() -> None:
    assert repr(_item(asn1.octets(b"secret"))) == "<Item 0x04, 6 bytes>"


def test_context_tags() -> None:
    assert der.context(0) == 0xA0
    assert der.context(3) == 0xA3
