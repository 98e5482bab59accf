"""PURE: which keys and digests are strong enough, and which keys small enough to be worth a server's time."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from proxyauth.policy import Policy
from proxyauth.validation.rule import Rule
from proxyauth.x509.possession import CURVES
from proxyauth.x509.signature import PublicKey

MAX_RSA_BITS = 8192
STRONG_HASHES = frozenset({"sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512"})
# FIPS 186-4 section B.3.1. A long exponent makes a verification as expensive as a signature. Even ones do not come so
# far: the library takes them for malformed keys.
_MIN_EXPONENT, _MAX_EXPONENT = 1 << 16, 1 << 256


@dataclass(frozen=True, slots=True)
class Key:
    """A public key under a site's policy."""

    key: PublicKey
    policy: Policy

    @property
    def bits(self) -> int | None:
        """The length of an RSA key; None for others."""
        return self.key.key_size if isinstance(self.key, rsa.RSAPublicKey) else None


def _is_odd_curve(it: Key) -> bool:
    return isinstance(it.key, ec.EllipticCurvePublicKey) and it.key.curve.name not in CURVES


def _has_odd_exponent(it: Key) -> bool:
    if not isinstance(it.key, rsa.RSAPublicKey):
        return False
    return not _MIN_EXPONENT < it.key.public_numbers().e < _MAX_EXPONENT


KEY_RULES: tuple[Rule[Key], ...] = (
    Rule("key-curve", "an elliptic curve must be P-256, P-384 or P-521", "FIPS 186-4, D.1.2", _is_odd_curve),
    Rule(
        "rsa-too-small",
        "an RSA key is too short",
        "this service",
        lambda it: it.bits is not None and it.bits < it.policy.min_rsa_bits,
    ),
    Rule(
        "rsa-too-large",
        "an RSA key is too long",
        "this service",
        lambda it: it.bits is not None and it.bits > MAX_RSA_BITS,
    ),
    Rule("rsa-exponent", "an RSA key's public exponent is tiny or huge", "FIPS 186-4, B.3.1", _has_odd_exponent),
)


def is_weak(digest: str, policy: Policy) -> bool:
    """Return whether no signature may use this digest here ("sha1"; "" is an unknown one)."""
    return digest not in STRONG_HASHES | policy.weak_hashes


def check_key(key: PublicKey, policy: Policy) -> None:
    """Return if the key may sign. Raises NotAllowed."""
    for rule in KEY_RULES:
        rule.check(Key(key, policy))
