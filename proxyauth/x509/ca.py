"""PURE: the CAs that are trusted, each with its signing policy and its revocation list."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from proxyauth.errors import Unreadable
from proxyauth.policy import Need
from proxyauth.x509 import der, dn, signature
from proxyauth.x509.certificate import Certificate
from proxyauth.x509.signing_policy import SigningPolicy

# cRLNumber and authorityKeyIdentifier say nothing about which certificates are meant; other critical extensions of a
# list do.
_HARMLESS = {"2.5.29.20", "2.5.29.35"}
_CHANGES_ONLY = "2.5.29.27"  # deltaCRLIndicator: whether a tool has marked it critical, as it must, or not


@dataclass(frozen=True)
class Crl:
    """A certificate revocation list: whose, from when to when, and which serial numbers. Times are aware UTC."""

    issuer_key: str
    this_update: datetime
    next_update: datetime | None
    revoked: frozenset[int]
    parsed: x509.CertificateRevocationList = field(repr=False)

    def is_signed_by(self, authority: Certificate) -> bool:
        """Return whether the authority's key made the signature; no, also where its algorithm is unknown."""
        return signature.is_made_by(authority.public_key, self.parsed)

    @cached_property
    def signature_hash(self) -> str:
        """The digest of the signature on this list ("sha256")."""
        return signature.digest(self.parsed)

    def is_current(self, now: datetime) -> bool:
        """Return whether the list speaks for `now`; one without a next update never grows stale."""
        return self.this_update <= now and (self.next_update is None or now < self.next_update)


def read_crl(raw: bytes) -> Crl:
    """Read a CRL, PEM or DER. Raises Unreadable, also for one that covers only a part of a CA's certificates."""
    try:
        load = x509.load_pem_x509_crl if b"-----BEGIN" in raw else x509.load_der_x509_crl
        parsed = load(raw)
        _expect_complete(parsed)
        return Crl(
            issuer_key=dn.key(_issuer(parsed.public_bytes(Encoding.DER))),
            this_update=parsed.last_update_utc,
            next_update=parsed.next_update_utc,
            revoked=frozenset(entry.serial_number for entry in parsed),
            parsed=parsed,
        )
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, der.NotDer, dn.BadName) as exc:
        raise Unreadable(f"it is not a revocation list: {exc}") from exc


def _issuer(raw: bytes) -> dn.Name:
    """Return the issuer: the third field, behind the version and the algorithm (RFC 5280 section 5.1). Raises NotDer.

    The algorithm that is signed has to be the one that is named beside the signature (section 5.1.1.2).
    """
    contents, algorithm, signature_bits = der.sequence(raw)
    der.octets(signature_bits)
    fields = der.sequence(contents.raw)
    signed, issuer = fields[1:3] if fields[0].tag == der.INTEGER else fields[:2]
    if signed.raw != algorithm.raw:
        raise der.NotDer("two signature algorithms are named")
    return dn.decode(issuer)


def _expect_complete(parsed: x509.CertificateRevocationList) -> None:
    """Raise Unreadable for delta, indirect and partial lists: a serial number missing there means nothing."""
    for extension in parsed.extensions:
        name = extension.oid.dotted_string
        if name == _CHANGES_ONLY or (extension.critical and name not in _HARMLESS):
            raise Unreadable("it is a partial list, or has a critical extension that is not understood")


@dataclass(frozen=True)
class Authority:
    """A CA of the trust directory.

    `policy` is None where none was found, or, with `policy_fault`, where what was found does not speak of this CA or
    cannot be read. `crl` is None without a list; `crl_fault` names why a list that is there cannot be used
    ("crl-signature", "crl-unreadable"), else "". `policy_gone` and `crl_gone` say that no file holds it any more.
    """

    certificate: Certificate
    policy: SigningPolicy | None = None
    policy_fault: bool = False
    crl: Crl | None = None
    crl_fault: str = ""
    policy_gone: bool = False
    crl_gone: bool = False

    def lacks_policy(self, need: Need) -> bool:
        """Return whether a signing policy is needed and not there; one that cannot be read is needed, too."""
        if need is Need.REQUIRE:
            return self.policy is None or self.policy_gone
        return need is Need.IF_PRESENT and self.policy is None and self.policy_fault

    @property
    def is_root(self) -> bool:
        """Whether the path ends here."""
        return self.certificate.subject_key == self.certificate.issuer_key


@dataclass(frozen=True)
class Anchors:
    """All trusted CAs."""

    authorities: tuple[Authority, ...] = ()

    @cached_property
    def _by_subject(self) -> Mapping[str, tuple[Authority, ...]]:
        by_name: dict[str, tuple[Authority, ...]] = {}
        for authority in sorted(self.authorities, key=lambda each: each.certificate.not_after, reverse=True):
            name = authority.certificate.subject_key
            by_name[name] = (*by_name.get(name, ()), authority)
        return by_name

    def named(self, subject_key: str) -> tuple[Authority, ...]:
        """Return the CAs of this name (several after a key change), the one that lives longest first."""
        return self._by_subject.get(subject_key, ())


def choose_crl(certificate: Certificate, crls: Iterable[Crl]) -> tuple[Crl | None, str]:
    """Return the newest list that this CA signed, and "crl-signature" where there are only others in its name."""
    named = [crl for crl in crls if crl.issuer_key == certificate.subject_key]
    signed = [crl for crl in named if crl.is_signed_by(certificate)]
    newest = max(signed, key=lambda crl: crl.this_update, default=None)
    return newest, "crl-signature" if named and not signed else ""
