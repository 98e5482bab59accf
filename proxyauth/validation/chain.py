"""PURE: validates a chain of certificates, and returns the end entity that stands behind a proxy.

The path is assembled here, judged by the table in `rules`, and then given to OpenSSL for a second opinion. OpenSSL
alone would let through much that RFC 3820 and the grid's customs forbid, and knows nothing of the two older types of
proxies, whose users it judges. CAs come from the trust directory only: those in the header are ignored.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from OpenSSL import crypto

from proxyauth.errors import NotAllowed
from proxyauth.policy import Kind, Need, Policy
from proxyauth.validation import rules
from proxyauth.validation.algorithms import check_key
from proxyauth.validation.path import Delegation, Link, Path, looks_legacy
from proxyauth.x509 import dn
from proxyauth.x509.ca import Anchors, Authority
from proxyauth.x509.certificate import Certificate
from proxyauth.x509.dn import Name

_MAX_AUTHORITIES = 8
# What OpenSSL alone decides about a path whose rules were kept (x509_vfy.h); anything else is `path-invalid`.
_OPENSSL_RULES = {25: "ca-path-length", 47: "name-constraints", 48: "name-constraints"}

# Is told of each rule that was kept: by what, and the rule's name.
Trace = Callable[[str, str], None]


def ignore(_about: str, _rule: str) -> None:
    """Take no note: the trace of those who need none."""


@dataclass(frozen=True)
class Verified:
    """Who stands behind a credential.

    `not_before` and `not_after` bound the user's part of the chain; `expires` is the first moment at which any part of
    the judgement ends, CAs and revocation lists included. Times are aware UTC.
    """

    dn: str
    owner: Name
    kind: Kind
    is_limited: bool
    serial: int
    not_before: datetime
    not_after: datetime
    expires: datetime


def judge(
    certificates: Sequence[Certificate], anchors: Anchors, now: datetime, policy: Policy, trace: Trace = ignore
) -> Verified:
    """Return who stands behind a credential's `certificates`, leaf first. Raises NotAllowed with the rule that failed.

    `now` is aware; `trace` is told of each rule that was kept (RFC 5280, section 6; RFC 3820, section 4; rules.py has
    the others' sources). Not checked here: that the caller has the key, and that the end entity has an account.
    """
    path = assemble(certificates, anchors, policy)
    for rule in rules.PATH_RULES:
        rule.check(path)
        trace("the chain", rule.name)
    for link in path.links(now):
        _check_link(link, trace)
    _ask_openssl(path, now)
    trace("the chain", "openssl")
    return _verified(path)


def _check_link(link: Link, trace: Trace) -> None:
    about = dn.text(link.certificate.subject)
    check_key(link.certificate.public_key, link.policy)
    trace(about, "key")
    for rule in rules.LINK_RULES[link.role]:
        rule.check(link)
        trace(about, rule.name)


def assemble(certificates: Sequence[Certificate], anchors: Anchors, policy: Policy) -> Path:
    """Order the certificates from the leaf, which is first, up to a root of the trust directory. Raises NotAllowed."""
    current, *others = certificates
    if current.is_ca and not current.proxy_info:
        raise NotAllowed("ca-as-credential", "this is the certificate of a CA")
    proxies: list[Delegation] = []
    while (kind := _kind(current, anchors)) is not Kind.END_ENTITY:
        proxies.append(Delegation(current, kind))
        current = _issuer(current, others, anchors)
        others.remove(current)
    return Path(tuple(proxies), current, tuple(_authorities(current, others, anchors)), policy)


def _kind(certificate: Certificate, anchors: Anchors) -> Kind:
    if certificate.proxy_info:
        return certificate.proxy_info.kind
    if not looks_legacy(certificate) or _signer(certificate, anchors):
        return Kind.END_ENTITY
    return Kind.LEGACY


def _signer(certificate: Certificate, anchors: Anchors) -> Authority | None:
    """Return the trusted CA that signed this; of several of one name, the one whose key did."""
    named = anchors.named(certificate.issuer_key)
    return next((each for each in named if certificate.is_signed_by(each.certificate)), None)


def _issuer(proxy: Certificate, others: Sequence[Certificate], anchors: Anchors) -> Certificate:
    """Return the certificate that a proxy names as its issuer; whether it signed is a rule's question."""
    named = [each for each in others if each.subject_key == proxy.issuer_key]
    if anchors.named(proxy.issuer_key):
        raise NotAllowed("proxy-signed-by-ca", "a proxy names a CA of the trust directory as its issuer")
    if not named:
        raise NotAllowed("issuer-missing", "the certificate that issued a proxy is missing")
    if len(named) > 1:
        raise NotAllowed("issuer-ambiguous", "two certificates have the name of a proxy's issuer")
    if named[0].is_ca and not named[0].proxy_info:
        raise NotAllowed("end-entity-is-ca", "a proxy was issued by an untrusted certificate that claims to be a CA")
    return named[0]


def _authorities(end_entity: Certificate, others: Sequence[Certificate], anchors: Anchors) -> Iterator[Authority]:
    if not anchors.named(end_entity.issuer_key):
        raise _no_authority(end_entity, others)
    signer = _signer(end_entity, anchors)
    if signer is None:
        raise NotAllowed("signature-invalid", "the user's certificate was not signed by the CA that it names")
    yield signer
    for _ in range(_MAX_AUTHORITIES):
        if signer.is_root:
            return
        signer = _signer(signer.certificate, anchors)
        if signer is None:
            break
        yield signer
    raise NotAllowed("ca-incomplete", "the trust directory holds no root for this CA")


def _no_authority(end_entity: Certificate, others: Sequence[Certificate]) -> NotAllowed:
    """Why no CA answers for the end entity: it may be none, but something that a user or a proxy issued."""
    for other in others:
        if other.subject_key == end_entity.issuer_key and not other.is_ca:
            if other.proxy_info or looks_legacy(other):
                return NotAllowed("end-entity-by-proxy", "a certificate that is not a proxy was issued by a proxy")
            return NotAllowed("issuer-not-ca", "a certificate that is not a proxy was issued by one that is not a CA")
    return NotAllowed("ca-unknown", "the CA of the user's certificate is not trusted here")


def _ask_openssl(path: Path, now: datetime) -> None:
    """Verify with OpenSSL what it can: the whole path of an RFC proxy, else the user's certificate and its CAs."""
    *between, root = [each.certificate for each in path.authorities]
    chain = [each.certificate for each in path.proxies if each.kind is Kind.RFC] + [path.end_entity, *between]
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.ALLOW_PROXY_CERTS)
    store.set_time(now.astimezone(UTC).replace(tzinfo=None))  # the zone would be ignored
    store.add_cert(crypto.X509.from_cryptography(root.parsed))
    try:
        leaf, *rest = [crypto.X509.from_cryptography(each.parsed) for each in chain]
        crypto.X509StoreContext(store, leaf, rest).verify_certificate()
    except crypto.X509StoreContextError as exc:
        rule = _OPENSSL_RULES.get(exc.errors[0], "path-invalid")
        raise NotAllowed(rule, f"OpenSSL refuses the path: {exc.errors[2]}") from exc
    except crypto.Error as exc:
        raise NotAllowed("path-invalid", "OpenSSL cannot read the path") from exc


def _verified(path: Path) -> Verified:
    below = [*(each.certificate for each in path.proxies), path.end_entity]
    ends = [each.not_after for each in below] + [each.certificate.not_after for each in path.authorities]
    if path.policy.crl is not Need.IGNORE:
        ends += [each.crl.next_update for each in path.authorities if each.crl and each.crl.next_update]
    return Verified(
        dn=dn.text(path.end_entity.subject),
        owner=path.end_entity.subject,
        kind=path.proxies[0].kind if path.proxies else Kind.END_ENTITY,
        is_limited=any(each.is_limited for each in path.proxies),
        serial=path.end_entity.serial,
        not_before=max(each.not_before for each in below),
        not_after=min(each.not_after for each in below),
        expires=min(ends),
    )
