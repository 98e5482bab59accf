"""Django's settings, read into the values that the rest of this package works with.

Every setting has to be there: submitter.trustsettings takes them from the environment, with Policy's defaults.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import re2
from django.conf import settings

from proxyauth.policy import Kind, Need, Policy
from proxyauth.trust.gridmap import Pattern

T = TypeVar("T")


@dataclass(frozen=True)
class Conf:
    """Where the files are, what the site allows, and for how many seconds a verdict is kept (`cache_ttl`)."""

    trust_dir: Path
    gridmap: Path
    policy: Policy
    dn_pattern: Pattern | None
    cache_ttl: float


MAX_CACHE_TTL = 60.0  # seconds for which one that is no longer let in still is, at most


def read() -> Conf:
    """Return the settings as they are now. Raises ValueError, which names the first one that makes no sense."""
    return Conf(
        trust_dir=Path(settings.TRUST_DIR),
        gridmap=Path(settings.GRIDMAP),
        policy=_policy(),
        dn_pattern=_checked("PROXY_DN_PATTERN", _pattern),
        cache_ttl=_checked("PROXY_CACHE_TTL", _seconds),
    )


def _policy() -> Policy:
    return Policy(
        kinds=_checked("PROXY_TYPES", _kinds),
        allow_limited=_checked("PROXY_ALLOW_LIMITED", bool),
        allow_end_entity=_checked("PROXY_ALLOW_END_ENTITY", bool),
        max_proxies=_checked("PROXY_MAX_DELEGATIONS", int),
        min_rsa_bits=_checked("PROXY_MIN_RSA_BITS", _bits),
        weak_hashes=_checked("PROXY_WEAK_HASHES", _weak_hashes),
        crl=_checked("PROXY_CRL", Need),
        signing_policy=_checked("PROXY_SIGNING_POLICY", Need),
    )


def _checked(name: str, convert: Callable[[Any], T]) -> T:
    value = getattr(settings, name)
    try:
        return convert(value)
    except (ValueError, TypeError) as exc:
        raise ValueError(f"{name}: {value!r} is not possible ({exc})") from exc


def _kinds(names: Iterable[str]) -> frozenset[Kind]:
    kinds = frozenset(map(Kind, names))
    if not kinds or Kind.END_ENTITY in kinds:
        raise ValueError("some of rfc, draft, legacy")
    return kinds


def _weak_hashes(names: Iterable[str]) -> frozenset[str]:
    hashes = frozenset(names)
    if not hashes <= {"sha1", "md5"}:
        raise ValueError("sha1, md5, or nothing")
    return hashes


def _bits(value: int) -> int:
    if not 1024 <= value <= 8192:  # noqa: PLR2004 - the range in which the word key means something
        raise ValueError("1024 to 8192")
    return value


def _seconds(value: float) -> float:
    if not 0 <= value <= MAX_CACHE_TTL:
        raise ValueError("0 to 60")
    return float(value)


def _pattern(text: str) -> Pattern | None:
    """Compile by RE2: users' DNs reach the pattern, and RE2's time is linear in them whatever the pattern is."""
    if not text:
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        pattern = re2.compile(text, options)
    except re2.error as exc:
        reason = exc.args[0].decode("utf-8", "replace") if exc.args else "unknown"
        raise ValueError(f"not a regular expression that RE2 takes, see its syntax: {reason}") from exc
    if "account" not in pattern.groupindex:
        raise ValueError("a group (?P<account>...) is needed")
    return cast("Pattern", pattern)
