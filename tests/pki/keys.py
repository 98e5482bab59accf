"""Keys, each made once a run: what a test needs is that two keys differ, not that they are fresh."""

from base64 import encodebytes
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.pki import asn1

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def rsa_key(label: str, bits: int = 2048, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """The RSA key that tests call `label`."""
    assert label
    return rsa.generate_private_key(public_exponent=exponent, key_size=bits)


@cache
def ec_key(label: str, curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    """The elliptic curve key that tests call `label`."""
    assert label
    return ec.generate_private_key(getattr(ec, curve.upper())())


@cache
def ed25519_key(label: str) -> ed25519.Ed25519PrivateKey:
    """The Ed25519 key that tests call `label`."""
    assert label
    return ed25519.Ed25519PrivateKey.generate()


def public_info(key: PrivateKey) -> bytes:
    """The SubjectPublicKeyInfo of a key."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def rsa_info(modulus: int, exponent: int) -> bytes:
    """The SubjectPublicKeyInfo of an RSA key that need not exist."""
    algorithm = asn1.seq(asn1.oid("1.2.840.113549.1.1.1"), asn1.tlv(0x05))
    return asn1.seq(algorithm, asn1.bits(asn1.seq(asn1.integer(modulus), asn1.integer(exponent))))


def traditional(key: PrivateKey) -> bytes:
    """PEM in the form of the key's own algorithm (PKCS#1, SEC 1)."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def pkcs8(key: PrivateKey) -> bytes:
    """PEM in PKCS#8."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def rsa_pem(*numbers: int) -> bytes:
    """PKCS#1 PEM of any row of numbers."""
    return pem("RSA PRIVATE KEY", asn1.seq(*map(asn1.integer, numbers)))


def pem(label: str, raw: bytes) -> bytes:
    """A PEM block."""
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), encodebytes(raw), label.encode())
