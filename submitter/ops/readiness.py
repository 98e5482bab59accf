"""Whether each part of the service can do its work, with a reason: for /readyz and `manage.py doctor`.

A part that is `critical` stops the service itself. Without the broker nothing is polled and nobody is slowed down, but
submissions, aborts and the registry work; without one cluster the others do.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import DatabaseError, connection

from clusters.health import ClusterHealth, State, all_health
from clusters.ssh import certificates
from proxyauth.authenticator import authenticator
from submitter.ops import heartbeat, statistics

_NO_CA = "holds no CA: nobody is let in"


@dataclass(frozen=True)
class Check:
    """One part of the service, or one cluster. `reason` says what is known, also where all is well."""

    name: str
    ok: bool
    reason: str
    critical: bool = False


def checks() -> list[Check]:
    """Return how each part is. Nothing here waits for long, and no cluster is asked."""
    parts = [database(), ssh_ca_key(), *trust(), broker(), beat()]
    return [*parts, *([polls(), *clusters()] if parts[0].ok else [])]


def database() -> Check:
    """Return whether PostgreSQL answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as exc:
        return Check("database", ok=False, reason=_line(exc), critical=True)
    return Check("database", ok=True, reason="answers", critical=True)


def ssh_ca_key() -> Check:
    """Return whether certificates can be issued. The file is read anew: what a process remembers may be gone by now."""
    try:
        certificates.read_key(settings.SSH_CA_KEY)
    except certificates.AuthorityError as exc:
        return Check("ssh-ca-key", ok=False, reason=str(exc), critical=True)
    return Check("ssh-ca-key", ok=True, reason="can be read, by its owner alone", critical=True)


def trust() -> list[Check]:
    """Return whether anybody can be let in, and what will soon be in the way (CRLs, CAs, the grid-mapfile)."""
    try:
        current = authenticator()
    except ValueError as exc:
        return [Check("trust-directory", ok=False, reason=str(exc), critical=True)]
    count, problems = current.authorities(), current.problems()
    reason = ("1 CA is trusted" if count == 1 else f"{count} CAs are trusted") if count else _NO_CA
    parts = [Check("trust-directory", ok=count > 0, reason=reason, critical=True)]
    return [*parts, Check("trust-files", ok=not problems, reason="; ".join(problems) or "all are current")]


def broker() -> Check:
    """Return whether Redis answers."""
    return _ask_redis("broker", lambda client: (bool(client.ping()), "answers"))


def beat() -> Check:
    """Return whether beat orders and a worker works."""
    return _ask_redis("beat", _beat)


def polls() -> Check:
    """Return whether jobs are followed in time, as far as their logins answer."""
    late = statistics.late_polls()
    who = "1 account waits" if late == 1 else f"{late} accounts wait"
    reason = f"{who} too long to be polled: are there enough workers?" if late else "none is late"
    return Check("polls", ok=not late, reason=reason)


def clusters() -> list[Check]:
    """Return how each cluster is doing, judged by its last polls."""
    return [_cluster(condition) for condition in all_health(set(statistics.active()))]


def _cluster(condition: ClusterHealth) -> Check:
    ok = condition.state in {State.UP, State.NEVER_ASKED, State.DISABLED}
    age = f"last asked with success {condition.age.total_seconds():.0f} s ago" if condition.age else "never asked yet"
    complaint = condition.cluster.disabled_message if condition.state is State.DISABLED else condition.error
    return Check(f"cluster {condition.cluster.name}", ok, "; ".join(filter(None, (condition.state, age, complaint))))


def _ask_redis(name: str, ask: Callable[[redis.Redis], tuple[bool, str]]) -> Check:
    try:
        with heartbeat.client() as client:
            return Check(name, *ask(client))
    except redis.RedisError as exc:
        return Check(name, ok=False, reason=_line(exc))


def _beat(client: redis.Redis) -> tuple[bool, str]:
    last = heartbeat.last(client)
    if last is None:
        return False, "no heartbeat: beat or every worker is down, or they have just started"
    age = time.time() - last
    return age < heartbeat.LATE, f"last heartbeat {max(0.0, age):.0f} s ago"


def _line(exc: Exception) -> str:
    return str(exc).strip().partition("\n")[0] or type(exc).__name__
