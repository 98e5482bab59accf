"""PURE: one certificate, with everything read out of it that the rules ask for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from proxyauth.errors import Malformed, NotAllowed
from proxyauth.x509 import der, dn, signature
from proxyauth.x509.proxy_info import PROXY_CERT_INFO, Extension, ProxyInfo, find
from proxyauth.x509.signature import PublicKey

KEY_USAGE, SUBJECT_ALT_NAME, ISSUER_ALT_NAME, BASIC_CONSTRAINTS = "2.5.29.15", "2.5.29.17", "2.5.29.18", "2.5.29.19"
DIGITAL_SIGNATURE, KEY_CERT_SIGN = 0x80, 0x04
EXTENDED_KEY_USAGE = "2.5.29.37"
CLIENT_PURPOSES = frozenset({"1.3.6.1.5.5.7.3.2", "2.5.29.37.0"})  # clientAuth, and any

_SERIAL_BITS = 160  # RFC 5280 section 4.1.2.2: 20 octets


@dataclass(frozen=True)
class Certificate:
    """A certificate as the rules see it.

    Times are aware UTC; `key_usage` and `purposes` are None where none are stated.
    """

    raw: bytes
    parsed: x509.Certificate
    version: int
    serial: int
    subject: dn.Name
    issuer: dn.Name
    not_before: datetime
    not_after: datetime
    extensions: Mapping[str, Extension]
    is_ca: bool
    key_usage: int | None
    purposes: frozenset[str] | None
    proxy_info: ProxyInfo | None

    def __repr__(self) -> str:
        """Name the subject; certificates are public, but long."""
        return f"<Certificate {dn.text(self.subject)!r}>"

    def may(self, use: int) -> bool:
        """Return whether the key may be used for this, a bit of the key usage's first octet; without one it may."""
        return self.key_usage is None or bool(self.key_usage & use)

    @cached_property
    def subject_key(self) -> str:
        """The subject in the form that equal names share."""
        return dn.key(self.subject)

    @cached_property
    def issuer_key(self) -> str:
        """The issuer in the form that equal names share."""
        return dn.key(self.issuer)

    @cached_property
    def public_key(self) -> PublicKey:
        """The public key. Raises NotAllowed for what is neither RSA nor an elliptic curve known here."""
        try:
            key = self.parsed.public_key()
        except (ValueError, UnsupportedAlgorithm) as exc:
            raise NotAllowed("key-algorithm", "a certificate's public key is of an unknown kind or malformed") from exc
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise NotAllowed("key-algorithm", "a certificate's public key is neither RSA nor elliptic curve")
        return key

    @cached_property
    def signature_hash(self) -> str:
        """The digest of the signature on this certificate ("sha256"); "" where there is none or it is unknown."""
        return signature.digest(self.parsed)

    def is_signed_by(self, issuer: "Certificate") -> bool:
        """Return whether the issuer's key made the signature; names, times and rights are not looked at."""
        return signature.is_made_by(issuer.public_key, self.parsed)


def read(raw: bytes) -> Certificate:
    """Read a caller's certificate, DER. Raises Malformed, also for other versions than 3.

    Its serial number has to be positive and of at most 20 octets.
    """
    return _readable(raw, _expect_version_and_serial)


def read_authority(raw: bytes) -> Certificate:
    """Read an operator's certificate, DER. Raises Malformed, and NotAllowed for a key that cannot verify here.

    Old roots are of version 1, and some are numbered 0.
    """
    certificate = _readable(raw, lambda _version, _serial: None)
    _ = certificate.public_key
    return certificate


def _readable(raw: bytes, expect: Callable[[int, int], None]) -> Certificate:
    try:
        return _read(raw, expect)
    except der.NotDer as exc:
        raise Malformed("certificate-malformed", "a certificate is not of the form that RFC 5280 describes") from exc
    except dn.TooLong as exc:
        raise Malformed("name-too-long", "a name has too many values, or one that is too long") from exc
    except dn.BadName as exc:
        raise Malformed("name-unreadable", "a name holds a value that is not a string of its type") from exc


def _expect_version_and_serial(version: int, serial: int) -> None:
    if version != 3:  # noqa: PLR2004 - X.509 version 3
        raise Malformed("certificate-version", "a certificate is not X.509 version 3")
    if serial <= 0 or serial.bit_length() > _SERIAL_BITS:
        raise Malformed("certificate-serial", "a certificate's serial number is not positive, or longer than 20 octets")


def _read(raw: bytes, expect: Callable[[int, int], None]) -> Certificate:
    """Read here what can be read here, before the library has its own say about versions, numbers and names."""
    fields, version = _fields(raw)
    serial = der.integer(fields[0])
    expect(version, serial)
    issuer, subject = dn.decode(fields[2]), dn.decode(fields[4])
    extensions = _extensions(fields[6:])
    parsed, not_before, not_after = _parse(raw)
    return Certificate(
        raw=raw,
        parsed=parsed,
        version=version,
        serial=serial,
        issuer=issuer,
        subject=subject,
        not_before=not_before,
        not_after=not_after,
        extensions=extensions,
        is_ca=_is_ca(extensions.get(BASIC_CONSTRAINTS)),
        key_usage=_key_usage(extensions.get(KEY_USAGE)),
        purposes=_purposes(extensions.get(EXTENDED_KEY_USAGE)),
        proxy_info=find(extensions),
    )


def _fields(raw: bytes) -> tuple[list[der.Item], int]:
    """Return the fields of a TBSCertificate behind its version, and the version (1, 2, 3); RFC 5280 section 4.1."""
    outer = der.sequence(raw)
    if len(outer) != 3:  # noqa: PLR2004 - contents, algorithm, signature
        raise der.NotDer("a certificate has three parts")
    der.octets(outer[2])  # the library overlooks unused bits: then one certificate would have several spellings
    fields = der.sequence(outer[0].raw)
    version = 1
    if fields and fields[0].tag == der.context(0):
        version = der.integer(der.one(fields.pop(0).body, der.INTEGER)) + 1
    if len(fields) < 6 or fields[1].raw != outer[1].raw:  # noqa: PLR2004 - serial number to public key
        raise der.NotDer("fields are missing, or two signature algorithms are named")
    return fields, version


def _parse(raw: bytes) -> tuple[x509.Certificate, datetime, datetime]:
    """Return the library's certificate and its validity: the library accepts a year 0, which datetime refuses."""
    try:
        parsed = x509.load_der_x509_certificate(raw)
        validity = parsed.not_valid_before_utc, parsed.not_valid_after_utc
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as exc:
        raise der.NotDer("the library cannot read it") from exc
    return parsed, *validity


def _extensions(optional: list[der.Item]) -> dict[str, Extension]:
    extensions: dict[str, Extension] = {}
    for field in optional:
        if field.tag != der.context(3):
            continue  # the unique identifiers of version 2
        for item in der.sequence(field.body):
            name, extension = _extension(item)
            if name in extensions:
                rule = "proxy-info-duplicate" if name in PROXY_CERT_INFO else "extension-duplicate"
                raise Malformed(rule, "a certificate has an extension twice")
            extensions[name] = extension
    return extensions


def _extension(item: der.Item) -> tuple[str, Extension]:
    parts = der.sequence(item.raw)
    flags = parts[1:-1]
    if len(parts) < 2 or len(flags) > 1:  # noqa: PLR2004 - an identifier and a value, at least
        raise der.NotDer("an extension has two or three parts")
    critical = der.boolean(flags[0]) if flags else False
    return der.oid(parts[0]), Extension(critical, der.expect(parts[-1], der.OCTET_STRING).body)


def _is_ca(extension: Extension | None) -> bool:
    parts = der.sequence(extension.value) if extension else []
    return bool(parts) and parts[0].tag == der.BOOLEAN and der.boolean(parts[0])


def _key_usage(extension: Extension | None) -> int | None:
    """Return the first octet of the bits (RFC 5280 section 4.2.1.3); the one bit behind it means nothing here."""
    if extension is None:
        return None
    bits = der.one(extension.value, der.BIT_STRING).body
    return bits[1] if len(bits) > 1 else 0


def _purposes(extension: Extension | None) -> frozenset[str] | None:
    """Return the extended key usage, if it counts: grid tools have always ignored it where it is not critical."""
    if extension is None or not extension.critical:
        return None
    return frozenset(map(der.oid, der.sequence(extension.value)))
