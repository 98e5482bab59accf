"""Credentials whose private key is not the leaf's, whatever numbers it carries."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.pki import asn1, grid, keys
from tests.pki.mint import Form, Minted, certificate
from tests.pki.names import rdn
from tests.unit.proxyauth.trial import Case, Trial, alice, of

_P256 = "1.2.840.10045.3.1.7"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _leaf(modulus: int = 0, exponent: int = 65537) -> Minted:
    """An RFC proxy, or one with a public key that nobody has the private one of."""
    info = keys.rsa_info(modulus or (1 << 2048) - 159, exponent)
    return grid.rfc(alice(), form=Form(info=info) if modulus or exponent != 65537 else Form())


def _numbers(key: keys.PrivateKey) -> dict[str, int]:
    """The nine numbers of an RSA key, by their names in RFC 8017."""
    assert isinstance(key, rsa.RSAPrivateKey)
    it = key.private_numbers()
    public = it.public_numbers
    return {
        "version": 0,
        "n": public.n,
        "e": public.e,
        "d": it.d,
        "p": it.p,
        "q": it.q,
        "dp": it.dmp1,
        "dq": it.dmq1,
        "qi": it.iqmp,
    }


def _changed(change: Callable[[dict[str, int]], dict[str, int]]) -> Callable[[], Trial]:
    """The leaf's key with some numbers changed."""

    def make() -> Trial:
        leaf = _leaf()
        numbers = _numbers(leaf.key)
        return of(leaf, alice(), key=keys.rsa_pem(*(numbers | change(numbers)).values()))

    return make


def _stolen(change: Callable[[int, int, dict[str, int]], dict[str, int]]) -> Callable[[], Trial]:
    """The public numbers of the leaf, and private ones that somebody without its key invented."""

    def make() -> Trial:
        leaf = _leaf()
        real, other = _numbers(leaf.key), _numbers(keys.rsa_key("thief"))
        invented = other | {"n": real["n"], "e": real["e"]} | change(real["n"], real["e"], other)
        return of(leaf, alice(), key=keys.rsa_pem(*invented.values()))

    return make


def _ec_leaf() -> Minted:
    return certificate((*alice().subject, rdn("CN", "7")), keys.ec_key("leaf"), alice(), [grid.proxy_info()])


def _scalar(secret: int, curve: str = _P256, point: bytes = b"", version: int = 1) -> Callable[[], Trial]:
    """An elliptic curve key with this scalar."""

    def make() -> Trial:
        parts = [asn1.integer(version), asn1.octets(secret.to_bytes(32, "big")), asn1.explicit(0, asn1.oid(curve))]
        noted = [asn1.explicit(1, asn1.bits(point or _point(keys.ec_key("leaf"))))]
        return of(_ec_leaf(), alice(), key=keys.pem("EC PRIVATE KEY", asn1.seq(*parts, *noted)))

    return make


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    it = key.public_key().public_numbers()
    return b"\x04" + it.x.to_bytes(32, "big") + it.y.to_bytes(32, "big")


def _wrapped(inner: bytes, algorithm: str = "1.2.840.113549.1.1.1") -> Callable[[], Trial]:
    """PKCS#8 around these bytes."""
    body = asn1.seq(asn1.integer(0), asn1.seq(asn1.oid(algorithm), asn1.tlv(0x05)), asn1.octets(inner))
    return lambda: of(_leaf(), alice(), key=keys.pem("PRIVATE KEY", body))


_TRIALS: dict[str, dict[str, Callable[[], Trial]]] = {
    "key-not-of-leaf": {
        "a key of somebody else": lambda: of(_leaf(), alice(), key=keys.traditional(keys.rsa_key("thief"))),
        "a key of somebody else in PKCS#8": lambda: of(_leaf(), alice(), key=keys.pkcs8(keys.rsa_key("thief"))),
        "the user's key with the proxy's certificate": lambda: of(_leaf(), alice(), key=keys.traditional(alice().key)),
        "the proxy's key with the user's certificate first": lambda: of(
            alice(), _leaf(), key=keys.traditional(_leaf().key)
        ),
        "an elliptic curve key for an RSA leaf": lambda: of(_leaf(), alice(), key=keys.traditional(keys.ec_key("x"))),
        "an RSA key for an elliptic curve leaf": lambda: of(
            _ec_leaf(), alice(), key=keys.traditional(keys.rsa_key("thief"))
        ),
        "an elliptic curve key of somebody else": lambda: of(
            _ec_leaf(), alice(), key=keys.traditional(keys.ec_key("thief"))
        ),
        "an elliptic curve key of another curve": lambda: of(
            _ec_leaf(), alice(), key=keys.traditional(keys.ec_key("thief", "secp384r1"))
        ),
        "a scalar with the point of somebody else": _scalar(5, point=_point(keys.ec_key("thief"))),
        "another exponent": _changed(lambda it: {"e": it["e"] + 2}),
        "another key for a leaf of 8192 bits": lambda: of(_leaf((1 << 8192) - 159), alice()),
        "another key for a leaf with a long exponent": lambda: of(_leaf(exponent=(1 << 256) - 1), alice()),
        "another modulus": _changed(lambda it: {"n": it["n"] + 2}),
    },
    "key-not-proven": {
        "the numbers of another key behind the public ones": _stolen(lambda _n, _e, _it: {}),
        "one and the modulus as factors": _stolen(
            lambda n, _e, _it: {"p": 1, "q": n, "d": 1, "dp": 1, "dq": 1, "qi": 1}
        ),
        "the modulus and one as factors": _stolen(
            lambda n, _e, _it: {"p": n, "q": 1, "d": 1, "dp": 1, "dq": 1, "qi": 1}
        ),
        "negative factors": _changed(lambda it: {"p": -it["p"], "q": -it["q"]}),
        "factors of zero": _stolen(lambda _n, _e, _it: {"p": 0, "q": 0}),
        "two as a factor": _stolen(lambda n, _e, _it: {"p": 2, "q": n // 2}),
        "factors that are almost right": _changed(lambda it: {"p": it["p"] + 2}),
        "a huge private exponent": _stolen(lambda _n, _e, _it: {"d": 1 << 90_000}),
        "a private exponent above the modulus": _changed(
            lambda it: {"d": it["d"] + (it["p"] - 1) * (it["q"] - 1) * it["p"]}
        ),
        "a private exponent of one": _changed(lambda _it: {"d": 1}),
        "a private exponent that is right for p only": _changed(lambda it: {"d": it["dp"]}),
        "a private exponent that is right for q only": _changed(lambda it: {"d": it["dq"]}),
        "exponents that are right for p only": _changed(lambda it: {"d": it["dp"], "dq": it["dp"] % (it["q"] - 1)}),
        "exponents that are right for q only": _changed(lambda it: {"d": it["dq"], "dp": it["dq"] % (it["p"] - 1)}),
        "a wrong exponent for p": _changed(lambda it: {"dp": it["dp"] + 2}),
        "a wrong exponent for q": _changed(lambda it: {"dq": it["dq"] + 2}),
        "an exponent for p that is not reduced": _changed(lambda it: {"dp": it["dp"] + it["p"] - 1}),
        "a wrong coefficient": _changed(lambda it: {"qi": it["qi"] + 1}),
        "a coefficient of zero": _changed(lambda _it: {"qi": 0}),
        "the leaf's point with an invented scalar": _scalar(5),
    },
    "key-malformed": {
        "an RSA key that is cut off": lambda: of(
            _leaf(), alice(), key=keys.pem("RSA PRIVATE KEY", asn1.seq(asn1.integer(0))[:-1])
        ),
        "an RSA key of three primes": _changed(lambda it: {"r": it["p"]}),
        "an RSA key of version 1": _changed(lambda _it: {"version": 1}),
        "an RSA key of five numbers": lambda: of(_leaf(), alice(), key=keys.rsa_pem(0, 1, 2, 3, 4)),
        "random bytes for an RSA key": lambda: of(_leaf(), alice(), key=keys.pem("RSA PRIVATE KEY", b"random")),
        "a scalar of zero": _scalar(0),
        "the order as scalar": _scalar(_ORDER),
        "a scalar above the order": _scalar(_ORDER + 1),
        "an elliptic curve key of version 2": _scalar(5, version=2),
        "an elliptic curve key without its scalar": lambda: of(
            _ec_leaf(), alice(), key=keys.pem("EC PRIVATE KEY", asn1.seq(asn1.integer(1)))
        ),
        "PKCS#8 around random bytes": _wrapped(b"random"),
        "PKCS#8 around nothing": _wrapped(b""),
        "PKCS#8 that is empty": lambda: of(_leaf(), alice(), key=keys.pem("PRIVATE KEY", asn1.seq())),
        "PKCS#8 without an algorithm": lambda: of(
            _leaf(), alice(), key=keys.pem("PRIVATE KEY", asn1.seq(asn1.integer(0), asn1.seq(), asn1.octets(b"")))
        ),
    },
    "key-format": {"PKCS#8 of another algorithm": _wrapped(b"", "1.2.840.10040.4.1")},
}


def _other_curve_named() -> Trial:
    """The leaf's own scalar, under the name of another curve."""
    key = keys.ec_key("leaf")
    return _scalar(key.private_numbers().private_value, "1.3.132.0.34")()


_TRIALS["key-not-of-leaf"]["the right scalar under another curve's name"] = _other_curve_named

POSSESSION_CASES = [Case(rule, title, make) for rule, trials in _TRIALS.items() for title, make in trials.items()]
