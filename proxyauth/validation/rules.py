"""PURE: the rules, one named predicate each, in the order in which they are asked: cheap ones first, signatures last.

A table and not a function, so that `checkproxy` can say every rule it asked and the tests can take each one away and
see it missed. Sources: RFC 3820 sections 3 and 4, RFC 5280 sections 4 and 6, and the customs of the Globus toolkit
where the RFCs are silent.
"""

from collections.abc import Callable
from itertools import pairwise

from proxyauth.policy import Need
from proxyauth.validation.algorithms import is_weak
from proxyauth.validation.path import Link, Path, Role, last_cn
from proxyauth.validation.rule import Rule
from proxyauth.x509 import certificate as cert
from proxyauth.x509 import dn, proxy_info
from proxyauth.x509.ca import Crl

# Critical extensions that are honoured here or by OpenSSL: key usage, alternative names (no name is taken from there),
# basic and name constraints, policies (any will do), extended key usage, and ProxyCertInfo in both forms.
_KNOWN_EXTENSIONS = frozenset(
    {cert.KEY_USAGE, cert.SUBJECT_ALT_NAME, cert.BASIC_CONSTRAINTS, "2.5.29.30", "2.5.29.32", cert.EXTENDED_KEY_USAGE}
    | set(proxy_info.PROXY_CERT_INFO)
)


def _exceeds_path_length(path: Path) -> bool:
    lengths = [
        each.certificate.proxy_info.path_length if each.certificate.proxy_info else None for each in path.proxies
    ]
    return any(length is not None and below > length for below, length in enumerate(lengths))


def _widens(path: Path) -> bool:
    """Return whether a full proxy stands below a limited one (the leaf is first)."""
    limited = [each.is_limited for each in path.proxies]
    return any(above and not below for below, above in pairwise(limited))


PATH_RULES: tuple[Rule[Path], ...] = (
    Rule(
        "proxy-missing",
        "a proxy is needed; this is an end-entity certificate",
        "this service",
        lambda path: not path.proxies and not path.policy.allow_end_entity,
    ),
    Rule(
        "proxy-mixed",
        "the proxies of this chain are of different types",
        "Globus",
        lambda path: len({each.kind for each in path.proxies}) > 1,
    ),
    Rule(
        "proxy-type",
        "this type of proxy is not allowed here",
        "this service",
        lambda path: any(each.kind not in path.policy.kinds for each in path.proxies),
    ),
    Rule(
        "chain-too-deep",
        "the proxy was delegated more often than is allowed here",
        "this service",
        lambda path: len(path.proxies) > path.policy.max_proxies,
    ),
    Rule(
        "proxy-path-length",
        "the proxy was delegated more often than one above it allows",
        "RFC 3820, 3.8.1 and 4.1.4",
        _exceeds_path_length,
    ),
    Rule(
        "proxy-independent",
        "an independent proxy carries no right of its user",
        "RFC 3820, 3.8.2",
        lambda path: any(each.language == proxy_info.INDEPENDENT for each in path.proxies),
    ),
    Rule(
        "proxy-policy",
        "a proxy with a policy of its own is not understood",
        "RFC 3820, 3.8.2",
        lambda path: any(
            each.language not in {proxy_info.INHERIT_ALL, proxy_info.INDEPENDENT, proxy_info.LIMITED}
            for each in path.proxies
        ),
    ),
    Rule("proxy-widened", "a full proxy stands below a limited one", "Globus", _widens),
    Rule(
        "proxy-limited",
        "a limited proxy may not start jobs",
        "Globus",
        lambda path: not path.policy.allow_limited and any(each.is_limited for each in path.proxies),
    ),
)


def _a_value(test: Callable[[str], bool]) -> Callable[[Link], bool]:
    """Return whether the test is true of a value of the subject."""
    return lambda link: any(map(test, dn.values(link.certificate.subject)))


_BELOW_CA: tuple[Rule[Link], ...] = (
    Rule(
        "name-ambiguous",
        "a name holds a value that reads like two attributes",
        "this service",
        _a_value(dn.looks_like_two),
    ),
    Rule(
        "name-characters",
        "a name holds control, format or unassigned characters",
        "this service",
        _a_value(dn.has_odd_characters),
    ),
    Rule(
        "name-blanks",
        "a name's value is empty or has a blank at one of its ends",
        "this service",
        _a_value(dn.has_outer_blanks),
    ),
    Rule(
        "key-usage",
        "a key usage lacks digitalSignature",
        "RFC 3820, 3.6; RFC 5280, 4.2.1.3",
        lambda link: not link.certificate.may(cert.DIGITAL_SIGNATURE),
    ),
    Rule(
        "extended-key-usage",
        "a critical extended key usage does not name clients",
        "RFC 3820, 3.6; RFC 5280, 4.2.1.12",
        lambda link: link.certificate.purposes is not None and not link.certificate.purposes & cert.CLIENT_PURPOSES,
    ),
)

_PROXY: tuple[Rule[Link], ...] = (
    Rule("proxy-is-ca", "a proxy claims to be a CA", "RFC 3820, 3.7", lambda link: link.certificate.is_ca),
    Rule(
        "proxy-info-critical",
        "a ProxyCertInfo is not critical",
        "RFC 3820, 3.8",
        lambda link: link.certificate.proxy_info is not None and not link.certificate.proxy_info.critical,
    ),
    Rule(
        "proxy-alternative-name",
        "a proxy has an alternative name",
        "RFC 3820, 3.2 and 3.5",
        lambda link: bool({cert.SUBJECT_ALT_NAME, cert.ISSUER_ALT_NAME} & set(link.certificate.extensions)),
    ),
    Rule(
        "proxy-last-rdn",
        "a proxy's name does not end with one single CN",
        "RFC 3820, 3.4",
        lambda link: last_cn(link.certificate) is None,
    ),
    Rule(
        "proxy-subject",
        "a proxy's name is not its issuer's with one CN added",
        "RFC 3820, 3.4",
        lambda link: dn.key(link.certificate.subject[:-1]) != link.issuer.subject_key,
    ),
    Rule(
        "proxy-not-yet-valid",
        "a proxy is not yet valid",
        "RFC 3820, 4.1.3",
        lambda link: link.now < link.certificate.not_before,
    ),
    Rule(
        "proxy-expired", "a proxy has expired", "RFC 3820, 4.1.3", lambda link: link.now >= link.certificate.not_after
    ),
)

_END_ENTITY: tuple[Rule[Link], ...] = (
    Rule(
        "name-empty", "the user's certificate names nobody", "RFC 3820, 3.1", lambda link: not link.certificate.subject
    ),
    Rule(
        "certificate-not-yet-valid",
        "the user's certificate is not yet valid",
        "RFC 5280, 6.1.3",
        lambda link: link.now < link.certificate.not_before,
    ),
    Rule(
        "certificate-expired",
        "the user's certificate has expired",
        "RFC 5280, 6.1.3",
        lambda link: link.now >= link.certificate.not_after,
    ),
)

_AUTHORITY: tuple[Rule[Link], ...] = (
    Rule(
        "ca-not-yet-valid",
        "a CA is not yet valid",
        "RFC 5280, 6.1.3",
        lambda link: link.now < link.certificate.not_before,
    ),
    Rule("ca-expired", "a CA has expired", "RFC 5280, 6.1.3", lambda link: link.now >= link.certificate.not_after),
    Rule(
        "ca-not-ca",
        "a certificate of the trust directory is not a CA's",
        "RFC 5280, 4.2.1.9 and 6.1.4",
        lambda link: not link.certificate.is_ca and link.certificate.version == 3,  # noqa: PLR2004 - old roots cannot say it
    ),
    Rule(
        "ca-key-usage",
        "a CA may not sign certificates",
        "RFC 5280, 4.2.1.3 and 6.1.4",
        lambda link: not link.certificate.may(cert.KEY_CERT_SIGN),
    ),
)


def _policy_missing(link: Link) -> bool:
    return link.authority is not None and link.authority.lacks_policy(link.policy.signing_policy)


def _outside_policy(link: Link) -> bool:
    policy = link.authority.policy if link.authority else None
    ignored = link.policy.signing_policy is Need.IGNORE
    return policy is not None and not ignored and not policy.allows(link.certificate.subject_key)


def _crl(link: Link) -> Crl | None:
    return link.authority.crl if link.authority and link.policy.crl is not Need.IGNORE else None


def _crl_fault(name: str) -> Callable[[Link], bool]:
    return lambda link: (
        link.policy.crl is not Need.IGNORE and link.authority is not None and link.authority.crl_fault == name
    )


def _crl_missing(link: Link) -> bool:
    return link.policy.crl is Need.REQUIRE and link.authority is not None and link.authority.crl is None


_SIGNED_BY_CA: tuple[Rule[Link], ...] = (
    Rule("signing-policy-missing", "a CA has no signing policy that can be read", "Globus", _policy_missing),
    Rule("signing-policy", "a CA's signing policy does not cover this name", "Globus", _outside_policy),
    Rule("crl-unreadable", "a CA's revocation list cannot be read", "RFC 5280, 5.1", _crl_fault("crl-unreadable")),
    Rule(
        "crl-signature",
        "a revocation list was not signed by its CA, or in a way that is not known here",
        "RFC 5280, 6.3.3",
        _crl_fault("crl-signature"),
    ),
    Rule(
        "crl-weak",
        "a revocation list's signature uses a digest that is too weak",
        "this service",
        lambda link: (crl := _crl(link)) is not None and is_weak(crl.signature_hash, link.policy),
    ),
    Rule("crl-missing", "a CA has no revocation list", "this service", _crl_missing),
    Rule(
        "crl-stale",
        "a CA's revocation list is out of date",
        "RFC 5280, 5.1.2.5 and 6.3.3",
        lambda link: (crl := _crl(link)) is not None and not crl.is_current(link.now),
    ),
    Rule(
        "revoked",
        "a certificate was revoked",
        "RFC 5280, 6.1.3 and 6.3.3",
        lambda link: (crl := _crl(link)) is not None and link.certificate.serial in crl.revoked,
    ),
)

_EVERYWHERE: tuple[Rule[Link], ...] = (
    Rule(
        "critical-extension",
        "a critical extension is not understood",
        "RFC 5280, 4.2 and 6.1.5",
        lambda link: any(
            it.critical and name not in _KNOWN_EXTENSIONS for name, it in link.certificate.extensions.items()
        ),
    ),
)

_SIGNATURE_STRONG: tuple[Rule[Link], ...] = (
    Rule(
        "signature-weak",
        "a signature uses a digest that is too weak",
        "this service",
        lambda link: is_weak(link.certificate.signature_hash, link.policy),
    ),
)

# Of CAs and end entities the signature is looked at when their issuer is chosen; a root's own says nothing.
_SIGNATURE: tuple[Rule[Link], ...] = (
    Rule(
        "signature-invalid",
        "a signature is not its issuer's",
        "RFC 3820, 4.1.3",
        lambda link: not link.certificate.is_signed_by(link.issuer),
    ),
)

LINK_RULES: dict[Role, tuple[Rule[Link], ...]] = {
    Role.ROOT: (*_EVERYWHERE, *_AUTHORITY),
    Role.AUTHORITY: (*_EVERYWHERE, *_AUTHORITY, *_SIGNED_BY_CA, *_SIGNATURE_STRONG),
    Role.END_ENTITY: (*_BELOW_CA, *_EVERYWHERE, *_END_ENTITY, *_SIGNED_BY_CA, *_SIGNATURE_STRONG),
    Role.PROXY: (*_BELOW_CA, *_EVERYWHERE, *_PROXY, *_SIGNATURE_STRONG, *_SIGNATURE),
}
