"""Names that look like others, and keys that are too weak, too large or of an unknown kind."""

from collections.abc import Callable

from proxyauth.policy import Policy
from tests.pki import asn1, grid, keys
from tests.pki.mint import Form, Minted, certificate
from tests.pki.names import name, rdn
from tests.unit.proxyauth.makers import chain_of, proxy_named, user_named
from tests.unit.proxyauth.trial import Case, Trial, alice, of, the_ca

_ENTITY = Policy(allow_end_entity=True)


def _bare(cn: str) -> Callable[[], Trial]:
    """A user's certificate without a proxy."""
    return lambda: of(grid.user(the_ca(), (*name("/C=PL/O=Grid"), rdn("CN", cn))), policy=_ENTITY)


def _cn(value: str, tag: int = asn1.UTF8) -> Callable[[], Trial]:
    return user_named((*name("/C=PL/O=Grid"), rdn("CN", value, tag)))


def _leaf_info(info: bytes, policy: Policy | None = None) -> Callable[[], Trial]:
    """A leaf with a public key that need not have a private one."""
    form = Form(info=info)
    return lambda: of(grid.rfc(alice(), form=form), alice(), policy=policy or Policy())


def _modulus(bits: int) -> int:
    return (1 << bits) - 159


def _keyed_user(key: keys.PrivateKey) -> Callable[[], Trial]:
    def make() -> Trial:
        user = grid.user(the_ca(), key=key)
        return of(grid.rfc(user), user)

    return make


def _full(parent: Minted) -> Minted:
    return grid.rfc(parent)


def _algorithm_of_leaf(key: keys.PrivateKey, pem: bytes = b"") -> Callable[[], Trial]:
    """A leaf with a key of this kind."""

    def make() -> Trial:
        leaf = certificate((*alice().subject, rdn("CN", "7")), key, alice(), [grid.proxy_info()])
        return of(leaf, alice(), key=pem or keys.pkcs8(key))

    return make


_TRIALS: dict[str, dict[str, Callable[[], Trial]]] = {
    "name-empty": {"a user without a name": user_named(())},
    "key-curve": {
        "a leaf on a small curve": _algorithm_of_leaf(keys.ec_key("small", "secp224r1")),
        "a leaf on the curve of coins": _algorithm_of_leaf(keys.ec_key("coin", "secp256k1")),
        "a user on a small curve": _keyed_user(keys.ec_key("small", "secp224r1")),
    },
    "key-algorithm": {
        "a leaf of Ed25519": _algorithm_of_leaf(keys.ed25519_key("leaf"), keys.traditional(keys.rsa_key("thief"))),
        "a user of Ed25519": lambda: of(grid.rfc(user := grid.user(the_ca(), key=keys.ed25519_key("user"))), user),
        "a public exponent of 1": _leaf_info(keys.rsa_info(_modulus(2048), 1)),
        "an even public exponent": _leaf_info(keys.rsa_info(_modulus(2048), 65538)),
        "a public key that is none": _leaf_info(asn1.seq(asn1.seq(asn1.oid("1.2.3.4")), asn1.bits(b"key"))),
    },
    "rsa-too-small": {
        "a leaf of 1024 bits": _leaf_info(keys.rsa_info(_modulus(1024), 65537)),
        "a leaf of 2047 bits": _leaf_info(keys.rsa_info(_modulus(2047), 65537)),
        "a leaf of 512 bits at an old site": _leaf_info(keys.rsa_info(_modulus(512), 65537), Policy(min_rsa_bits=1024)),
        "a user of 1024 bits": _keyed_user(keys.rsa_key("small", 1024)),
        "a leaf below a site's own limit": chain_of(_full, policy=Policy(min_rsa_bits=3072)),
    },
    "rsa-too-large": {
        "a leaf of 8193 bits": _leaf_info(keys.rsa_info(_modulus(8193), 65537)),
        "a leaf of 16384 bits": _leaf_info(keys.rsa_info(_modulus(16384), 65537)),
    },
    "rsa-exponent": {
        "a public exponent of 3": _leaf_info(keys.rsa_info(_modulus(2048), 3)),
        "a public exponent of 65535": _leaf_info(keys.rsa_info(_modulus(2048), 65535)),
        "a huge public exponent": _leaf_info(keys.rsa_info(_modulus(2048), (1 << 256) + 1)),
        "a user with a public exponent of 3": _keyed_user(keys.rsa_key("three", exponent=3)),
    },
    "name-ambiguous": {
        "a user without a proxy, whose CN holds another": _bare("Eve/CN=Alice"),
        "a CN that holds another CN": _cn("Eve/CN=Alice"),
        "a CN that holds another type": _cn("Eve/emailAddress=a@example.org"),
        "a CN that holds a dotted type": _cn("Eve/2.5.4.3=Alice"),
        "a CN that holds a second value": _cn("Eve+CN=Alice"),
        "a CN that holds another CN in small letters": _cn("Eve/cn=Alice"),
        "a CN that holds another CN in wide letters": _cn("Eve\uff0f\uff23\uff2e\uff1dAlice"),
        "an O that holds a CN": user_named((*name("/C=PL"), rdn("O", "Grid/CN=Alice"), rdn("CN", "Eve"))),
        "a proxy's CN that holds another": lambda: of(grid.rfc(alice(), cn="1/CN=2"), alice()),
    },
    "name-characters": {
        "a user without a proxy, whose CN has a line break": _bare("Al\nice"),
        "a proxy's CN with a line break": lambda: of(grid.rfc(alice(), cn="1\n2"), alice()),
        "a CN with a NUL": _cn("Alice\0Eve"),
        "a CN with a line break": _cn("Alice\nEve"),
        "a CN with a tab": _cn("Alice\tEve"),
        "a CN that runs from right to left": _cn("Alice\u202eevE"),
        "a CN with a blank of no width": _cn("Ali\u200bce"),
        "a CN with a soft hyphen": _cn("Ali\u00adce"),
        "a CN with a line separator": _cn("Alice\u2028Eve"),
        "a CN with a private character": _cn("Alice\ue000"),
        "a CN with an unassigned character": _cn("Alice\u0378"),
        "a CN with a control character in another string type": _cn("Alice\x07", asn1.BMP),
    },
    "name-blanks": {
        "a user without a proxy, whose CN has a blank behind": _bare("Alice "),
        "a CN with a blank behind": _cn("Alice "),
        "a CN with a blank before": _cn(" Alice"),
        "a CN with a wide blank behind": _cn("Alice\u3000"),
        "a proxy's CN with a blank behind": lambda: of(grid.rfc(alice(), cn="1 "), alice()),
        "an empty CN": _cn(""),
        "a CN of a blank": _cn(" "),
        "a proxy whose copy of the user's name has a blank behind": lambda: of(
            proxy_named((*name("/C=PL/O=Grid/OU=Users"), rdn("CN", "Alice "), rdn("CN", "1"))), alice()
        ),
        "an O with a blank behind": user_named((*name("/C=PL"), rdn("O", "Grid "), rdn("CN", "Alice"))),
    },
}

NAME_CASES = [Case(rule, title, make) for rule, trials in _TRIALS.items() for title, make in trials.items()]
