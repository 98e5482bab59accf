"""PURE: what a site allows, as one frozen value."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a certificate delegates: the three generations of proxies, or none."""

    RFC = "rfc"
    DRAFT = "draft"
    LEGACY = "legacy"
    END_ENTITY = "end-entity"


class Need(StrEnum):
    """Whether a file beside a CA must be there."""

    REQUIRE = "require"
    IF_PRESENT = "if-present"
    IGNORE = "ignore"


@dataclass(frozen=True)
class Policy:
    """The site's choices; the defaults are those of a site that runs jobs.

    `weak_hashes` lists the digests below SHA-2 that signatures may still use ("sha1", "md5"). `max_proxies` is the
    longest delegation. `crl` and `signing_policy` say whether a CA must come with one; a stale CRL refuses unless
    `crl` is "ignore".
    """

    kinds: frozenset[Kind] = frozenset({Kind.RFC, Kind.DRAFT, Kind.LEGACY})
    allow_limited: bool = False
    allow_end_entity: bool = False
    max_proxies: int = 8
    min_rsa_bits: int = 2048
    weak_hashes: frozenset[str] = frozenset()
    crl: Need = Need.IF_PRESENT
    signing_policy: Need = Need.REQUIRE
