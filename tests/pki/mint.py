"""Certificates and revocation lists, minted with every field open to be wrong."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.pki import asn1, keys
from tests.pki.names import Name, encode

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
_RSA_SIGNATURES = {
    "md5": "1.2.840.113549.1.1.4",
    "sha1": "1.2.840.113549.1.1.5",
    "sha224": "1.2.840.113549.1.1.14",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
    "unknown": "1.2.3.4",
}
_EC_SIGNATURES = {"sha1": "1.2.840.10045.4.1", "sha256": "1.2.840.10045.4.3.2", "sha384": "1.2.840.10045.4.3.3"}
_serials = itertools.count(4096)


@dataclass(frozen=True)
class Extension:
    """An extension as it is written."""

    oid: str
    value: bytes
    critical: bool = False

    def encode(self) -> bytes:
        """Its DER."""
        flag = [asn1.boolean(value=True)] if self.critical else []
        return asn1.seq(asn1.oid(self.oid), *flag, asn1.octets(self.value))


@dataclass(frozen=True)
class Minted:
    """A certificate, with the key that it is about."""

    der: bytes
    subject: Name
    key: keys.PrivateKey
    serial: int

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return keys.pem("CERTIFICATE", self.der)


@dataclass(frozen=True)
class Form:
    """The fields that are the same for most: a test changes the one that it is about."""

    start: datetime = NOW - HOUR
    end: datetime = NOW + 11 * HOUR
    version: int = 3
    serial: int | None = None
    digest: str = "sha256"
    info: bytes | None = None
    signed_with: keys.PrivateKey | None = None
    issuer: Name | None = None
    outer_digest: str = ""


SHORT = Form()


def certificate(
    subject: Name, key: keys.PrivateKey, parent: Minted | None, extensions: Sequence[Extension] = (), form: Form = SHORT
) -> Minted:
    """Mint a certificate; without a parent it is signed with its own key."""
    signer = form.signed_with or (parent.key if parent else key)
    issuer = form.issuer if form.issuer is not None else parent.subject if parent else subject
    serial = next(_serials) if form.serial is None else form.serial
    inner = asn1.seq(
        *([asn1.explicit(0, asn1.integer(form.version - 1))] if form.version > 1 else []),
        asn1.integer(serial),
        algorithm(signer, form.digest),
        encode(issuer),
        asn1.seq(asn1.time(form.start), asn1.time(form.end)),
        encode(subject),
        form.info or keys.public_info(key),
        *([asn1.explicit(3, asn1.seq(*(each.encode() for each in extensions)))] if extensions else []),
    )
    outer = algorithm(signer, form.outer_digest or form.digest)
    return Minted(asn1.seq(inner, outer, asn1.bits(sign(signer, inner, form.digest))), subject, key, serial)


def algorithm(key: keys.PrivateKey, digest: str) -> bytes:
    """The AlgorithmIdentifier of a signature."""
    if isinstance(key, rsa.RSAPrivateKey):
        return asn1.seq(asn1.oid(_RSA_SIGNATURES[digest]), asn1.tlv(0x05))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return asn1.seq(asn1.oid(_EC_SIGNATURES[digest]))
    return asn1.seq(asn1.oid("1.3.101.112"))


def sign(key: keys.PrivateKey, data: bytes, digest: str) -> bytes:
    """A signature."""
    how: hashes.HashAlgorithm = hashes.SHA256() if digest == "unknown" else getattr(hashes, digest.upper())()
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), how)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(how))
    return key.sign(data)


def crl(
    authority: Minted,
    revoked: Sequence[int] = (),
    start: datetime = NOW - DAY,
    end: datetime | None = NOW + 30 * DAY,
    extensions: Sequence[Extension] = (),
    signed_with: keys.PrivateKey | None = None,
    digest: str = "sha256",
) -> bytes:
    """A revocation list in PEM."""
    signer = signed_with or authority.key
    entries = [asn1.seq(asn1.integer(serial), asn1.time(start)) for serial in revoked]
    inner = asn1.seq(
        asn1.integer(1),
        algorithm(signer, digest),
        encode(authority.subject),
        asn1.time(start),
        *([asn1.time(end)] if end else []),
        *([asn1.seq(*entries)] if entries else []),
        *([asn1.explicit(0, asn1.seq(*(each.encode() for each in extensions)))] if extensions else []),
    )
    return keys.pem("X509 CRL", asn1.seq(inner, algorithm(signer, digest), asn1.bits(sign(signer, inner, digest))))
