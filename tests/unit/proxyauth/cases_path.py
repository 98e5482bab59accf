"""Chains whose links do not hold, or are held by the wrong certificate."""

from collections.abc import Callable
from dataclasses import replace

from proxyauth.policy import Policy
from tests.pki import asn1, grid, keys
from tests.pki.mint import HOUR, NOW, YEAR, Extension, Form, Minted, certificate
from tests.pki.names import name, rdn
from tests.unit.proxyauth.makers import SIGNING, chain_of, entity_with, proxy_named, rfc_with
from tests.unit.proxyauth.trial import Case, Trial, alice, of, the_ca, trust_files

_ENTITY = Policy(allow_end_entity=True)
_UNKNOWN = Extension("1.2.3.4", b"\x05\x00", critical=True)
_ROOT = "/C=PL/O=Grid/CN=Root"


def _purpose(dotted: str) -> Extension:
    return Extension("2.5.29.37", asn1.seq(asn1.oid(dotted)), critical=True)


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
    user = grid.user(the_ca(), extra=[grid.basic_constraints(ca=True), SIGNING])
    return of(grid.rfc(user), user)


def _of_ca(maker: Callable[[Minted], Minted], *, sent: bool) -> Callable[[], Trial]:
    """A proxy of the CA itself."""
    return lambda: of(maker(the_ca()), *([the_ca()] if sent else []), policy=_ENTITY)


def _wrong_ca_proxy() -> Trial:
    """A proxy of a CA that is sent, but not trusted."""
    own = grid.ca("/C=PL/O=Evil/CN=CA", label="evil")
    return of(grid.rfc(own), own)


def _weak_sub_ca() -> Trial:
    """An intermediate CA that its root signed with SHA-1."""
    root = grid.ca(_ROOT, label="root")
    sub = grid.ca(parent=root, form=replace(grid.LONG, digest="sha1"))
    user = grid.user(sub)
    return replace(of(grid.rfc(user), user), files=trust_files(root, _ROOT, "aaaaaaaa") | trust_files(sub))


_TRIALS: dict[str, dict[str, Callable[[], Trial]]] = {
    "certificate-not-yet-valid": {
        "a user of tomorrow": entity_with(SIGNING, form=Form(start=NOW + HOUR, end=NOW + YEAR))
    },
    "certificate-expired": {
        "an expired user": entity_with(SIGNING, form=Form(start=NOW - YEAR, end=NOW - HOUR)),
        "a user in the last moment": entity_with(SIGNING, form=Form(start=NOW - YEAR, end=NOW)),
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
        "a user who may not sign": entity_with(grid.key_usage(grid.KEY_ENCIPHERMENT)),
        "a user who may sign certificates only": entity_with(grid.key_usage(grid.CERT_SIGN)),
        "a user with an empty key usage": entity_with(Extension("2.5.29.15", asn1.tlv(0x03, b"\0"))),
        "a legacy proxy that may not sign": chain_of(
            lambda it: grid.legacy(it, extra=[grid.key_usage(grid.KEY_ENCIPHERMENT)])
        ),
    },
    "critical-extension": {
        "a proxy with an unknown critical extension": rfc_with(_UNKNOWN),
        "a user with an unknown critical extension": entity_with(SIGNING, _UNKNOWN),
        "a legacy proxy with an unknown critical extension": chain_of(lambda it: grid.legacy(it, extra=[_UNKNOWN])),
        "a user with a critical policy constraint": entity_with(
            SIGNING, Extension("2.5.29.36", asn1.seq(), critical=True)
        ),
        "a draft proxy with an unknown critical extension": rfc_with(_UNKNOWN, info=grid.proxy_info(kind=grid.DRAFT)),
    },
    "signature-invalid": {
        "a proxy with a changed signature": _changed_signature,
        "a proxy that another key signed": rfc_with(form=Form(signed_with=keys.rsa_key("thief"))),
        "a proxy that a key of another kind signed": rfc_with(form=Form(signed_with=keys.ec_key("thief"))),
        "a legacy proxy that another key signed": chain_of(
            lambda it: grid.legacy(it, form=Form(signed_with=keys.rsa_key("thief")))
        ),
        "a draft proxy that another key signed": rfc_with(
            info=grid.proxy_info(kind=grid.DRAFT), form=Form(signed_with=keys.rsa_key("thief"))
        ),
        "a proxy above the leaf that another key signed": chain_of(
            lambda it: grid.legacy(it, form=Form(signed_with=keys.rsa_key("thief"))), grid.legacy
        ),
        "a proxy that its own key signed": rfc_with(form=Form(signed_with=keys.rsa_key("proxy 4"))),
        "a proxy under another certificate of the user": _stray_issuer,
        "a user whom another key signed": entity_with(
            SIGNING, form=replace(grid.LONG, signed_with=keys.rsa_key("thief"))
        ),
        "a user with a changed signature": _changed_user,
        "a proxy whose key no longer can be its issuer's": lambda: of(
            grid.rfc(user := grid.user(the_ca(), form=replace(grid.LONG, info=keys.public_info(keys.ec_key("x"))))),
            user,
        ),
    },
    "signature-weak": {
        "a proxy signed with SHA-1": rfc_with(form=Form(digest="sha1")),
        "a proxy signed with MD5": rfc_with(form=Form(digest="md5")),
        "a legacy proxy signed with SHA-1": chain_of(lambda it: grid.legacy(it, form=Form(digest="sha1"))),
        "a user signed with SHA-1": entity_with(SIGNING, form=replace(grid.LONG, digest="sha1")),
        "a user signed with MD5": entity_with(SIGNING, form=replace(grid.LONG, digest="md5")),
        "an intermediate CA signed with SHA-1": _weak_sub_ca,
        "a proxy signed in an unknown way": rfc_with(form=Form(digest="unknown")),
        "MD5 where only SHA-1 is allowed": lambda: of(
            grid.rfc(alice(), form=Form(digest="md5")), alice(), policy=Policy(weak_hashes=frozenset({"sha1"}))
        ),
    },
    "issuer-missing": {
        "a proxy alone": lambda: of(grid.rfc(alice())),
        "a proxy with its CA only": lambda: of(grid.rfc(alice()), the_ca()),
        "a legacy proxy alone": lambda: of(grid.legacy(alice())),
        "a proxy of a proxy that is missing": lambda: of(grid.rfc(grid.rfc(alice())), alice()),
        "a proxy that names another issuer": rfc_with(form=Form(issuer=name("/C=PL/O=Grid/OU=Users/CN=Bob"))),
        "a proxy that is its own issuer": lambda: of(proxy_named(alice().subject, form=Form(issuer=alice().subject))),
        "two proxies that issued each other": lambda: of(
            proxy_named(name("/C=PL/CN=A"), form=Form(issuer=name("/C=PL/CN=B"))),
            proxy_named(name("/C=PL/CN=B"), form=Form(issuer=name("/C=PL/CN=A"))),
        ),
    },
    "issuer-ambiguous": {
        "two certificates of the user": lambda: of(grid.rfc(alice()), alice(), grid.user(the_ca())),
    },
    "proxy-signed-by-ca": {
        "an RFC proxy of the CA": _of_ca(grid.rfc, sent=True),
        "an RFC proxy of the CA, which is not sent": _of_ca(grid.rfc, sent=False),
        "a draft proxy of the CA": _of_ca(grid.draft, sent=True),
        "a proxy that says it is the CA's": rfc_with(form=Form(issuer=name(grid.CA_NAME))),
    },
    "end-entity-is-ca": {"a user who is a CA": _ca_user, "a proxy of a CA that is not trusted": _wrong_ca_proxy},
    "ca-as-credential": {
        "a legacy proxy that claims to be a CA": chain_of(
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
    "path-invalid": {
        "a user with a name constraint that is none": entity_with(SIGNING, Extension("2.5.29.30", b"\x05\x00")),
        "a legacy proxy of a user with a name constraint that is none": lambda: of(
            grid.legacy(user := grid.user(the_ca(), extra=[SIGNING, Extension("2.5.29.30", b"\x05\x00")])), user
        ),
    },
    "extended-key-usage": {
        "a user's certificate for servers only": entity_with(SIGNING, _purpose("1.3.6.1.5.5.7.3.1")),
        "a proxy for servers only": rfc_with(_purpose("1.3.6.1.5.5.7.3.1")),
    },
}

PATH_CASES = [Case(rule, title, make) for rule, trials in _TRIALS.items() for title, make in trials.items()]
