"""Chains that RFC 3820, RFC 5280 or the customs of the Globus toolkit forbid."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from proxyauth.policy import Kind, Policy
from tests.pki import asn1, grid, keys
from tests.pki.mint import DAY, HOUR, NOW, YEAR, Extension, Form, Minted, certificate
from tests.pki.names import Name, name, part, rdn, rdns
from tests.pure.proxyauth.trial import Case, Trial, alice, of, the_ca, trust_files

_ENTITY = Policy(allow_end_entity=True)
_SIGNING = grid.key_usage(grid.DIGITAL_SIGNATURE)
_UNKNOWN = Extension("1.2.3.4", b"\x05\x00", critical=True)
_ROOT = "/C=PL/O=Grid/CN=Root"


def _proxy(subject: Name, parent: Minted | None = None, form: Form = Form(), *, info: bool = True) -> Minted:  # noqa: B008
    """A proxy of any name."""
    extensions = [grid.proxy_info(), _SIGNING] if info else [_SIGNING]
    return certificate(subject, keys.rsa_key("proxy 4"), parent or alice(), extensions, form)


def _rfc(*extra: Extension, info: Extension | None = None, form: Form = Form()) -> Callable[[], Trial]:  # noqa: B008
    return lambda: of(grid.rfc(alice(), info, extra, form), alice())


def _entity(*extensions: Extension, form: Form = grid.LONG) -> Callable[[], Trial]:
    """A proxy of a user with these extensions."""

    def make() -> Trial:
        user = grid.user(the_ca(), extra=extensions, form=form)
        return of(grid.rfc(user), user)

    return make


def _user(subject: Name) -> Callable[[], Trial]:
    """A proxy of a user of this name."""

    def make() -> Trial:
        user = grid.user(the_ca(), subject)
        return of(grid.rfc(user), user)

    return make


def _purpose(dotted: str) -> Extension:
    return Extension("2.5.29.37", asn1.seq(asn1.oid(dotted)), critical=True)


def _bare(cn: str) -> Callable[[], Trial]:
    """A user's certificate without a proxy."""
    return lambda: of(grid.user(the_ca(), (*name("/C=PL/O=Grid"), rdn("CN", cn))), policy=_ENTITY)


def _cn(value: str, tag: int = asn1.UTF8) -> Callable[[], Trial]:
    return _user((*name("/C=PL/O=Grid"), rdn("CN", value, tag)))


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


def _chain(*makers: Callable[[Minted], Minted], policy: Policy | None = None) -> Callable[[], Trial]:
    """Alice's proxies, each of the one before."""

    def make() -> Trial:
        chain = [alice()]
        for maker in makers:
            chain.insert(0, maker(chain[0]))
        return of(*chain, policy=policy or Policy())

    return make


def _full(parent: Minted) -> Minted:
    return grid.rfc(parent)


def _limited(parent: Minted) -> Minted:
    return grid.rfc(parent, grid.proxy_info(grid.LIMITED))


def _length(length: int, kind: str = grid.RFC) -> Callable[[Minted], Minted]:
    return lambda parent: grid.rfc(parent, grid.proxy_info(length=length, kind=kind))


def _language(language: str, kind: str = grid.RFC, policy: bytes | None = None) -> Callable[[Minted], Minted]:
    return lambda parent: grid.rfc(parent, grid.proxy_info(language, kind=kind, policy=policy))


def _stray_issuer() -> Trial:
    """The user's certificate is another one of the same name, whose key did not sign."""
    other = grid.user(the_ca(), key=keys.rsa_key("other"))
    return of(grid.rfc(alice()), other)


def _changed_signature() -> Trial:
    leaf = grid.rfc(alice())
    return of(replace(leaf, der=leaf.der[:-1] + bytes([leaf.der[-1] ^ 1])), alice())


def _changed_user() -> Trial:
    """A user's certificate with a byte of the CA's signature changed."""
    user = replace(alice(), der=alice().der[:-1] + bytes([alice().der[-1] ^ 1]))
    return of(grid.rfc(user), user)


def _issued_by_proxy(maker: Callable[[Minted], Minted], *, below: bool = False) -> Callable[[], Trial]:
    """A proxy that plays CA."""

    def make() -> Trial:
        proxy = maker(alice())
        user = grid.user(proxy, "/C=PL/O=Grid/CN=Eve", keys.rsa_key("eve"))
        leaf = [grid.rfc(user)] if below else []
        return of(*leaf, user, proxy, alice(), policy=_ENTITY)

    return make


def _issued_by_user() -> Trial:
    user = grid.user(alice(), "/C=PL/O=Grid/CN=Eve", keys.rsa_key("eve"))
    return of(grid.rfc(user), user, alice())


def _ca_user() -> Trial:
    """A user whose certificate makes a CA of him."""
    user = grid.user(the_ca(), extra=[grid.basic_constraints(ca=True), _SIGNING])
    return of(grid.rfc(user), user)


def _of_ca(maker: Callable[[Minted], Minted], *, sent: bool) -> Callable[[], Trial]:
    """A proxy of the CA itself."""
    return lambda: of(maker(the_ca()), *([the_ca()] if sent else []), policy=_ENTITY)


def _wrong_ca_proxy() -> Trial:
    """A proxy of a CA that is sent, but not trusted."""
    own = grid.ca("/C=PL/O=Evil/CN=CA", label="evil")
    return of(grid.rfc(own), own)


def _algorithm_of_leaf(key: keys.PrivateKey, pem: bytes = b"") -> Callable[[], Trial]:
    """A leaf with a key of this kind."""

    def make() -> Trial:
        leaf = certificate((*alice().subject, rdn("CN", "7")), key, alice(), [grid.proxy_info()])
        return of(leaf, alice(), key=pem or keys.pkcs8(key))

    return make


def _weak_sub_ca() -> Trial:
    """An intermediate CA that its root signed with SHA-1."""
    root = grid.ca(_ROOT, label="root")
    sub = grid.ca(parent=root, form=replace(grid.LONG, digest="sha1"))
    user = grid.user(sub)
    return replace(of(grid.rfc(user), user), files=trust_files(root, _ROOT, "aaaaaaaa") | trust_files(sub))


_TRIALS: dict[str, dict[str, Callable[[], Trial]]] = {
    "proxy-missing": {
        "a user's certificate": lambda: of(alice()),
        "a user's with its CA": lambda: of(alice(), the_ca()),
    },
    "proxy-mixed": {
        "a draft below an RFC proxy": _chain(_full, grid.draft),
        "an RFC below a draft proxy": _chain(grid.draft, _full),
        "a legacy below an RFC proxy": _chain(_full, grid.legacy),
        "an RFC below a legacy proxy": _chain(grid.legacy, _full),
        "a legacy below a draft proxy": _chain(grid.draft, grid.legacy),
    },
    "proxy-type": {
        "an RFC proxy where it is not allowed": _chain(_full, policy=Policy(kinds=frozenset({Kind.DRAFT}))),
        "a draft proxy where it is not allowed": _chain(grid.draft, policy=Policy(kinds=frozenset({Kind.RFC}))),
        "a legacy proxy where it is not allowed": _chain(
            grid.legacy, policy=Policy(kinds=frozenset({Kind.RFC, Kind.DRAFT}))
        ),
    },
    "chain-too-deep": {
        "nine delegations": _chain(*[grid.legacy] * 9),
        "two delegations where one is allowed": _chain(_full, _full, policy=Policy(max_proxies=1)),
    },
    "proxy-path-length": {
        "a proxy below a length of 0": _chain(_length(0), _full),
        "two proxies below a length of 1": _chain(_length(1), _full, _full),
        "a length that a lower one widens": _chain(_length(0), _length(5)),
        "a length that a lower one narrowed": _chain(_length(5), _length(0), _full),
        "a draft proxy below a length of 0": _chain(_length(0, grid.DRAFT), grid.draft),
    },
    "proxy-independent": {
        "an independent proxy": _chain(_language(grid.INDEPENDENT)),
        "an independent draft proxy": _chain(_language(grid.INDEPENDENT, grid.DRAFT)),
        "a full proxy below an independent one": _chain(_language(grid.INDEPENDENT), _full),
    },
    "proxy-policy": {
        "any language": _chain(_language("1.3.6.1.5.5.7.21.0")),
        "an unknown language": _chain(_language("1.2.3.4", policy=b"only reading")),
        "an unknown language in a draft": _chain(_language("1.2.3.4", grid.DRAFT)),
    },
    "proxy-widened": {
        "a full proxy below a limited one": _chain(_limited, _full, policy=Policy(allow_limited=True)),
        "a full legacy proxy below a limited one": _chain(
            lambda it: grid.legacy(it, "limited proxy"), grid.legacy, policy=Policy(allow_limited=True)
        ),
        "a full draft proxy below a limited one": _chain(
            _language(grid.LIMITED, grid.DRAFT), grid.draft, policy=Policy(allow_limited=True)
        ),
        "a full proxy between limited ones": _chain(_limited, _full, _limited, policy=Policy(allow_limited=True)),
    },
    "proxy-limited": {
        "a limited RFC proxy": _chain(_limited),
        "a limited draft proxy": _chain(_language(grid.LIMITED, grid.DRAFT)),
        "a limited legacy proxy": _chain(lambda it: grid.legacy(it, "limited proxy")),
        "a limited proxy below a full one": _chain(_full, _limited),
        "limited proxies only": _chain(_limited, _limited),
    },
    "proxy-info-critical": {
        "a ProxyCertInfo that is not critical": _rfc(info=grid.proxy_info(critical=False)),
        "a draft ProxyCertInfo that is not critical": _rfc(info=grid.proxy_info(kind=grid.DRAFT, critical=False)),
        "one that is not critical below one that is": _chain(
            _full, lambda it: grid.rfc(it, grid.proxy_info(critical=False))
        ),
    },
    "proxy-is-ca": {
        "a proxy that claims to be a CA, as leaf": _rfc(grid.basic_constraints(ca=True)),
        "a proxy that claims to be a CA": lambda: of(
            grid.rfc(first := grid.rfc(alice(), extra=[grid.basic_constraints(ca=True)])), first, alice()
        ),
    },
    "proxy-alternative-name": {
        "a proxy with an alternative name": _rfc(grid.alternative_name()),
        "a proxy with an alternative name of its issuer": _rfc(grid.alternative_name("2.5.29.18")),
        "a legacy proxy with an alternative name": _chain(lambda it: grid.legacy(it, extra=[grid.alternative_name()])),
    },
    "proxy-last-rdn": {
        "a proxy with a multivalued last RDN": lambda: of(
            _proxy((*alice().subject, rdns(part("CN", "1"), part("UID", "2")))), alice()
        ),
        "a proxy with two CNs in one RDN": lambda: of(
            _proxy((*alice().subject, rdns(part("CN", "1"), part("CN", "2")))), alice()
        ),
        "a proxy whose last RDN is no CN": lambda: of(_proxy((*alice().subject, rdn("OU", "1"))), alice()),
    },
    "proxy-subject": {
        "a proxy with its issuer's name": lambda: of(_proxy(alice().subject), alice()),
        "a proxy with two CNs more": lambda: of(_proxy((*alice().subject, rdn("CN", "1"), rdn("CN", "2"))), alice()),
        "a proxy with another name": lambda: of(_proxy(name("/C=PL/O=Grid/OU=Users/CN=Bob/CN=1")), alice()),
        "a proxy with a shorter name": lambda: of(_proxy(name("/C=PL/CN=1")), alice()),
        "a legacy proxy with another name": lambda: of(
            _proxy(name("/C=PL/O=Grid/OU=Users/CN=Bob/CN=proxy"), info=False), alice()
        ),
        "a legacy proxy with another letter": lambda: of(
            _proxy(name("/C=PL/O=Grid/OU=Users/CN=Alica/CN=proxy"), info=False), alice()
        ),
    },
    "name-empty": {"a user without a name": _user(())},
    "proxy-not-yet-valid": {
        "a proxy of tomorrow": _rfc(form=Form(start=NOW + timedelta(seconds=1))),
        "a proxy below one of tomorrow": _chain(
            lambda it: grid.rfc(it, form=Form(start=NOW + HOUR, end=NOW + DAY)), _full
        ),
        "a legacy proxy of tomorrow": _chain(lambda it: grid.legacy(it, form=Form(start=NOW + HOUR))),
    },
    "proxy-expired": {
        "an expired proxy": _rfc(form=Form(start=NOW - DAY, end=NOW - HOUR)),
        "a proxy in its last moment": _rfc(form=Form(end=NOW)),
        "a proxy below an expired one": _chain(
            lambda it: grid.rfc(it, form=Form(start=NOW - DAY, end=NOW - HOUR)), _full
        ),
        "an expired draft proxy": _rfc(info=grid.proxy_info(kind=grid.DRAFT), form=Form(end=NOW - HOUR / 2)),
        "an expired legacy proxy": _chain(lambda it: grid.legacy(it, form=Form(end=NOW - HOUR / 2))),
    },
    "certificate-not-yet-valid": {"a user of tomorrow": _entity(_SIGNING, form=Form(start=NOW + HOUR, end=NOW + YEAR))},
    "certificate-expired": {
        "an expired user": _entity(_SIGNING, form=Form(start=NOW - YEAR, end=NOW - HOUR)),
        "a user in the last moment": _entity(_SIGNING, form=Form(start=NOW - YEAR, end=NOW)),
    },
    "key-usage": {
        "a proxy that may not sign": lambda: of(
            certificate(
                (*alice().subject, rdn("CN", "7")),
                keys.rsa_key("leaf"),
                alice(),
                [grid.proxy_info(), grid.key_usage(grid.KEY_ENCIPHERMENT)],
            ),
            alice(),
        ),
        "a user who may not sign": _entity(grid.key_usage(grid.KEY_ENCIPHERMENT)),
        "a user who may sign certificates only": _entity(grid.key_usage(grid.CERT_SIGN)),
        "a user with an empty key usage": _entity(Extension("2.5.29.15", asn1.tlv(0x03, b"\0"))),
        "a legacy proxy that may not sign": _chain(
            lambda it: grid.legacy(it, extra=[grid.key_usage(grid.KEY_ENCIPHERMENT)])
        ),
    },
    "critical-extension": {
        "a proxy with an unknown critical extension": _rfc(_UNKNOWN),
        "a user with an unknown critical extension": _entity(_SIGNING, _UNKNOWN),
        "a legacy proxy with an unknown critical extension": _chain(lambda it: grid.legacy(it, extra=[_UNKNOWN])),
        "a user with a critical policy constraint": _entity(
            _SIGNING, Extension("2.5.29.36", asn1.seq(), critical=True)
        ),
        "a draft proxy with an unknown critical extension": _rfc(_UNKNOWN, info=grid.proxy_info(kind=grid.DRAFT)),
    },
    "signature-invalid": {
        "a proxy with a changed signature": _changed_signature,
        "a proxy that another key signed": _rfc(form=Form(signed_with=keys.rsa_key("thief"))),
        "a proxy that a key of another kind signed": _rfc(form=Form(signed_with=keys.ec_key("thief"))),
        "a legacy proxy that another key signed": _chain(
            lambda it: grid.legacy(it, form=Form(signed_with=keys.rsa_key("thief")))
        ),
        "a draft proxy that another key signed": _rfc(
            info=grid.proxy_info(kind=grid.DRAFT), form=Form(signed_with=keys.rsa_key("thief"))
        ),
        "a proxy above the leaf that another key signed": _chain(
            lambda it: grid.legacy(it, form=Form(signed_with=keys.rsa_key("thief"))), grid.legacy
        ),
        "a proxy that its own key signed": _rfc(form=Form(signed_with=keys.rsa_key("proxy 4"))),
        "a proxy under another certificate of the user": _stray_issuer,
        "a user whom another key signed": _entity(_SIGNING, form=replace(grid.LONG, signed_with=keys.rsa_key("thief"))),
        "a user with a changed signature": _changed_user,
        "a proxy whose key no longer can be its issuer's": lambda: of(
            grid.rfc(user := grid.user(the_ca(), form=replace(grid.LONG, info=keys.public_info(keys.ec_key("x"))))),
            user,
        ),
    },
    "signature-weak": {
        "a proxy signed with SHA-1": _rfc(form=Form(digest="sha1")),
        "a proxy signed with MD5": _rfc(form=Form(digest="md5")),
        "a legacy proxy signed with SHA-1": _chain(lambda it: grid.legacy(it, form=Form(digest="sha1"))),
        "a user signed with SHA-1": _entity(_SIGNING, form=replace(grid.LONG, digest="sha1")),
        "a user signed with MD5": _entity(_SIGNING, form=replace(grid.LONG, digest="md5")),
        "an intermediate CA signed with SHA-1": _weak_sub_ca,
        "MD5 where only SHA-1 is allowed": lambda: of(
            grid.rfc(alice(), form=Form(digest="md5")), alice(), policy=Policy(weak_hashes=frozenset({"sha1"}))
        ),
    },
    "issuer-missing": {
        "a proxy alone": lambda: of(grid.rfc(alice())),
        "a proxy with its CA only": lambda: of(grid.rfc(alice()), the_ca()),
        "a legacy proxy alone": lambda: of(grid.legacy(alice())),
        "a proxy of a proxy that is missing": lambda: of(grid.rfc(grid.rfc(alice())), alice()),
        "a proxy that names another issuer": _rfc(form=Form(issuer=name("/C=PL/O=Grid/OU=Users/CN=Bob"))),
        "a proxy that is its own issuer": lambda: of(_proxy(alice().subject, form=Form(issuer=alice().subject))),
        "two proxies that issued each other": lambda: of(
            _proxy(name("/C=PL/CN=A"), form=Form(issuer=name("/C=PL/CN=B"))),
            _proxy(name("/C=PL/CN=B"), form=Form(issuer=name("/C=PL/CN=A"))),
        ),
    },
    "issuer-ambiguous": {
        "two certificates of the user": lambda: of(grid.rfc(alice()), alice(), grid.user(the_ca())),
    },
    "proxy-signed-by-ca": {
        "an RFC proxy of the CA": _of_ca(grid.rfc, sent=True),
        "an RFC proxy of the CA, which is not sent": _of_ca(grid.rfc, sent=False),
        "a draft proxy of the CA": _of_ca(grid.draft, sent=True),
        "a proxy that says it is the CA's": _rfc(form=Form(issuer=name(grid.CA_NAME))),
    },
    "end-entity-is-ca": {"a user who is a CA": _ca_user, "a proxy of a CA that is not trusted": _wrong_ca_proxy},
    "ca-as-credential": {
        "a legacy proxy that claims to be a CA": _chain(
            lambda it: grid.legacy(it, extra=[grid.basic_constraints(ca=True)])
        ),
        "the CA's own certificate": lambda: of(the_ca(), policy=_ENTITY),
        "a CA of somebody's own": lambda: of(grid.ca("/C=PL/O=Evil/CN=CA", label="evil"), policy=_ENTITY),
    },
    "end-entity-by-proxy": {
        "a certificate that an RFC proxy issued": _issued_by_proxy(grid.rfc),
        "a certificate that a legacy proxy issued": _issued_by_proxy(grid.legacy),
        "a proxy below a certificate that a proxy issued": _issued_by_proxy(grid.rfc, below=True),
    },
    "issuer-not-ca": {"a user whom a user issued": _issued_by_user},
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
        "a leaf below a site's own limit": _chain(_full, policy=Policy(min_rsa_bits=3072)),
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
        "an O that holds a CN": _user((*name("/C=PL"), rdn("O", "Grid/CN=Alice"), rdn("CN", "Eve"))),
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
        "an O with a blank behind": _user((*name("/C=PL"), rdn("O", "Grid "), rdn("CN", "Alice"))),
    },
    "path-invalid": {
        "a user with a name constraint that is none": _entity(_SIGNING, Extension("2.5.29.30", b"\x05\x00")),
        "a legacy proxy of a user with a name constraint that is none": lambda: of(
            grid.legacy(user := grid.user(the_ca(), extra=[_SIGNING, Extension("2.5.29.30", b"\x05\x00")])), user
        ),
    },
    "extended-key-usage": {
        "a user's certificate for servers only": _entity(_SIGNING, _purpose("1.3.6.1.5.5.7.3.1")),
        "a proxy for servers only": _rfc(_purpose("1.3.6.1.5.5.7.3.1")),
    },
}

PATH_CASES = [Case(rule, title, make) for rule, trials in _TRIALS.items() for title, make in trials.items()]
