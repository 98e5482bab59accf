"""PURE: the certificates of a credential in their order: proxies, the end entity, its CAs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import pairwise

from proxyauth.policy import Kind, Policy
from proxyauth.x509 import proxy_info
from proxyauth.x509.ca import Authority
from proxyauth.x509.certificate import Certificate

_LEGACY_NAMES = {"proxy": False, "limited proxy": True}


class Role(Enum):
    """What a certificate is in its path."""

    ROOT = auto()
    AUTHORITY = auto()
    END_ENTITY = auto()
    PROXY = auto()


@dataclass(frozen=True, slots=True)
class Link:
    """A certificate and the one above it; `authority` is that issuer where it is a CA. A root is its own issuer."""

    role: Role
    certificate: Certificate
    issuer: Certificate
    authority: Authority | None
    now: datetime
    policy: Policy


@dataclass(frozen=True, slots=True)
class Delegation:
    """A proxy in its path: `kind` depends on the neighbours for the oldest form, which is told by names only."""

    certificate: Certificate
    kind: Kind

    @property
    def language(self) -> str:
        """The OID of its policy's language; the oldest form says by its name what the others say by OIDs."""
        if self.certificate.proxy_info:
            return self.certificate.proxy_info.language
        return proxy_info.LIMITED if _LEGACY_NAMES.get(last_cn(self.certificate) or "") else proxy_info.INHERIT_ALL

    @property
    def is_limited(self) -> bool:
        """Whether its rights exclude starting jobs."""
        return self.language == proxy_info.LIMITED


@dataclass(frozen=True, slots=True)
class Path:
    """From the leaf up: proxies (leaf first), the end entity, its CA and so on to the root."""

    proxies: tuple[Delegation, ...]
    end_entity: Certificate
    authorities: tuple[Authority, ...]
    policy: Policy

    def links(self, now: datetime) -> Iterator[Link]:
        """From the root down, so that nothing below is worth a signature before what is above holds."""
        root = self.authorities[-1].certificate
        yield Link(Role.ROOT, root, root, None, now, self.policy)
        for parent, child in pairwise(reversed(self.authorities)):
            yield Link(Role.AUTHORITY, child.certificate, parent.certificate, parent, now, self.policy)
        issuer = self.authorities[0]
        yield Link(Role.END_ENTITY, self.end_entity, issuer.certificate, issuer, now, self.policy)
        for above, proxy in pairwise([self.end_entity, *(each.certificate for each in reversed(self.proxies))]):
            yield Link(Role.PROXY, proxy, above, None, now, self.policy)


def last_cn(certificate: Certificate) -> str | None:
    """Return the value of the last RDN, if that is one single CN."""
    rdn = certificate.subject[-1] if certificate.subject else ()
    return rdn[0].value if len(rdn) == 1 and rdn[0].type == "CN" else None


def looks_legacy(certificate: Certificate) -> bool:
    """Return whether its name says that this is a proxy of Globus 2; a real user may be called `proxy`, too."""
    return certificate.proxy_info is None and last_cn(certificate) in _LEGACY_NAMES
