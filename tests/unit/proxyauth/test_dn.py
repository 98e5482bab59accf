"""Names: one text form, one form to compare."""

import pytest

from proxyauth.x509 import der, dn
from tests.pki import asn1
from tests.pki.names import Name, encode, name, part, rdn, rdns


def _read(parts: Name) -> dn.Name:
    return dn.decode(der.one(encode(parts), der.SEQUENCE))


@pytest.mark.parametrize(
    "slashed", ["", "/C=PL", "/C=PL/O=Grid/OU=Users/CN=Alice", "/DC=org/DC=grid/UID=7/emailAddress=a@b.org"]
)
def test_a_name_reads_as_it_was_written(slashed: str) -> None:
    assert dn.text(_read(name(slashed))) == slashed


@pytest.mark.parametrize("tag", [asn1.UTF8, asn1.PRINTABLE, asn1.IA5, asn1.TELETEX, asn1.BMP, asn1.UNIVERSAL, 0x12])
def test_the_string_type_makes_no_difference(tag: int) -> None:
    value = "1234" if tag == 0x12 else "Alice"
    raw = value.encode("ascii") if tag == 0x12 else value
    read = _read((rdn("CN", raw, tag),))
    assert dn.text(read) == f"/CN={value}"
    assert dn.key(read) == f"/cn={value.lower()}"


def test_teletex_is_utf_8_or_else_latin_1() -> None:
    assert dn.text(_read((rdn("CN", "Zoë".encode(), asn1.TELETEX),))) == "/CN=Zoë"
    assert dn.text(_read((rdn("CN", "Zoë".encode("latin-1"), asn1.TELETEX),))) == "/CN=Zoë"


def test_an_unknown_type_is_written_as_its_oid() -> None:
    read = _read((rdn("1.2.3.4", "x"),))
    assert dn.text(read) == "/1.2.3.4=x"
    assert dn.parse("/1.2.3.4=x") == read


def test_a_multivalued_rdn_compares_in_any_order() -> None:
    read = _read((rdns(part("CN", "Alice"), part("UID", "7")),))
    assert dn.key(read) == dn.key(dn.parse("/UID=7+CN=alice"))
    assert dn.key(read) != dn.key(dn.parse("/UID=7/CN=alice"))


@pytest.mark.parametrize("tag", [asn1.UTF8, asn1.PRINTABLE, asn1.IA5, asn1.BMP, asn1.UNIVERSAL, 0x02])
def test_a_value_that_is_not_of_its_type_is_no_name(tag: int) -> None:
    with pytest.raises(dn.BadName):
        _read((rdn("CN", b"\xff\xff\xff", tag),))


@pytest.mark.parametrize(
    "raw",
    [
        asn1.tlv(0x31),
        asn1.seq(asn1.seq()),
        asn1.seq(asn1.tlv(0x31, asn1.tlv(0x31))),
        asn1.seq(asn1.tlv(0x31, asn1.seq(asn1.oid("2.5.4.3")))),
        asn1.seq(asn1.tlv(0x31, asn1.seq(asn1.oid("2.5.4.3"), asn1.string("a"), asn1.string("b")))),
        asn1.seq(asn1.tlv(0x31, asn1.seq(asn1.string("CN"), asn1.string("a")))),
    ],
)
def test_what_is_not_built_as_a_name_is_none(raw: bytes) -> None:
    with pytest.raises(der.NotDer):
        dn.decode(next(der.items(raw)))


@pytest.mark.parametrize(
    "slashed", ["", "Alice", "CN=Alice", "x/CN=Alice", "+CN=Alice", "/Alice", "//CN=Alice", " /CN=Alice"]
)
def test_a_text_that_does_not_begin_with_a_type_is_no_name(slashed: str) -> None:
    with pytest.raises(dn.BadName):
        dn.parse(slashed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/CN=Alice", "/cn=ALICE"),
        ("/CN=Alice A", "/CN= Alice \t A "),
        ("/CN=Zoë", "/CN=ZOE\u0308"),
        ("/CN=ﬁn", "/CN=fin"),
        ("/CN=Å", "/CN=\u212b"),
        ("/CN = Alice", "/CN=Alice"),
        ("/SURNAME=A", "/SN=a"),
        ("/givenName=A", "/GN=a"),
    ],
)
def test_names_that_differ_in_form_only_are_equal(one: str, other: str) -> None:
    assert dn.key(dn.parse(one)) == dn.key(dn.parse(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/CN=Alice", "/CN=Alica"),
        ("/CN=Alice", "/O=Alice"),
        ("/CN=A/CN=B", "/CN=B/CN=A"),
        ("/CN=A B", "/CN=AB"),
        ("/CN=A", "/CN=\u0410"),
    ],
)
def test_names_that_differ_in_more_are_not(one: str, other: str) -> None:
    assert dn.key(dn.parse(one)) != dn.key(dn.parse(other))


@pytest.mark.parametrize(
    "value", ["a/CN=b", "a/cn=b", "a/x =b", "a+CN=b", "a/1.2=b", "a\uff0fCN\uff1db", "/CN=", "a/b-c=d"]
)
def test_a_value_that_reads_like_two_is_found(value: str) -> None:
    assert dn.looks_like_two(value)


@pytest.mark.parametrize("value", ["host/a.example.org", "a=b", "C++", "1+1=2", "a/1=b", "a/=b", "a / b", "a/b c=d"])
def test_a_value_that_reads_like_one_is_not(value: str) -> None:
    assert not dn.looks_like_two(value)
    assert dn.parse(f"/CN={value}") == ((dn.Attribute("CN", value),),)


@pytest.mark.parametrize(
    "character", ["\0", "\n", "\x7f", "\x85", "\u200d", "\u202e", "\u2028", "\u2029", "\ue000", "\ud800", "\u0378"]
)
def test_characters_that_nobody_sees_are_found(character: str) -> None:
    assert dn.has_odd_characters(f"a{character}b")


@pytest.mark.parametrize("value", ["Alice", "Zoë", "Jan Kowalski", "山田", "a.b-c_d@e", 'O\'Neil (x), "y"'])
def test_ordinary_characters_are_none(value: str) -> None:
    assert not dn.has_odd_characters(value)
    assert not dn.has_outer_blanks(value)


@pytest.mark.parametrize("value", ["", " ", " a", "a ", "a\t", "\u3000a"])
def test_blanks_at_the_ends_are_found(value: str) -> None:
    assert dn.has_outer_blanks(value)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/C=PL/O=Grid/*", "/c=pl/o=grid/*"),
        ("/C=PL/Email=*", "/c=pl/emailaddress=*"),
        ("*", "*"),
        ("/USERID=?", "/uid=?"),
        ("/O=A  B*", "/o=a b*"),
    ],
)
def test_a_pattern_takes_the_form_of_keys(pattern: str, expected: str) -> None:
    assert dn.pattern_key(pattern) == expected


def test_values_come_from_the_root_down() -> None:
    assert list(dn.values(dn.parse("/C=PL/CN=a+UID=b"))) == ["PL", "a", "b"]
