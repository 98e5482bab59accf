"""Turns the value of a PROXY header into an Identity or a Refusal, by files that are read again when they change."""

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

# These pass with time alone, so they are not cached.
_TIMELY = {"proxy-not-yet-valid", "certificate-not-yet-valid", "ca-not-yet-valid", "crl-stale"}


def now() -> datetime:
    """Return this moment, aware UTC."""
    return datetime.now(UTC)


def may_be_used(account: str) -> bool:
    """Return whether jobs may run as `account`.

    ACCOUNTS_NEVER_USED decides, and ACCOUNT_UIDS where this machine knows the account as well.
    """
    if account in settings.ACCOUNTS_NEVER_USED:
        return False
    try:
        uid = pwd.getpwnam(account).pw_uid
    except KeyError:
        return True  # it exists on the clusters only, whose connections ask for its uid there
    return any(low <= uid <= high for low, high in settings.ACCOUNT_UIDS)


def follow_gridmap(path: Path) -> ReloadingFile[Gridmap]:
    """Return the grid-mapfile at `path`, which is read again when it changes."""
    return ReloadingFile(
        lambda: {path.name: file_version(path.stat())}, lambda _, before: _load_gridmap(path, before), Gridmap()
    )


def _load_gridmap(path: Path, before: Gridmap | None) -> Gridmap:
    """Read the file. Raises OSError, and Unreadable for one that ends within a line while there is a version `before`.

    Such a file is taken for half-written.
    """
    raw = path.read_bytes()
    if before is not None and raw and not raw.endswith(b"\n"):
        raise Unreadable("it does not end with a line break: half-written?")
    return gridmap.parse(raw)


class ProxyAuthenticator:
    """Authenticates callers by one configuration: it reloads the files that this names, and caches its verdicts.

    Threads share it.
    """

    def __init__(self, configuration: Conf, clock: Callable[[], datetime] = now) -> None:
        self._conf = configuration
        self._clock = clock
        self._trust = store.follow(configuration.trust_dir)
        self._gridmap = follow_gridmap(configuration.gridmap)
        self._cache = VerdictCache(configuration.cache_ttl)

    def cached(self, header: str) -> Verdict | None:
        """Return the verdict on the Base64 of a proxy if it is in the cache and still holds; else None."""
        state = (self._trust.state().value.digest, self._gridmap.state().value)
        return self._cache.get(self._cache.digest(header), state, self._clock())

    def authenticate(self, header: str) -> Verdict:
        """Return the verdict on the Base64 of a proxy: from the cache, or by judging it. Raises nothing.

        The header itself is not kept. Not checked here: whether the address has been refused too often.
        """
        trusted, accounts = self._trust.state().value, self._gridmap.state().value
        state, moment = (trusted.digest, accounts), self._clock()
        digest = self._cache.digest(header)
        verdict = self._cache.get(digest, state, moment)
        if verdict is None:
            verdict, until = self._judge(header, trusted, accounts, moment)
            if until > moment:
                self._cache.keep(digest, state, verdict, until)
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
        """Return how many CAs are trusted now; without one nobody is let in."""
        return len(self._trust.state().value.anchors.authorities)

    def mapped(self) -> int:
        """Return how many DNs the grid-mapfile gives an account."""
        return sum(not entry.is_disputed for entry in self._gridmap.state().value.entries.values())

    def problems(self) -> list[str]:
        """Return what is wrong with the files, a sentence each: for /healthz and the system checks."""
        trusted, accounts = self._trust.state(), self._gridmap.state()
        faults = [("trust directory", trusted.fault), ("grid-mapfile", accounts.fault)]
        return [
            *(f"{what}: {fault}" for what, fault in faults if fault),
            *(f"trust directory: {problem}" for problem in trusted.value.problems(self._clock(), self._conf.policy)),
            *(f"grid-mapfile: {problem}" for problem in accounts.value.problems),
        ]


@lru_cache(maxsize=1)
def authenticator() -> ProxyAuthenticator:
    """Return this process's authenticator, made when it is first needed. Raises ValueError for a wrong setting."""
    return ProxyAuthenticator(conf.read())


def problems() -> list[str]:
    """Return what is wrong with the files that decide who is let in, a sentence each; for /healthz."""
    return authenticator().problems()
