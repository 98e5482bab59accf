"""The door: a header in, an Identity or a Refusal out, remembered for a while; the files behind it are followed."""

import pwd
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from proxyauth import conf, credential
from proxyauth.conf import Conf
from proxyauth.errors import NoAccount, Refused, Unreadable
from proxyauth.identity import Identity, Refusal
from proxyauth.trust import gridmap, store
from proxyauth.trust.file_reload import ReloadingFile, file_version
from proxyauth.trust.gridmap import Gridmap
from proxyauth.validation import chain
from proxyauth.verdict_cache import Verdict, VerdictCache

# Waiting heals these, and nothing else: they are not remembered.
_TIMELY = {"proxy-not-yet-valid", "certificate-not-yet-valid", "ca-not-yet-valid", "crl-stale"}


def now() -> datetime:
    """This moment, aware UTC."""
    return datetime.now(UTC)


def may_be_used(account: str) -> bool:
    """Whether jobs may run as `account`: by ACCOUNTS_NEVER_USED, and by ACCOUNT_UIDS if this machine knows it too."""
    if account in settings.ACCOUNTS_NEVER_USED:
        return False
    try:
        uid = pwd.getpwnam(account).pw_uid
    except KeyError:
        return True  # it exists on the clusters only, whose connections ask for its uid there
    return any(low <= uid <= high for low, high in settings.ACCOUNT_UIDS)


def follow_gridmap(path: Path) -> ReloadingFile[Gridmap]:
    """Follow a grid-mapfile."""
    return ReloadingFile(
        lambda: {path.name: file_version(path.stat())}, lambda _, before: _load_gridmap(path, before), Gridmap()
    )


def _load_gridmap(path: Path, before: Gridmap | None) -> Gridmap:
    """Read the file; one that ends within a line is taken for half-written, if there is a version to go on with."""
    raw = path.read_bytes()
    if before is not None and raw and not raw.endswith(b"\n"):
        raise Unreadable("it does not end with a line break: half-written?")
    return gridmap.parse(raw)


class ProxyAuthenticator:
    """One configuration's door, with the files that it follows and the verdicts that it remembers; threads share it."""

    def __init__(self, configuration: Conf, clock: Callable[[], datetime] = now) -> None:
        self._conf = configuration
        self._clock = clock
        self._trust = store.follow(configuration.trust_dir)
        self._gridmap = follow_gridmap(configuration.gridmap)
        self._memory = VerdictCache(configuration.cache_ttl)

    def recall(self, header: str) -> Verdict | None:
        """Return the verdict on the Base64 of a proxy if it is remembered."""
        state = (self._trust.state().value.digest, self._gridmap.state().value)
        return self._memory.recall(self._memory.digest(header), state, self._clock())

    def admit(self, header: str) -> Verdict:
        """Judge the Base64 of a proxy, or recall the verdict on it."""
        trusted, accounts = self._trust.state().value, self._gridmap.state().value
        state, moment = (trusted.digest, accounts), self._clock()
        digest = self._memory.digest(header)
        verdict = self._memory.recall(digest, state, moment)
        if verdict is None:
            verdict, until = self._judge(header, trusted, accounts, moment)
            if until > moment:
                self._memory.keep(digest, state, verdict, until)
        return verdict

    def _judge(
        self, header: str, trusted: store.Trust, accounts: Gridmap, moment: datetime
    ) -> tuple[Verdict, datetime]:
        try:
            certificates = credential.read(credential.decode_header(header), self._conf.policy)
            verified = chain.judge(certificates, trusted.anchors, moment, self._conf.policy)
            account = gridmap.account_of(verified.owner, accounts, self._conf.dn_pattern, may_be_used)
        except NoAccount as exc:
            return Refusal(exc.rule, exc.message, exc.dn), verified.expires
        except Refused as exc:
            return Refusal(exc.rule, exc.message), moment if exc.rule in _TIMELY else datetime.max.replace(tzinfo=UTC)
        identity = Identity(
            verified.dn, account, verified.kind.value, verified.is_limited, verified.serial, verified.not_after
        )
        return identity, verified.expires

    def authorities(self) -> int:
        """How many CAs are trusted now; without one nobody is let in."""
        return len(self._trust.state().value.anchors.authorities)

    def mapped(self) -> int:
        """How many DNs the grid-mapfile gives an account."""
        return sum(not entry.is_disputed for entry in self._gridmap.state().value.entries.values())

    def problems(self) -> list[str]:
        """What is wrong with the files, a sentence each: for /healthz and the system checks."""
        trusted, accounts = self._trust.state(), self._gridmap.state()
        faults = [("trust directory", trusted.fault), ("grid-mapfile", accounts.fault)]
        return [
            *(f"{what}: {fault}" for what, fault in faults if fault),
            *(f"trust directory: {problem}" for problem in trusted.value.problems(self._clock(), self._conf.policy)),
            *(f"grid-mapfile: {problem}" for problem in accounts.value.problems),
        ]


@lru_cache(maxsize=1)
def authenticator() -> ProxyAuthenticator:
    """This process's door, made at the first request; raises ValueError for a wrong setting."""
    return ProxyAuthenticator(conf.read())


def problems() -> list[str]:
    """What is wrong with the files that decide who gets in, a sentence each; for /healthz."""
    return authenticator().problems()
