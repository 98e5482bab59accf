"""The trust directory: CAs (`HASH.0`), revocation lists (`HASH.r0`), signing policies (`HASH.signing_policy`).

HASH is eight hexadecimal digits, computed by OpenSSL in one way before version 1.0 and in another since; both are
only names here, since the files say themselves whom they are about. A file that is read again and cannot be
understood keeps its last good version. A revocation list or a signing policy counts on when its file has gone.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from proxyauth.errors import Refused, Unreadable
from proxyauth.policy import Need, Policy
from proxyauth.trust.file_reload import FileVersion, FileVersions, ReloadingFile, file_version
from proxyauth.trust.former import Former
from proxyauth.validation.algorithms import is_weak
from proxyauth.x509 import certificate, dn, signing_policy
from proxyauth.x509.ca import Anchors, Authority, Crl, choose_crl, read_crl
from proxyauth.x509.certificate import Certificate
from proxyauth.x509.signing_policy import SigningPolicy

_STEM, _HEXADECIMAL = 8, frozenset("0123456789abcdef")
_MAX_FILE = 64 * 1024 * 1024
_SOON = timedelta(days=1)
_LAST_COUNTS = "the last one counts until a file holds it again, or the service is restarted"


@dataclass(frozen=True)
class TrustFile:
    """One file, read; its kind is in its name. `fault` says why this is not its newest version."""

    name: str
    version: FileVersion
    is_stable: bool
    digest: bytes = b""
    authorities: tuple[Certificate, ...] = ()
    policies: tuple[SigningPolicy, ...] = ()
    crl: Crl | None = None
    fault: str = ""

    @property
    def stem(self) -> str:
        """The part of the name that files about one CA share."""
        return self.name.partition(".")[0]

    @property
    def is_crl(self) -> bool:
        """Whether the name is a revocation list's."""
        return self.name.partition(".")[2].startswith("r")

    @property
    def is_policy(self) -> bool:
        """Whether the name is a signing policy's."""
        return self.name.endswith(".signing_policy")


@dataclass(frozen=True)
class Trust:
    """The directory as it was read last; `digest` changes with any of its contents."""

    files: Mapping[str, TrustFile] = field(default_factory=dict)
    anchors: Anchors = field(default_factory=Anchors)
    digest: bytes = b""
    former: Former = field(default_factory=Former)

    def problems(self, now: datetime, policy: Policy) -> list[str]:
        """Return sentences for operators: what cannot be read, and what is or soon will be out of date."""
        faults = [*self._unreadable()]
        for authority in self.anchors.authorities:
            faults += [
                f"CA {dn.text(authority.certificate.subject)}: {what}" for what in _faults(authority, now, policy)
            ]
        return faults

    def _unreadable(self) -> Iterator[str]:
        if not self.anchors.authorities:
            yield "the trust directory holds no CA"
        for name, file in sorted(self.files.items()):
            if file.fault:
                yield f"{name}: {file.fault}"


def _faults(authority: Authority, now: datetime, policy: Policy) -> Iterator[str]:
    """Yield what is wrong with a CA under a site's policy."""
    if now >= authority.certificate.not_after:
        yield "it has expired"
    if authority.lacks_policy(policy.signing_policy):
        yield "it has no signing policy that can be read"
    elif authority.policy_gone and policy.signing_policy is not Need.IGNORE:
        yield f"its signing policy has gone; {_LAST_COUNTS}"
    if policy.crl is not Need.IGNORE:
        yield from _crl_faults(authority, now, policy)


def _crl_faults(authority: Authority, now: datetime, policy: Policy) -> Iterator[str]:
    crl = authority.crl
    if authority.crl_gone:
        yield f"its revocation list has gone, or is older than before; {_LAST_COUNTS}"
    if authority.crl_fault:
        yield f"its revocation list cannot be used ({authority.crl_fault})"
    elif crl is None:
        if policy.crl is Need.REQUIRE:
            yield "it has no revocation list"
    elif is_weak(crl.signature_hash, policy):
        yield f"its revocation list is signed with a digest that is too weak ({crl.signature_hash})"
    elif not crl.is_current(now):
        yield "its revocation list is out of date"
    elif not crl.is_current(now + _margin(crl)):
        yield f"its revocation list ends at {crl.next_update:%Y-%m-%d %H:%M} UTC"


def _margin(crl: Crl) -> timedelta:
    """Return how long before its end a list should have been renewed: a day, or a tenth of a short life."""
    return min(_SOON, (crl.next_update - crl.this_update) / 10) if crl.next_update else timedelta()


def follow(directory: Path) -> ReloadingFile[Trust]:
    """Return the trust directory at `directory`, which is read again when it changes."""
    return ReloadingFile(lambda: _look(directory), lambda versions, before: _load(directory, versions, before), Trust())


def _look(directory: Path) -> FileVersions:
    """Return the versions of the files that have a meaning. Raises OSError for a directory that cannot be read."""
    versions = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            if _has_meaning(entry.name):
                versions[entry.name] = _version(entry)
    return versions


def _has_meaning(name: str) -> bool:
    stem, _, kind = name.partition(".")
    number = kind.removeprefix("r")
    is_known = kind == "signing_policy" or (number.isascii() and number.isdecimal())
    return is_known and len(stem) == _STEM and _HEXADECIMAL.issuperset(stem)


def _version(entry: os.DirEntry[str]) -> FileVersion:
    """Return the version of a file. A link that leads nowhere is a file that cannot be read, not an error here."""
    try:
        return file_version(entry.stat())
    except OSError:
        return file_version(entry.stat(follow_symlinks=False))


def _load(directory: Path, versions: FileVersions, before: Trust | None) -> Trust:
    known = before.files if before else {}
    files = {name: _read(directory / name, versions[name], known.get(name)) for name in sorted(versions)}
    digest = hashlib.sha256(b"".join(name.encode() + b"\0" + file.digest for name, file in files.items()))
    if before and before.digest == digest.digest():
        return replace(before, files=files)
    former = before.former if before else Former()
    authorities = tuple(_authorities(files, former))
    return Trust(files, Anchors(authorities), digest.digest(), former.after(authorities))


def _read(path: Path, now: FileVersion, known: TrustFile | None) -> TrustFile:
    """Read one file, if it changed since it was `known`."""
    if known and known.is_stable and known.version == now:
        return known
    fresh = TrustFile(path.name, now, now.is_stable(time.time_ns()))
    try:
        raw = _bytes(path)
        return replace(_parse(fresh, raw), digest=hashlib.sha256(raw).digest())
    except (OSError, Unreadable) as exc:
        return _broken(fresh, known, str(exc))


def _broken(fresh: TrustFile, known: TrustFile | None, fault: str) -> TrustFile:
    if known and known.digest:
        return replace(
            known, version=fresh.version, is_stable=fresh.is_stable, fault=f"the last good version is used: {fault}"
        )
    return replace(fresh, fault=fault)


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(_MAX_FILE + 1)
    if len(raw) > _MAX_FILE:
        raise Unreadable(f"it is larger than {_MAX_FILE} bytes")
    return raw


def _parse(fresh: TrustFile, raw: bytes) -> TrustFile:
    if fresh.is_crl:
        return replace(fresh, crl=read_crl(raw))
    if not fresh.is_policy:
        return replace(fresh, authorities=_read_certificates(raw))
    try:
        return replace(fresh, policies=tuple(signing_policy.parse(raw.decode("utf-8"))))
    except UnicodeDecodeError as exc:
        raise Unreadable("a signing policy is UTF-8 text") from exc


def _read_certificates(raw: bytes) -> tuple[Certificate, ...]:
    try:
        certificates = x509.load_pem_x509_certificates(raw)
        return tuple(certificate.read_authority(each.public_bytes(Encoding.DER)) for each in certificates)
    except (ValueError, Refused) as exc:
        raise Unreadable(f"it is not a certificate: {exc}") from exc


def _authorities(files: Mapping[str, TrustFile], former: Former) -> Iterator[Authority]:
    """Bring CAs, lists and policies together. One CA is often there twice, under the names of both ways to hash."""
    stems: dict[bytes, set[str]] = {}
    certificates: dict[bytes, Certificate] = {}
    for file in files.values():
        for each in file.authorities:
            stems.setdefault(each.raw, set()).add(file.stem)
            certificates[each.raw] = each
    for raw, each in certificates.items():
        beside = [file for file in files.values() if file.stem in stems[raw]]
        yield _with_policy(_with_crl(Authority(each), files.values(), beside, former), beside, former)


def _with_crl(
    authority: Authority, files: Iterable[TrustFile], beside: Iterable[TrustFile], former: Former
) -> Authority:
    """Add the list of a CA: found by its issuer under any name, so that a wrong name never hides a revocation."""
    crl, fault = choose_crl(authority.certificate, [file.crl for file in files if file.crl])
    if fault:
        return replace(authority, crl_fault=fault)
    if last := former.newer_crl(authority.certificate, crl):
        return replace(authority, crl=last, crl_gone=True)
    if crl is None and any(file.is_crl and file.crl is None for file in beside):
        return replace(authority, crl_fault="crl-unreadable")
    return replace(authority, crl=crl)


def _with_policy(authority: Authority, beside: Iterable[TrustFile], former: Former) -> Authority:
    """Add the policy of a CA: only under one of the CA's own names, so that no other file can widen it."""
    key, files = authority.certificate.subject_key, [file for file in beside if file.is_policy]
    named = [policy for file in files for policy in file.policies if policy.authority == key]
    if named:
        subjects = tuple(pattern for each in named for pattern in each.subjects)
        return replace(authority, policy=SigningPolicy(key, subjects))
    if files:
        return replace(authority, policy_fault=True)
    last = former.policies.get(key)
    return replace(authority, policy=last, policy_gone=last is not None)
