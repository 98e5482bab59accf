"""PURE: whether the private key in a credential is its leaf's, proven by arithmetic.

Public numbers are public: a key that carries them proves nothing. Two nontrivial factors of an RSA modulus do, since
nobody can name them without the key; so does a scalar from which the leaf's point on its curve is computed. No
library is handed an RSA key that a stranger made, so there is nothing to crash, and a proof costs microseconds where
loading with validation costs 36 ms.
"""

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxyauth.errors import Malformed, NotAllowed
from proxyauth.x509 import der
from proxyauth.x509.signature import PublicKey

_RSA, _EC = "1.2.840.113549.1.1.1", "1.2.840.10045.2.1"
# Curves that grid tools make and that CAs sign, with the orders of their groups (SEC 2 version 2.0, sections 2.4 to
# 2.6).
CURVES: dict[str, tuple[type[ec.EllipticCurve], str, int]] = {
    "secp256r1": (
        ec.SECP256R1,
        "1.2.840.10045.3.1.7",
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    "secp384r1": (
        ec.SECP384R1,
        "1.3.132.0.34",
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
    "secp521r1": (
        ec.SECP521R1,
        "1.3.132.0.35",
        (1 << 521) - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
    ),
}


def prove(label: str, key: bytes, leaf: PublicKey) -> None:
    """Return if `key` (DER of a PEM block called `label`) is the private key of `leaf`.

    Raises Malformed for what is not a key of the label's form, NotAllowed for a key of another certificate or an
    invented one.
    """
    try:
        _prove(label, key, leaf)
    except der.NotDer as exc:
        raise Malformed("key-malformed", "the private key cannot be read") from exc


def _prove(label: str, key: bytes, leaf: PublicKey) -> None:
    if label == "PRIVATE KEY":
        label, key = _unwrap(key)
    if label == "RSA PRIVATE KEY" and isinstance(leaf, rsa.RSAPublicKey):
        _prove_rsa(key, leaf)
    elif label == "EC PRIVATE KEY" and isinstance(leaf, ec.EllipticCurvePublicKey):
        _prove_ec(key, leaf)
    else:
        raise _other_key()


def _unwrap(key: bytes) -> tuple[str, bytes]:
    """Return the label and the DER inside PKCS#8 (RFC 5208 section 5)."""
    version, algorithm, inner, *_ = [*der.sequence(key), None, None, None]
    name, *_ = [*der.sequence(der.expect(algorithm, der.SEQUENCE).raw), None]
    label = {_RSA: "RSA PRIVATE KEY", _EC: "EC PRIVATE KEY"}.get(der.oid(name))
    if der.integer(version) not in {0, 1} or label is None:
        raise Malformed("key-format", "the private key is neither RSA nor elliptic curve")
    return label, der.expect(inner, der.OCTET_STRING).body


def _prove_rsa(key: bytes, leaf: rsa.RSAPublicKey) -> None:
    """RFC 8017 appendix A.1.2: version, n, e, d, p, q, d mod p-1, d mod q-1, 1/q mod p."""
    fields = der.sequence(key)
    if len(fields) != 9:  # noqa: PLR2004 - the nine of the two-prime form
        raise der.NotDer("an RSA key of two primes has nine numbers")
    version, n, e, d, p, q, dp, dq, qi = map(der.integer, fields)
    public = leaf.public_numbers()
    if version != 0:
        raise der.NotDer("an RSA key of two primes has version 0")
    if (n, e) != (public.n, public.e):
        raise _other_key()
    # Below n before anything is multiplied: the numbers are a stranger's, and as long as the header allows.
    if not all(1 < number < n for number in (d, p, q, dp, dq, qi)) or p * q != n:
        raise _invented_key()
    if (d * e - 1) % (p - 1) or (d * e - 1) % (q - 1):
        raise _invented_key()
    if (dp, dq, qi * q % p) != (d % (p - 1), d % (q - 1), 1):
        raise _invented_key()


def _prove_ec(key: bytes, leaf: ec.EllipticCurvePublicKey) -> None:
    """RFC 5915 section 3: version 1, the scalar, optionally [0] the curve and [1] the point."""
    fields = der.sequence(key)
    known = CURVES.get(leaf.curve.name)
    if known is None or len(fields) < 2 or der.integer(fields[0]) != 1:  # noqa: PLR2004 - version and scalar
        raise der.NotDer("an elliptic curve key has version 1 and a curve known here")
    curve, curve_oid, order = known
    tagged = {item.tag: item.body for item in fields[2:]}
    if der.context(0) in tagged and der.oid(der.one(tagged[der.context(0)], der.OID)) != curve_oid:
        raise _other_key()
    secret = int.from_bytes(der.expect(fields[1], der.OCTET_STRING).body, "big")
    if not 0 < secret < order:
        raise der.NotDer("the scalar is outside of the group")
    if ec.derive_private_key(secret, curve()).public_key() != leaf:
        raise _invented_key() if _claims(tagged.get(der.context(1)), leaf) else _other_key()


def _claims(point: bytes | None, leaf: ec.EllipticCurvePublicKey) -> bool:
    """Return whether the key's own note of its point is the leaf's."""
    forms = (PublicFormat.UncompressedPoint, PublicFormat.CompressedPoint)
    points = {b"\x00" + leaf.public_bytes(Encoding.X962, form) for form in forms}
    return point is not None and der.one(point, der.BIT_STRING).body in points


def _other_key() -> NotAllowed:
    return NotAllowed("key-not-of-leaf", "the private key does not belong to the first certificate")


def _invented_key() -> NotAllowed:
    return NotAllowed("key-not-proven", "the private key carries the certificate's public numbers, but is not its key")
