"""Users of CAs that are not trusted, not for this name, or not any more."""

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from proxyauth.policy import Need, Policy
from proxyauth.x509 import der
from tests.pki import asn1, grid, keys
from tests.pki.mint import DAY, HOUR, NOW, YEAR, Extension, Form, Minted, algorithm, certificate, crl
from tests.pki.names import name
from tests.unit.proxyauth.trial import Case, Trial, alice, of, the_ca, the_trust, trust_files

_ROOT = "/C=PL/O=Grid/CN=Root"
_SIGN = grid.key_usage(grid.CERT_SIGN)


def _files(change: Callable[[], Mapping[str, bytes | None]], policy: Policy | None = None) -> Callable[[], Trial]:
    """Alice's proxy under a changed trust directory; None removes a file."""

    def make() -> Trial:
        files = {each: raw for each, raw in {**the_trust(), **change()}.items() if raw is not None}
        return replace(of(grid.rfc(alice()), alice(), policy=policy or Policy()), files=files)

    return make


def _ca(*extensions: Extension, form: Form = grid.LONG) -> Callable[[], Trial]:
    """A proxy of a user of a CA with these extensions."""

    def make() -> Trial:
        ca = certificate(name(grid.CA_NAME), keys.rsa_key("ca"), None, extensions, form)
        return replace(of(grid.rfc(alice()), alice()), files=trust_files(ca))

    return make


def _below_root(
    *,
    length: int | None = None,
    sub: Sequence[Extension] = (grid.basic_constraints(ca=True), _SIGN),
    form: Form = grid.LONG,
    without: str = "",
    change: Callable[[Minted, Minted], Mapping[str, bytes]] = lambda _root, _sub: {},
    policy: Policy | None = None,
) -> Callable[[], Trial]:
    """A proxy of a user of a CA below a CA (`sub`) below a root; `change` gets both for other files about the root."""

    def make() -> Trial:
        root = grid.ca(_ROOT, label="root", length=length)
        upper = certificate(name(grid.CA_NAME), keys.rsa_key("ca"), root, sub, form)
        lower = grid.ca("/C=PL/O=Grid/CN=Sub", parent=upper, label="sub")
        user = grid.user(lower)
        files = (
            trust_files(root, _ROOT, "aaaaaaaa")
            | trust_files(upper)
            | trust_files(lower, "/C=PL/O=Grid/CN=Sub", "bbbbbbbb")
        )
        files |= change(root, upper)
        kept = {each: raw for each, raw in files.items() if not without or not each.startswith(without)}
        return replace(of(grid.rfc(user), user, lower, upper, root, policy=policy or Policy()), files=kept)

    return make


def _someone(issuer: str = grid.CA_NAME, label: str = "evil") -> tuple[Minted, Minted]:
    """A CA of somebody's own and its user."""
    ca = grid.ca(issuer, label=label)
    return ca, grid.user(ca)


def _own_ca(issuer: str, *, sent: bool = True) -> Callable[[], Trial]:
    def make() -> Trial:
        ca, user = _someone(issuer)
        return of(grid.rfc(user), user, *([ca] if sent else []))

    return make


def _self_signed() -> Trial:
    user = certificate(name(grid.ALICE), keys.rsa_key("alice"), None, form=grid.LONG)
    return of(grid.rfc(user), user)


def _policy(text: str) -> Callable[[], Trial]:
    return _files(lambda: {"0123abcd.signing_policy": text.encode()})


def _lists(*lists: Callable[[], bytes], policy: Policy | None = None) -> Callable[[], Trial]:
    """The CA with these revocation lists."""
    return _files(lambda: {f"0123abcd.r{number}": make() for number, make in enumerate(lists)}, policy)


def _ec_list(digest: str, policy: Policy | None = None) -> Callable[[], Trial]:
    """A proxy of a user who is revoked by a CA that has an elliptic curve key, in a list with this digest."""

    def make() -> Trial:
        ca = certificate(name(grid.CA_NAME), keys.ec_key("ca"), None, [grid.basic_constraints(ca=True)], grid.LONG)
        user = grid.user(ca)
        files = {**trust_files(ca), "0123abcd.r0": crl(ca, [user.serial], digest=digest)}
        return replace(of(grid.rfc(user), user, policy=policy or Policy()), files=files)

    return make


def _two_algorithms() -> bytes:
    """A list whose algorithm that is signed is not the one that is named beside the signature."""
    inner, _, signature = der.sequence(b64decode(b"".join(crl(the_ca()).splitlines()[1:-1])))
    return asn1.seq(inner.raw, algorithm(the_ca().key, "sha512"), signature.raw)


def _constrained() -> Trial:
    """A root that allows names below another organisation only."""
    tree = asn1.seq(asn1.explicit(4, asn1.seq(*name("/C=PL/O=Other"))))
    constraints = Extension("2.5.29.30", asn1.seq(asn1.explicit(0, tree)), critical=True)
    return _ca(grid.basic_constraints(ca=True), _SIGN, constraints)()


def _other_names() -> bytes:
    return grid.signing_policy(_ROOT, "/C=PL/O=Grid/CN=Other CA").encode()


_OUT = "access_id_CA X509 '/C=PL/O=Grid/CN=Grid CA'\npos_rights globus CA:sign\ncond_subjects globus '{}'\n"
_REQUIRE = Policy(crl=Need.REQUIRE)
_OLD = Policy(weak_hashes=frozenset({"sha1", "md5"}))

_TRIALS: dict[str, dict[str, Callable[[], Trial]]] = {
    "ca-unknown": {
        "a CA that is not trusted": _own_ca("/C=PL/O=Evil/CN=CA"),
        "a CA that is not trusted and not sent": _own_ca("/C=PL/O=Evil/CN=CA", sent=False),
        "an empty trust directory": lambda: replace(of(grid.rfc(alice()), alice()), files={}),
        "a user who signed himself": _self_signed,
        "an intermediate CA that is sent, but not trusted": lambda: of(
            grid.rfc(user := grid.user(sub := grid.ca("/C=PL/O=Grid/CN=Sub", the_ca(), "sub"))), user, sub
        ),
        "a CA under a name that is no hash": _files(lambda: {"0123abcd.0": None, "ca.pem": the_ca().pem}),
        "a CA in a file that cannot be read": _files(lambda: {"0123abcd.0": b"-----BEGIN CERTIFICATE-----\n"}),
    },
    "signature-invalid": {
        "a CA of a trusted one's name": _own_ca(grid.CA_NAME),
        "a CA of a trusted one's name that is not sent": _own_ca(grid.CA_NAME, sent=False),
    },
    "ca-incomplete": {
        "two CAs that issued each other": _files(
            lambda: (
                trust_files(grid.ca(parent=grid.ca(_ROOT, label="root")))
                | trust_files(grid.ca(_ROOT, grid.ca(), "root"), _ROOT, "aaaaaaaa")
            )
        ),
        "an intermediate CA without its root": _below_root(without="aaaaaaaa"),
        "two CAs below a root, the upper one missing": _below_root(without="0123abcd"),
        "a root of the same name with another key": _files(
            lambda: (
                trust_files(grid.ca(parent=grid.ca(_ROOT, label="root")))
                | trust_files(grid.ca(_ROOT, label="other"), _ROOT, "aaaaaaaa")
            )
        ),
    },
    "ca-expired": {
        "an expired CA": _ca(grid.basic_constraints(ca=True), _SIGN, form=Form(start=NOW - YEAR, end=NOW - HOUR)),
        "a CA in its last moment": _ca(grid.basic_constraints(ca=True), _SIGN, form=Form(start=NOW - YEAR, end=NOW)),
        "an expired intermediate CA": _below_root(form=Form(start=NOW - YEAR, end=NOW - HOUR)),
    },
    "ca-not-yet-valid": {
        "an intermediate CA of tomorrow": _below_root(form=Form(start=NOW + HOUR, end=NOW + YEAR)),
        "a CA of tomorrow": _ca(grid.basic_constraints(ca=True), _SIGN, form=Form(start=NOW + HOUR, end=NOW + YEAR)),
    },
    "ca-not-ca": {
        "an intermediate CA that is none": _below_root(sub=[_SIGN]),
        "a CA that is none": _ca(_SIGN),
        "a CA that says it is none": _ca(grid.basic_constraints(ca=False), _SIGN),
    },
    "ca-key-usage": {
        "an intermediate CA that may not sign certificates": _below_root(
            sub=[grid.basic_constraints(ca=True), grid.key_usage(grid.DIGITAL_SIGNATURE)]
        ),
        "a CA that may not sign certificates": _ca(
            grid.basic_constraints(ca=True), grid.key_usage(grid.DIGITAL_SIGNATURE)
        ),
    },
    "ca-path-length": {"a root that allows no CA below one": _below_root(length=0)},
    "name-constraints": {"a root that allows other names only": _constrained},
    "critical-extension": {
        "an intermediate CA with an unknown critical extension": _below_root(
            sub=[grid.basic_constraints(ca=True), _SIGN, Extension("1.2.3.4", b"\x05\x00", critical=True)]
        ),
        "a CA with an unknown critical extension": _ca(
            grid.basic_constraints(ca=True), _SIGN, Extension("1.2.3.4", b"\x05\x00", critical=True)
        ),
    },
    "signing-policy": {
        "a name outside of the policy": _policy(_OUT.format('"/C=DE/*"')),
        "a policy that ends within the name": _policy(_OUT.format('"/C=PL/O=Grid/OU=User"')),
        "a policy without subjects": _policy(_OUT.replace("cond_subjects", "# cond_subjects")),
        "a question mark for two letters": _policy(_OUT.format('"/C=PL/O=Grid/OU=Users/CN=Ali?"')),
        "an intermediate CA outside of its root's policy": _below_root(
            change=lambda _root, _sub: {"aaaaaaaa.signing_policy": _other_names()}
        ),
    },
    "signing-policy-missing": {
        "a root without a signing policy": _below_root(without="aaaaaaaa.s"),
        "no signing policy": _files(lambda: {"0123abcd.signing_policy": None}),
        "a policy of another CA": _policy(_OUT.format('"*"').replace("Grid CA", "Other CA")),
        "a policy under another name": _files(
            lambda: {"0123abcd.signing_policy": None, "ffffffff.signing_policy": the_trust()["0123abcd.signing_policy"]}
        ),
        "a policy with a denial": _policy(_OUT.format('"*"') + "neg_rights globus CA:sign\n"),
        "a policy with a word that is not understood": _policy("acess_id_CA X509 '/C=PL'\n"),
        "a policy with an open quote": _policy(_OUT.format('"*')[:-2]),
        "subjects before their right": _policy(_OUT.format('"*"').replace("pos_rights globus CA:sign\n", "")),
        "a right before its CA": _policy("pos_rights globus CA:sign\n"),
        "a policy that cannot be read where none is required": _files(
            lambda: {"0123abcd.signing_policy": b"nonsense"}, Policy(signing_policy=Need.IF_PRESENT)
        ),
        "a policy that is not UTF-8": _files(lambda: {"0123abcd.signing_policy": b"# \xff\n"}),
    },
    "revoked": {
        "a revoked user": _lists(lambda: crl(the_ca(), [1, alice().serial])),
        "a revoked user of a legacy proxy": lambda: replace(
            of(grid.legacy(alice()), alice()), files={**the_trust(), "0123abcd.r0": crl(the_ca(), [alice().serial])}
        ),
        "a revoked user's own certificate": lambda: replace(
            of(alice(), policy=Policy(allow_end_entity=True)),
            files={**the_trust(), "0123abcd.r0": crl(the_ca(), [alice().serial])},
        ),
        "a user revoked in the newer of two lists": _lists(
            lambda: crl(the_ca(), start=NOW - 2 * DAY), lambda: crl(the_ca(), [alice().serial])
        ),
        "a user revoked in a list under another name": _files(
            lambda: {"0123abcd.r0": None, "ffffffff.r0": crl(the_ca(), [alice().serial])}
        ),
        "a user revoked in a list without an end": _lists(lambda: crl(the_ca(), [alice().serial], end=None)),
        "a user revoked in a list with SHA-1 where that is allowed": _lists(
            lambda: crl(the_ca(), [alice().serial], digest="sha1"), policy=_OLD
        ),
        "a user revoked in a list of an elliptic curve": _ec_list("sha384"),
        "a user revoked in a list of an elliptic curve with SHA-1 where that is allowed": _ec_list("sha1", _OLD),
        "a revoked intermediate CA": _below_root(change=lambda root, sub: {"aaaaaaaa.r0": crl(root, [sub.serial])}),
    },
    "crl-stale": {
        "a root's stale list": _below_root(
            change=lambda root, _sub: {"aaaaaaaa.r0": crl(root, start=NOW - 2 * DAY, end=NOW - DAY)}
        ),
        "a stale list": _lists(lambda: crl(the_ca(), start=NOW - 2 * DAY, end=NOW - DAY)),
        "a list in its last moment": _lists(lambda: crl(the_ca(), end=NOW)),
        "a list of tomorrow": _lists(lambda: crl(the_ca(), start=NOW + HOUR)),
        "a stale list where one is required": _lists(
            lambda: crl(the_ca(), start=NOW - 2 * DAY, end=NOW - DAY), policy=_REQUIRE
        ),
    },
    "crl-missing": {
        "a root without a list where one is required": _below_root(without="aaaaaaaa.r", policy=_REQUIRE),
        "no list where one is required": _files(lambda: {"0123abcd.r0": None}, _REQUIRE),
    },
    "crl-signature": {
        "a root's list that another key signed": _below_root(
            change=lambda root, _sub: {"aaaaaaaa.r0": crl(root, signed_with=keys.rsa_key("thief"))}
        ),
        "a list that another key signed where one is required": _lists(
            lambda: crl(the_ca(), signed_with=keys.rsa_key("thief")), policy=_REQUIRE
        ),
        "a list that another key signed": _lists(lambda: crl(the_ca(), signed_with=keys.rsa_key("thief"))),
        "a list that a key of another kind signed": _lists(lambda: crl(the_ca(), signed_with=keys.ec_key("thief"))),
        "a list that a shorter key signed": _lists(lambda: crl(the_ca(), signed_with=keys.rsa_key("short", 1024))),
        "a list that a longer key signed": _lists(lambda: crl(the_ca(), signed_with=keys.rsa_key("large", 4096))),
        "a list that an Ed25519 key signed": _lists(lambda: crl(the_ca(), signed_with=keys.ed25519_key("thief"))),
        "a list with a digest that is not known": _lists(lambda: crl(the_ca(), digest="unknown")),
        "another key's list with SHA-1 where that is allowed": _lists(
            lambda: crl(the_ca(), signed_with=keys.rsa_key("thief"), digest="sha1"), policy=_OLD
        ),
        "another key's list with MD5 where that is allowed": _lists(
            lambda: crl(the_ca(), signed_with=keys.rsa_key("thief"), digest="md5"), policy=_OLD
        ),
    },
    "crl-weak": {
        "a root's list with SHA-1": _below_root(change=lambda root, _sub: {"aaaaaaaa.r0": crl(root, digest="sha1")}),
        "a list with SHA-1": _lists(lambda: crl(the_ca(), digest="sha1")),
        "a list with MD5": _lists(lambda: crl(the_ca(), digest="md5")),
        "a list with MD5 where SHA-1 is allowed": _lists(
            lambda: crl(the_ca(), digest="md5"), policy=Policy(weak_hashes=frozenset({"sha1"}))
        ),
        "a list with SHA-1 beside an older one": _lists(
            lambda: crl(the_ca(), start=NOW - 2 * DAY), lambda: crl(the_ca(), digest="sha1")
        ),
        "a list with SHA-1 of an elliptic curve": _ec_list("sha1"),
    },
    "crl-unreadable": {
        "a root's list that is none": _below_root(change=lambda _root, _sub: {"aaaaaaaa.r0": b"nothing"}),
        "a list that is cut off": _lists(lambda: crl(the_ca())[:-60]),
        "a list that is none": _lists(lambda: b"nothing"),
        "an empty list file": _lists(lambda: b""),
        "a list of changes only": _lists(
            lambda: crl(the_ca(), extensions=[Extension("2.5.29.27", asn1.integer(1), critical=True)])
        ),
        "a list of changes only that is not marked as critical": _lists(
            lambda: crl(the_ca(), extensions=[Extension("2.5.29.27", asn1.integer(1))])
        ),
        "a list with SHA-1 of changes only": _lists(
            lambda: crl(the_ca(), extensions=[Extension("2.5.29.27", asn1.integer(1), critical=True)], digest="sha1"),
            policy=_OLD,
        ),
        "a list that names two algorithms": _lists(_two_algorithms),
        "a list for users only": _lists(
            lambda: crl(the_ca(), extensions=[Extension("2.5.29.28", asn1.seq(asn1.tlv(0x81, b"\xff")), critical=True)])
        ),
        "a list with an extension twice": _lists(
            lambda: crl(the_ca(), extensions=[Extension("2.5.29.20", asn1.integer(1))] * 2)
        ),
    },
}

TRUST_CASES = [Case(rule, title, make) for rule, trials in _TRIALS.items() for title, make in trials.items()]
