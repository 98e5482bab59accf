"""Headers and files that are no proxy credential."""

import base64
from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from proxyauth.x509 import der
from tests.pki import asn1, grid, keys
from tests.pki.mint import Extension, Form, Minted
from tests.pki.names import Name, name, part, rdn, rdns
from tests.unit.proxyauth.trial import Case, Trial, alice, of, the_ca

_MORE = "MII" * 11_000


def _data() -> bytes:
    return of(grid.rfc(alice()), alice()).data


def _header() -> str:
    return base64.b64encode(_data()).decode()


def _sent(change: Callable[[str], str]) -> Callable[[], Trial]:
    """A header that was changed."""
    return lambda: Trial(header=change(_header()))


def _held(change: Callable[[bytes], bytes]) -> Callable[[], Trial]:
    """A file that was changed."""
    return lambda: Trial(change(_data()))


def _keyed(key: Callable[[], bytes]) -> Callable[[], Trial]:
    """A proxy file with another key block."""
    return lambda: of(grid.rfc(alice()), alice(), key=key())


def _with(*extensions: Extension, form: Form = Form()) -> Callable[[], Trial]:  # noqa: B008 - a frozen value
    """An RFC proxy with more extensions."""
    return lambda: of(grid.rfc(alice(), extra=extensions, form=form), alice())


def _info(body: bytes) -> Callable[[], Trial]:
    """A proxy whose ProxyCertInfo holds `body`."""
    return lambda: of(grid.rfc(alice(), Extension(grid.RFC, body, critical=True)), alice())


def _der(change: Callable[[bytes], bytes]) -> Callable[[], Trial]:
    """A proxy file with a changed certificate of the user."""
    return lambda: Trial(_data().replace(alice().pem, keys.pem("CERTIFICATE", change(alice().der))))


def _named(value: bytes, tag: int) -> Callable[[], Trial]:
    """A user with a CN of these bytes."""
    return lambda: _of_user((*name("/C=PL"), rdn("CN", value, tag)))


def _of_user(subject: Name) -> Trial:
    user = grid.user(the_ca(), subject)
    return of(grid.rfc(user), user)


def _labelled(label: str) -> bytes:
    """A block of this label that is no PEM known here."""
    return f"-----BEGIN {label}-----\neyJhIjoxfQ\n-----END {label}-----\n".encode()


def _leaf_key() -> keys.PrivateKey:
    return grid.rfc(alice()).key


def _not_shortest(header: str) -> str:
    """The same bytes, with bits set that no byte uses."""
    return base64.b64encode(b"proxy!!").decode().replace("IQ==", "IR==") if header else ""


def _encrypted(form: PrivateFormat) -> bytes:
    return _leaf_key().private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"secret"))


def _other_algorithm() -> Trial:
    """The algorithm that is signed is not the one that is named beside the signature."""
    user = grid.user(the_ca(), form=replace(grid.LONG, outer_digest="sha512"))
    return of(grid.rfc(user), user)


def _many(count: int) -> Trial:
    """A proxy with more certificates than any chain has."""
    return of(grid.rfc(alice()), alice(), *[grid.user(the_ca(), f"/C=PL/CN={number}") for number in range(count - 2)])


def _long_form(raw: bytes) -> bytes:
    """The outer length in one octet more than it needs."""
    return b"\x30\x83\x00" + raw[2:] if raw[1] == 0x82 else raw


def _rsa() -> pkcs12.PKCS12PrivateKeyTypes:
    return keys.rsa_key("alice")


def _user_with(extension: Extension) -> Trial:
    user = grid.user(the_ca(), extra=[extension])
    return of(grid.rfc(user), user)


def _purpose(identifier: bytes) -> Extension:
    return Extension("2.5.29.37", asn1.seq(identifier), critical=True)


def _unused_bit() -> Trial:
    """A signature whose last bit, a zero, is said to be unused: other bytes of the same certificate."""
    minted = (grid.rfc(alice()) for _ in range(100))
    leaf = next(each for each in minted if each.der[-1] & 1 == 0)
    _, _, signature = der.sequence(leaf.der)
    spelled = leaf.der.replace(signature.raw, asn1.tlv(0x03, b"\1" + signature.body[1:]))
    return Trial(grid.proxy_file(leaf, alice()).replace(leaf.pem, keys.pem("CERTIFICATE", spelled)))


def _from_year_0(raw: bytes) -> bytes:
    """A certificate that is valid from the year 0 on, which the calendar of RFC 5280 does not have."""
    contents, *behind = der.sequence(raw)
    *before, _, subject, key, extensions = (field.raw for field in der.sequence(contents.raw))
    validity = asn1.seq(asn1.tlv(0x18, b"00000101000000Z"), asn1.time(grid.LONG.end))
    inner = asn1.seq(*before, validity, subject, key, extensions)
    return asn1.seq(inner, *(each.raw for each in behind))


def _old_user(version: int) -> Minted:
    return grid.user(the_ca(), extra=(), form=replace(grid.LONG, version=version))


_EXTENSION = Extension("1.2.3.4", b"\x05\x00")
_LONG_ARC = asn1.tlv(0x06, b"\x2a" + b"\xff" * 2500 + b"\x01")
_POLICY = asn1.seq(asn1.oid(grid.INHERIT_ALL))

_TRIALS: dict[str, dict[str, Callable[[], Trial]]] = {
    "header-empty": {
        "an empty header": lambda: Trial(header=""),
        "a header of blanks": lambda: Trial(header="  "),
    },
    "header-doubled": {
        "two headers, joined": _sent(lambda it: f"{it},{it}"),
        "two headers, joined with a blank": _sent(lambda it: f"{it}, {it}"),
    },
    "header-url-safe": {
        "URL-safe Base64 with a hyphen": lambda: Trial(header="-AAA"),
        "URL-safe Base64 with an underscore": lambda: Trial(header="AA_A"),
        "a file that was not encoded": lambda: Trial(header=_data().decode()),
    },
    "header-not-base64": {
        "Base64 without its padding": lambda: Trial(header="cHJveHk"),
        "a character outside of the alphabet": _sent(lambda it: f"*{it[1:]}"),
        "a blank within": _sent(lambda it: f"{it[:8]} {it[8:]}"),
        "a blank before": _sent(lambda it: f" {it}"),
        "a line break": _sent(lambda it: f"{it[:64]}\n{it[64:]}"),
        "a character outside of ASCII": _sent(lambda it: f"é{it[1:]}"),
        "a lone surrogate": _sent(lambda it: f"\udcff{it[1:]}"),
        "data behind the padding": lambda: Trial(header="cHJveHk=cHJveHk="),
        "too much padding": lambda: Trial(header="cHJveHk=="),
        "bits that no byte uses": _sent(_not_shortest),
        "padding alone": lambda: Trial(header="===="),
    },
    "header-too-long": {
        "more than 32 KiB": lambda: Trial(header=_MORE),
        "one character more than is allowed": lambda: Trial(header="A" * (32 * 1024 + 1)),
    },
    "not-pem": {
        "Base64 of Base64": lambda: Trial(base64.b64encode(_data())),
        "text that begins like DER": lambda: Trial(b"0x30 is how DER begins\n"),
        "text": lambda: Trial(b"hello\n"),
        "bytes that are not UTF-8": lambda: Trial(b"\xff\xfe\xfd"),
        "boundaries with four dashes": _held(lambda it: it.replace(b"-----", b"----")),
    },
    "der": {
        "a certificate in DER": lambda: Trial(grid.rfc(alice()).der),
        "DER of an indefinite length": lambda: Trial(b"\x30\x80" + grid.rfc(alice()).der[4:] + b"\0\0"),
        "a key in DER": lambda: Trial(_leaf_key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())),
    },
    "pkcs12": {
        "PKCS#12 whose length is a line break": lambda: Trial(b"\x30\x82\x0a\x0a\x02\x01\x03" + b"\0" * 2570),
        "PKCS#12": lambda: Trial(
            pkcs12.serialize_key_and_certificates(b"me", _rsa(), None, None, BestAvailableEncryption(b"secret"))
        ),
    },
    "nul-byte": {
        "a NUL byte between blocks": _held(lambda it: it.replace(b"\n-----BEGIN", b"\n\0-----BEGIN", 1)),
        "as many characters as are allowed": lambda: Trial(header="A" * 32 * 1024),
        "a NUL byte at the end": _held(lambda it: it + b"\0"),
        "UTF-16": _held(lambda it: it.decode().encode("utf-16-le")),
    },
    "junk": {
        "text before the first block": _held(lambda it: b"my proxy:\n" + it),
        "text between blocks": _held(lambda it: it.replace(b"-----\n-----", b"-----\nand\n-----")),
        "text behind the last block": _held(lambda it: it + b"bye\n"),
        "text behind a boundary": _held(lambda it: b"#\n-----BEGIN CERTIFICATE----- x\n" + it),
        "a control character in a comment": _held(lambda it: b"# \x1b[31m\n" + it),
        "a delete character in an indented line": _held(lambda it: b"  \x7f\n" + it),
        "line breaks of old Macs": _held(lambda it: b"#\r\r\n" + it),
        "a form feed behind a boundary": _held(
            lambda it: it.replace(b"CERTIFICATE-----\n", b"CERTIFICATE-----\f\n", 1)
        ),
        "a letter behind a boundary": _held(lambda it: it.replace(b"CERTIFICATE-----\n", b"CERTIFICATE-----X\n", 1)),
        "a form feed": _held(lambda it: b"\x0c\n" + it),
        "a label of two hyphens in a row": _held(lambda it: it + _labelled("A--B")),
        "a label that begins with a blank": _held(lambda it: it + _labelled(" A")),
        "a label that ends with a hyphen": _held(lambda it: it + _labelled("A-")),
        "a label outside of ASCII": _held(lambda it: it + _labelled("\u00c9")),
        "a label with a control character": _held(lambda it: it + _labelled("A\x1b[31m")),
        "a label of 65 characters": _held(lambda it: it + _labelled("A" * 65)),
        "HTML": _held(lambda it: b"<pre>\n" + it),
    },
    "pem-boundary": {
        "a block without its end": _held(lambda it: it.rsplit(b"-----END", 1)[0]),
        "a block without its beginning": _held(lambda it: it + b"-----END CERTIFICATE-----\n"),
        "a block that ends as another": _held(lambda it: it.replace(b"END CERTIFICATE", b"END RSA PRIVATE KEY", 1)),
        "a block within a block": _held(
            lambda it: it.replace(b"KEY-----\n", b"KEY-----\n-----BEGIN RSA PRIVATE KEY-----\n", 1)
        ),
        "a key within a block of another kind": _held(
            lambda it: it + b"-----BEGIN NOTE-----\n" + keys.traditional(_leaf_key()) + b"-----END NOTE-----\n"
        ),
        "a block of another kind without its end": _held(lambda it: it + b"-----BEGIN DIRACX-----\neyJh\n"),
        "a block of another kind without its beginning": _held(lambda it: b"-----END DIRACX-----\n" + it),
        "a block of another kind that ends in another case": _held(
            lambda it: it + b"-----BEGIN DIRACX-----\neyJh\n-----END diracx-----\n"
        ),
        "a block without a label that has no end": _held(lambda it: it + b"-----BEGIN -----\n"),
    },
    "pem-not-base64": {
        "a certificate with a broken line": _held(
            lambda it: it.replace(b"CERTIFICATE-----\nM", b"CERTIFICATE-----\n*", 1)
        ),
        "a certificate without its padding": lambda: Trial(
            b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n" + keys.traditional(_leaf_key())
        ),
        "a form feed within a block": _held(lambda it: it.replace(b"KEY-----\nM", b"KEY-----\n\fM", 1)),
        "headers within a block": _held(lambda it: it.replace(b"KEY-----\n", b"KEY-----\nX-Note: mine\n\n", 1)),
        "a character outside of ASCII in a block": _held(
            lambda it: it.replace(b"KEY-----\nM", b"KEY-----\n\xc3\xab", 1)
        ),
    },
    "key-encrypted": {
        "an encrypted key in PKCS#8": _keyed(lambda: _encrypted(PrivateFormat.PKCS8)),
        "an encrypted key beside the proxy's own": _held(lambda it: it + _encrypted(PrivateFormat.PKCS8)),
        "an encrypted key in PKCS#1": _keyed(lambda: _encrypted(PrivateFormat.TraditionalOpenSSL)),
    },
    "key-missing": {
        "PKCS#12 in PEM": lambda: Trial(keys.pem("PKCS12", b"\x30\x00")),
        "no key": _keyed(lambda: b""),
        "no key but its parameters": _keyed(lambda: keys.pem("EC PARAMETERS", asn1.oid("1.3.132.0.35"))),
    },
    "key-doubled": {
        "two keys": _keyed(lambda: keys.traditional(_leaf_key()) + keys.traditional(alice().key)),
        "one key twice": _keyed(lambda: keys.traditional(_leaf_key()) * 2),
        "one key in two forms": _keyed(lambda: keys.traditional(_leaf_key()) + keys.pkcs8(_leaf_key())),
    },
    "key-format": {
        "a key of OpenSSH": _keyed(
            lambda: _leaf_key().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        ),
        "a DSA key": _keyed(lambda: keys.pem("DSA PRIVATE KEY", b"\x30\x00")),
        "a DSA key beside the proxy's own": _held(lambda it: it + keys.pem("DSA PRIVATE KEY", b"\x30\x00")),
        "a key whose label is of small letters": _held(lambda it: it + _labelled("dsa private key")),
        "a key whose label has hyphens": _held(lambda it: it + _labelled("DSA-PRIVATE-KEY")),
        "a key of PGP": _held(lambda it: it + _labelled("PGP PRIVATE KEY BLOCK")),
        "a key behind a long label": _held(lambda it: it + _labelled("A" * 52 + " PRIVATE KEY")),
        "an Ed25519 key": _keyed(lambda: keys.pkcs8(keys.ed25519_key("other"))),
        "PKCS#8 of a version to come": _keyed(
            lambda: keys.pem("PRIVATE KEY", asn1.seq(asn1.integer(2), asn1.seq(asn1.oid("1.2.840.113549.1.1.1"))))
        ),
    },
    "certificate-missing": {
        "a key alone": lambda: Trial(keys.traditional(_leaf_key())),
        "certificates with trust settings": _held(lambda it: it.replace(b" CERTIFICATE-", b" TRUSTED CERTIFICATE-")),
        "certificates whose label is of small letters": _held(
            lambda it: it.replace(b" CERTIFICATE-", b" certificate-")
        ),
    },
    "too-many-certificates": {"eleven certificates": lambda: _many(11)},
    "certificate-malformed": {
        "an empty block": _der(lambda _: b""),
        "a certificate that is cut off": _der(lambda it: it[:-1]),
        "bytes behind a certificate": _der(lambda it: it + b"\0"),
        "a length that is not in its shortest form": _der(_long_form),
        "an indefinite length": _der(lambda it: b"\x30\x80" + it[4:] + b"\0\0"),
        "random bytes": _der(lambda _: b"\x30\x03\x02\x01\x01"),
        "two signature algorithms": _other_algorithm,
        "a key usage that is none": lambda: _user_with(Extension("2.5.29.15", b"\x04\x00")),
        "basic constraints that are none": lambda: _user_with(Extension("2.5.29.19", b"\x02\x01\x01")),
        "a boolean that is neither": lambda: _user_with(Extension("2.5.29.19", asn1.seq(b"\x01\x01\x01"))),
        "extensions that are none": lambda: _user_with(Extension("2.5.29.19", asn1.seq(b"\x01\x02\xff\xff"))),
        "a purpose with an arc of 5,000 digits": lambda: _user_with(_purpose(_LONG_ARC)),
        "a purpose of 5,000 arcs": lambda: _user_with(_purpose(asn1.tlv(0x06, b"\x01" * 5000))),
        "a signature with an unused bit": _unused_bit,
        "a beginning in the year 0": _der(_from_year_0),
    },
    "certificate-version": {
        "a proxy of version 1": lambda: of(grid.legacy(alice(), form=Form(version=1)), alice()),
        "a proxy of version 2": lambda: of(grid.legacy(alice(), form=Form(version=2)), alice()),
        "a user of version 1": lambda: of(grid.rfc(user := _old_user(1)), user),
        "a version to come": lambda: of(grid.rfc(alice(), form=Form(version=4)), alice()),
    },
    "certificate-serial": {
        "a serial number of zero": lambda: of(grid.rfc(alice(), form=Form(serial=0)), alice()),
        "a negative serial number": lambda: of(grid.rfc(alice(), form=Form(serial=-7)), alice()),
        "a user's serial number of zero": lambda: of(
            grid.rfc(user := grid.user(the_ca(), form=replace(grid.LONG, serial=0))), user
        ),
        "a serial number of 161 bits": lambda: of(grid.rfc(alice(), form=Form(serial=1 << 160)), alice()),
        "a serial number of 10,000 octets": lambda: of(grid.rfc(alice(), form=Form(serial=1 << 79_999)), alice()),
    },
    "extension-duplicate": {"an extension twice": _with(_EXTENSION, _EXTENSION)},
    "proxy-info-duplicate": {
        "a ProxyCertInfo twice": _with(grid.proxy_info()),
        "both forms of ProxyCertInfo": _with(grid.proxy_info(kind=grid.DRAFT)),
    },
    "proxy-info-malformed": {
        "an empty ProxyCertInfo": _info(b""),
        "a ProxyCertInfo without a policy": _info(asn1.seq()),
        "a ProxyCertInfo with a length alone": _info(asn1.seq(asn1.integer(1))),
        "a path length that no counter holds": _info(asn1.seq(asn1.integer(1 << 31), _POLICY)),
        "a path length of 5,000 octets": _info(asn1.seq(asn1.integer(1 << 39_999), _POLICY)),
        "a negative path length": _info(asn1.seq(asn1.integer(-1), _POLICY)),
        "a path length that is not in its shortest form": _info(asn1.seq(b"\x02\x02\x00\x01", _POLICY)),
        "a path length behind the policy": _info(asn1.seq(_POLICY, asn1.explicit(1, asn1.integer(1)))),
        "two policies": _info(asn1.seq(_POLICY, _POLICY)),
        "bytes behind it": _info(asn1.seq(_POLICY) + b"\0"),
        "a policy text where none may be": _info(asn1.seq(asn1.seq(asn1.oid(grid.INHERIT_ALL), asn1.octets(b"x")))),
        "a policy text of another type": _info(asn1.seq(asn1.seq(asn1.oid("1.2.3"), asn1.integer(1)))),
        "a policy with three parts": _info(asn1.seq(asn1.seq(asn1.oid("1.2.3"), asn1.octets(b""), asn1.octets(b"")))),
        "a policy without a language": _info(asn1.seq(asn1.seq())),
        "a language with an arc of 5,000 digits": _info(asn1.seq(asn1.seq(_LONG_ARC))),
        "a language that is cut off": _info(asn1.seq(asn1.seq(b"\x06\x01\x81"))),
        "a draft with its length untagged behind": lambda: of(
            grid.rfc(alice(), Extension(grid.DRAFT, asn1.seq(_POLICY, asn1.integer(1)), critical=True)), alice()
        ),
    },
    "name-unreadable": {
        "a UTF8String that is not UTF-8": _named(b"Zo\xeb", asn1.UTF8),
        "a PrintableString with a byte above ASCII": _named(b"Zo\xeb", asn1.PRINTABLE),
        "a BMPString of an odd length": _named(b"\0Z\0", asn1.BMP),
        "a value that is no string": _named(b"\x01", 0x02),
    },
    "name-too-long": {
        "a value of 1,025 characters": _named(b"a" * 1025, asn1.UTF8),
        "a value of 2,000 combining characters": _named(("\u0301" * 1000 + "\u0316" * 1000).encode(), asn1.UTF8),
        "a value of 5,000 octets that are not of its type": _named(b"\xff" * 5000, asn1.UTF8),
        "a name of 65 values": lambda: _of_user((*name("/C=PL"), *[rdn("CN", "a")] * 64)),
        "a name of 65 values in one RDN": lambda: _of_user((rdns(*(part("CN", str(n)) for n in range(65))),)),
    },
}


FORMAT_CASES = [Case(rule, title, make) for rule, trials in _TRIALS.items() for title, make in trials.items()]
