"""PURE: what a trust directory held before: a revocation list or signing policy whose file has gone still counts.

A list that vanishes would let the revoked in again, a policy where none is needed would let its CA sign any name, and
nobody would notice. The memory is a process's own: a restart forgets, and then the files alone count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxyauth.x509.ca import Authority, Crl, choose_crl
from proxyauth.x509.certificate import Certificate
from proxyauth.x509.signing_policy import SigningPolicy


@dataclass(frozen=True)
class Former:
    """The lists and, by the keys of the CAs' names, the policies that counted last."""

    crls: tuple[Crl, ...] = ()
    policies: Mapping[str, SigningPolicy] = field(default_factory=dict)

    def newer_crl(self, certificate: Certificate, present: Crl | None) -> Crl | None:
        """Return the list of this CA that counted last, if none is present or an older one is; else None."""
        last, _ = choose_crl(certificate, self.crls)
        return last if last and (present is None or present.this_update < last.this_update) else None

    def after(self, authorities: Sequence[Authority]) -> "Former":
        """Return what counts now, and what counted of CAs that have nothing now, or are away: they may come back."""
        kept = [crl for crl in self.crls if not _is_replaced(crl, authorities)]
        policies = {each.certificate.subject_key: each.policy for each in authorities if each.policy}
        return Former((*kept, *(each.crl for each in authorities if each.crl)), {**self.policies, **policies})


def _is_replaced(crl: Crl, authorities: Sequence[Authority]) -> bool:
    """Return whether a list counts now for the CA that signed this one."""
    named = [each for each in authorities if each.crl and each.certificate.subject_key == crl.issuer_key]
    return any(crl.is_signed_by(each.certificate) for each in named)
