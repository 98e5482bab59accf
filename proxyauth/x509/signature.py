"""PURE: whether a key signed a certificate or a revocation list, and with which digest.

Whether a digest is too weak is the site's question, asked by a rule. The library's own check of a list takes it for its
answer: of one signed with SHA-1 or MD5 it says that the signature is wrong, whoever made it.
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
Signed = x509.Certificate | x509.CertificateRevocationList

# What the library reads the digest of, and says no more about (RFC 3279 sections 2.2.1 and 2.2.3).
_UNTOLD: dict[str, padding.PKCS1v15 | ec.ECDSA] = {
    "1.2.840.113549.1.1.4": padding.PKCS1v15(),  # md5WithRSAEncryption
    "1.2.840.10045.4.1": ec.ECDSA(hashes.SHA1()),  # noqa: S303 - ecdsa-with-SHA1; a rule judges it
}


def digest(signed: Signed) -> str:
    """Return the name of the signature's digest ("sha256"); "" where there is none or it is unknown."""
    try:
        algorithm = signed.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return ""
    return algorithm.name if algorithm else ""


def is_made_by(key: PublicKey, signed: Signed) -> bool:
    """Return whether the key made the signature; no, also where its algorithm is unknown or another key's."""
    try:
        _verify(key, signed)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _verify(key: PublicKey, signed: Signed) -> None:
    how: object = _UNTOLD.get(signed.signature_algorithm_oid.dotted_string) or signed.signature_algorithm_parameters
    algorithm, contents = signed.signature_hash_algorithm, _contents(signed)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(how, ec.ECDSA):
        key.verify(signed.signature, contents, how)
    elif isinstance(key, rsa.RSAPublicKey) and isinstance(how, padding.PKCS1v15 | padding.PSS) and algorithm:
        key.verify(signed.signature, contents, how, algorithm)
    else:
        raise InvalidSignature


def _contents(signed: Signed) -> bytes:
    """Return the bytes that are signed."""
    if isinstance(signed, x509.Certificate):
        return signed.tbs_certificate_bytes
    return signed.tbs_certlist_bytes
