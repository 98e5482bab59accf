"""A trial: what a caller sends, under which trust and policy, and the verdict on it."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

from proxyauth import credential
from proxyauth.errors import Refused
from proxyauth.policy import Policy
from proxyauth.trust import store
from proxyauth.validation import chain
from proxyauth.validation.chain import Verified
from tests.pki import grid
from tests.pki.mint import NOW, Minted, crl

ACCEPTED = "accepted"


@cache
def the_ca() -> Minted:
    """The CA that everybody trusts."""
    return grid.ca()


@cache
def alice() -> Minted:
    """The user whom most proxies are of."""
    return grid.user(the_ca())


@cache
def the_trust() -> Mapping[str, bytes]:
    """A trust directory with that CA: file names and contents."""
    return trust_files(the_ca())


def trust_files(
    authority: Minted,
    slashed: str = grid.CA_NAME,
    stem: str = "0123abcd",
    patterns: tuple[str, ...] = ("/C=PL/O=Grid/*",),
) -> dict[str, bytes]:
    """The three files about a CA."""
    return {
        f"{stem}.0": authority.pem,
        f"{stem}.signing_policy": grid.signing_policy(slashed, *patterns).encode(),
        f"{stem}.r0": crl(authority),
    }


@dataclass(frozen=True)
class Trial:
    """A header (or else the proxy file in it) and all that decides about it."""

    data: bytes = b""
    header: str | None = None
    policy: Policy = field(default_factory=Policy)
    now: datetime = NOW
    files: Mapping[str, bytes] = field(default_factory=the_trust)


@dataclass(frozen=True)
class Case:
    """A trial with the expected verdict: a rule's name, or ACCEPTED."""

    verdict: str
    name: str
    make: Callable[[], Trial]

    def __str__(self) -> str:
        return f"{self.name} -> {self.verdict}"


def of(*certificates: Minted, key: bytes | None = None, policy: Policy = Policy(), now: datetime = NOW) -> Trial:  # noqa: B008
    """The trial of a proxy file with these certificates, leaf first, under the usual trust."""
    return Trial(grid.proxy_file(*certificates, key=key), policy=policy, now=now)


def verdict(trial: Trial, directory: Path) -> Verified | Refused:
    """Who is behind the credential, or why nobody; `directory` is filled with the trust."""
    for name, contents in trial.files.items():
        (directory / name).write_bytes(contents)
    header = base64.b64encode(trial.data).decode() if trial.header is None else trial.header
    trusted = store.follow(directory).state()
    assert not trusted.fault
    try:
        certificates = credential.read(credential.decode_header(header), trial.policy)
        return chain.judge(certificates, trusted.value.anchors, trial.now, trial.policy)
    except Refused as exc:
        return exc


def run(trial: Trial, directory: Path) -> str:
    """The verdict's name: ACCEPTED or the rule."""
    found = verdict(trial, directory)
    return found.rule if isinstance(found, Refused) else ACCEPTED
