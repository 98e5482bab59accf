"""PURE: distinguished names: read from DER, written in the slash form, compared as RFC 5280 section 7.1 says.

Names come from anybody, before a signature was looked at. Scans are written by hand, for a regular expression may
backtrack, and values are bounded, since Unicode's normalization takes time that grows with the square of a row of
combining characters (0.15 s for 12,000 of them).
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from proxyauth.x509 import der

_SHORT_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.17": "postalCode",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
}
# Spellings that grid tools have used over the years, and the dotted forms of the names above; keys are in lower case.
_ALIASES = {
    "e": "emailAddress",
    "email": "emailAddress",
    "userid": "UID",
    "s": "ST",
    "givenname": "GN",
    "surname": "SN",
    **{short.lower(): short for short in _SHORT_NAMES.values()},
    **_SHORT_NAMES,
}
# X.680 string tags. Teletex was never T.61 in practice: it holds UTF-8 or Latin-1 (RFC 5280 appendix B does not say,
# OpenSSL's reading).
_UTF8, _NUMERIC, _PRINTABLE, _TELETEX, _IA5, _UNIVERSAL, _BMP = 0x0C, 0x12, 0x13, 0x14, 0x16, 0x1C, 0x1E
_ENCODINGS = {
    _UTF8: ("utf-8",),
    _NUMERIC: ("ascii",),
    _PRINTABLE: ("ascii",),
    _TELETEX: ("utf-8", "latin-1"),
    _IA5: ("ascii",),
    _UNIVERSAL: ("utf-32-be",),
    _BMP: ("utf-16-be",),
}
# X.520 gives names of persons and organizations 64 characters, e-mail addresses have at most 255 (RFC 5280 appendix A).
MAX_VALUE = 1024
"""Characters of one value."""
MAX_ATTRIBUTES = 64
"""Attributes of one name, those of multivalued RDNs included."""
_LONGEST_CHARACTER = 4  # octets, in any of the encodings


@dataclass(frozen=True, slots=True)
class Attribute:
    """One `type=value`; the type is the short name where there is one, else the dotted OID."""

    type: str
    value: str


Rdn = tuple[Attribute, ...]
Name = tuple[Rdn, ...]


class BadName(Exception):
    """A name that cannot be read: a string that is not of its own type, or a text without `/type=`."""


class TooLong(BadName):
    """A name with more or longer values than any CA gives."""


class _Start(NamedTuple):
    """A `/type=` or `+type=` in a text: where it begins and ends, its first character, and the type as written."""

    begin: int
    end: int
    separator: str
    type: str


def decode(item: der.Item) -> Name:
    """Read an X.501 Name. Raises BadName, TooLong, NotDer."""
    rdns = [list(der.items(der.expect(rdn, der.SET).body)) for rdn in der.items(der.expect(item, der.SEQUENCE).body)]
    _expect_few(sum(map(len, rdns)))
    return tuple(tuple(map(_attribute, rdn)) for rdn in rdns)


def _expect_few(attributes: int) -> None:
    if attributes > MAX_ATTRIBUTES:
        raise TooLong(f"a name has more than {MAX_ATTRIBUTES} attributes")


def _expect_short(value: str | bytes, most: int = MAX_VALUE) -> None:
    if len(value) > most:
        raise TooLong(f"a value has more than {MAX_VALUE} characters")


def _attribute(pair: der.Item) -> Attribute:
    parts = der.sequence(pair.raw)
    if len(parts) != 2:  # noqa: PLR2004 - type and value
        raise der.NotDer("an attribute is a type and a value")
    dotted = der.oid(parts[0])
    return Attribute(_SHORT_NAMES.get(dotted, dotted), _string(parts[1]))


def _string(item: der.Item) -> str:
    _expect_short(item.body, _LONGEST_CHARACTER * MAX_VALUE)
    for encoding in _ENCODINGS.get(item.tag, ()):
        try:
            value = item.body.decode(encoding)
        except UnicodeDecodeError:
            continue
        _expect_short(value)
        return value
    raise BadName("an attribute's value is not a string of its type")


def text(name: Name) -> str:
    """Return the slash form: `/C=PL/O=Grid/CN=Alice`; the parts of a multivalued RDN are joined with `+`."""
    return "".join("/" + "+".join(f"{part.type}={part.value}" for part in rdn) for rdn in name)


def parse(slashed: str) -> Name:
    """Read the slash form. Raises BadName, TooLong.

    A slash that no `type=` follows is the value's: `/CN=host/a.example`.
    """
    starts = list(_starts(slashed))
    if not starts or starts[0].begin or starts[0].separator != "/":
        raise BadName("a name in slash form begins with /type=")
    _expect_few(len(starts))
    rdns: list[Rdn] = []
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        value = slashed[start.end : following.begin if following else None]
        _expect_short(value)
        part = Attribute(_canonical_type(start.type), value)
        rdns[-1:] = [(*rdns[-1], part)] if start.separator == "+" else [*rdns[-1:], (part,)]
    return tuple(rdns)


def _starts(text: str) -> Iterator[_Start]:
    """Yield where attributes begin in a text in slash form; blanks may stand before the equals sign.

    Between two equals signs at most one can begin: with the last slash or plus sign there, if nothing but a type
    follows. So each character is looked at a fixed number of times.
    """
    position = 0
    for before in text.split("=")[:-1]:
        separator = max(before.rfind("/"), before.rfind("+"))
        word = before[separator + 1 :].rstrip()
        if separator >= 0 and _is_type(word):
            yield _Start(position + separator, position + len(before) + 1, before[separator], word)
        position += len(before) + 1


def _is_type(word: str) -> bool:
    """Return whether it is a short name, such as CN, or a dotted OID."""
    if word[:1].isalpha() and word.isascii():
        return word.replace("-", "").isalnum()
    arcs = word.split(".")
    return len(arcs) > 1 and all(map(str.isdecimal, arcs))


def _canonical_type(word: str) -> str:
    return _ALIASES.get(word.lower(), word)


def key(name: Name) -> str:
    """Return the form that equal names share (RFC 4518): types, letter case, blanks, Unicode forms do not count."""
    return "".join("/" + "+".join(sorted(f"{part.type.lower()}={fold(part.value)}" for part in rdn)) for rdn in name)


def fold(value: str) -> str:
    """Return a value prepared for comparison: NFKC, case folded, blanks at the ends gone and inside reduced to one."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())
    return " ".join(folded.split())


def pattern_key(slashed: str) -> str:
    """Return a slash form with wildcards (a signing policy's) in the form of `key`; it need not be a whole name."""
    typed, end = list[str](), 0
    for start in _starts(slashed):
        typed += [slashed[end : start.begin], start.separator, _canonical_type(start.type).lower(), "="]
        end = start.end
    return fold("".join([*typed, slashed[end:]]))


def values(name: Name) -> Iterator[str]:
    """Yield every attribute's value, from the root down."""
    return (part.value for rdn in name for part in rdn)


def looks_like_two(value: str) -> bool:
    """Return whether the slash form would show this value as more than one attribute: `Eve/CN=Alice`, in any width."""
    return any(next(_starts(form), None) for form in (value, fold(value)))


def has_odd_characters(value: str) -> bool:
    """Return whether there is a character that no reader can see: control, format, surrogate, private, unassigned."""
    return any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for character in value)


def has_outer_blanks(value: str) -> bool:
    """Return whether the value is empty, or begins or ends with a blank."""
    return value != value.strip() or not value
