"""PURE: ProxyCertInfo, which makes a certificate a proxy: RFC 3820 section 3.8, and the draft of it by Globus."""

from collections.abc import Mapping
from dataclasses import dataclass

from proxyauth.errors import Malformed
from proxyauth.policy import Kind
from proxyauth.x509 import der

PROXY_CERT_INFO = {"1.3.6.1.5.5.7.1.14": Kind.RFC, "1.3.6.1.4.1.3536.1.222": Kind.DRAFT}
INHERIT_ALL, INDEPENDENT = "1.3.6.1.5.5.7.21.1", "1.3.6.1.5.5.7.21.2"
LIMITED = "1.3.6.1.4.1.3536.1.1.1.9"
_LONGEST_PATH = 2**31 - 1  # what Globus and OpenSSL can hold; nobody has so many delegations


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension of a certificate, its value still in DER."""

    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class ProxyInfo:
    """How many delegations may follow (None: any number), and by what language the rights are described."""

    kind: Kind
    critical: bool
    path_length: int | None
    language: str


def find(extensions: Mapping[str, Extension]) -> ProxyInfo | None:
    """Return the ProxyCertInfo among a certificate's extensions, if there is one. Raises Malformed."""
    present = [name for name in extensions if name in PROXY_CERT_INFO]
    if len(present) > 1:
        raise Malformed("proxy-info-duplicate", "a certificate has both forms of ProxyCertInfo")
    if not present:
        return None
    try:
        return _read(PROXY_CERT_INFO[present[0]], extensions[present[0]])
    except der.NotDer as exc:
        raise Malformed("proxy-info-malformed", "a ProxyCertInfo is not of the form that RFC 3820 describes") from exc


def _read(kind: Kind, extension: Extension) -> ProxyInfo:
    """Read both orders: the RFC puts the length before the policy, Globus' draft behind it, tagged [1]."""
    parts = der.sequence(extension.value)
    length: int | None = None
    if parts and parts[0].tag == der.INTEGER:
        length = der.integer(parts.pop(0))
    elif kind is Kind.DRAFT and len(parts) > 1 and parts[-1].tag == der.context(1):
        length = der.integer(der.one(parts.pop().body, der.INTEGER))
    if len(parts) != 1 or (length is not None and not 0 <= length <= _LONGEST_PATH):
        raise der.NotDer("one policy and at most one possible length are expected")
    return ProxyInfo(kind, extension.critical, length, _policy_language(parts[0]))


def _policy_language(item: der.Item) -> str:
    parts = der.sequence(item.raw)
    name, policy = der.oid(next(iter(parts), None)), parts[1:]
    if len(policy) > 1 or any(text.tag != der.OCTET_STRING for text in policy):
        raise der.NotDer("a policy is a language and at most one string")
    if policy and name in {INHERIT_ALL, INDEPENDENT}:
        raise der.NotDer("this language has no policy text (RFC 3820 section 3.8.2)")
    return name
