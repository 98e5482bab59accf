"""What can be seen on this machine: settings, files, database, Redis, beat."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
from django.conf import settings
from django.core import checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from proxyauth.authenticator import authenticator
from submitter.ops import readiness
from submitter.ops.doctor import audit_log
from submitter.ops.doctor.finding import Finding, Level, judged, tried

# What the readiness says in other words below.
_REPORTED_BY_READINESS = {"proxyauth.W001", "clusters.E001"}

_PATIENCE = 3  # seconds, for each address of the database

_REMEDIES = {
    "database": "start PostgreSQL, and compare DATABASE_URL with pg_hba.conf",
    "ssh-ca-key": "SSH_CA_KEY names the file: `ssh-keygen -t ed25519 -N '' -f FILE` makes one; the service's own, 0600",
    "trust-directory": "TRUST_DIR needs HASH.0, HASH.signing_policy and HASH.r0 of each CA (the grid's packages)",
    "trust-files": "renew what is named: `fetch-crl` fetches revocation lists; the service reads the files by itself",
    "broker": "start Redis, and look at REDIS_URL; without it no job is polled and no request limited",
    "beat": "run one `celery -A submitter beat` and at least one `celery -A submitter worker`",
}


def look() -> Iterator[Finding]:
    """Look at all of it. Where the database is away, what is in it is told not to have been looked at."""
    yield from tried("settings", _settings)
    away = False
    for finding in _readiness():
        away = away or is_away(finding)
        yield finding
    yield from tried("grid-mapfile", _gridmap)
    yield from tried("static-files", _static_files)
    if away:
        yield from map(unseen, ("migrations", "audit-log", "audit-log-role"))
    else:
        yield from tried("migrations", _migrations)
        yield from tried("audit-log", audit_log.look)


def is_away(finding: Finding) -> bool:
    """Return whether the finding says that the database cannot be reached."""
    return finding.name == "database" and finding.level is Level.FAIL


def unseen(name: str) -> Finding:
    """Return what is said of a part that needs the database where that is away."""
    message = "not looked at: the database cannot be reached"
    return Finding(Level.NOTE, name, message, "mend what is said of the database, then run the doctor again")


def database() -> readiness.Check:
    """Return whether PostgreSQL answers. It is asked once, not by the pool, which tries for long and logs each time."""
    parameters = connection.get_connection_params() | {"connect_timeout": _PATIENCE}
    try:
        psycopg.connect(**parameters).close()
    except psycopg.Error as exc:
        return readiness.Check("database", ok=False, reason=" ".join(str(exc).split()), critical=True)
    return readiness.database()


def _readiness() -> Iterator[Finding]:
    """Yield what /readyz says of the service itself."""
    looks: dict[str, Callable[[], list[readiness.Check]]] = {
        "database": lambda: [database()],
        "ssh-ca-key": lambda: [readiness.ssh_ca_key()],
        "trust-directory": readiness.trust,
        "broker": lambda: [readiness.broker()],
        "beat": lambda: [readiness.beat()],
    }
    for name, look_at in looks.items():
        yield from tried(name, partial(_judge, look_at))


def _judge(look_at: Callable[[], list[readiness.Check]]) -> Iterator[Finding]:
    for part in look_at():
        yield judged(part.name, part.reason, _REMEDIES[part.name], ok=part.ok)


def _settings() -> Iterator[Finding]:
    """Yield what `check --deploy` says: running as root is among it."""
    messages = [message for message in _messages() if message.id not in _REPORTED_BY_READINESS]
    for message in messages:
        yield Finding(Level.FAIL, f"settings ({message.id})", message.msg, message.hint or "see the operators' guide")
    if not messages:
        yield Finding(Level.OK, "settings", "`check --deploy` finds nothing")


def _messages() -> list[checks.CheckMessage]:
    messages = checks.run_checks(include_deployment_checks=True)
    return [message for message in messages if message.level >= checks.WARNING and not message.is_silenced()]


def _gridmap() -> Iterator[Finding]:
    try:
        count = authenticator().mapped()
    except ValueError:
        return  # the trust directory's line says what is wrong with the settings
    if settings.PROXY_DN_PATTERN:
        yield Finding(Level.OK, "grid-mapfile", "not needed: PROXY_DN_PATTERN maps names to accounts")
    else:
        remedy = 'GRIDMAP names the file, with lines such as: "/C=PL/O=Grid/CN=Somebody" account'
        mapped = "1 name is mapped" if count == 1 else f"{count} names are mapped"
        prefix = "grid-mapfile: "
        faults = [problem.removeprefix(prefix) for problem in authenticator().problems() if problem.startswith(prefix)]
        message = mapped if count else "; ".join([f"{settings.GRIDMAP} gives nobody an account", *faults[:3]])
        yield judged("grid-mapfile", message, remedy, ok=count > 0)


def _static_files() -> Iterator[Finding]:
    there = Path(settings.STATIC_ROOT, "admin").is_dir()
    message = f"{settings.STATIC_ROOT} {'holds' if there else 'does not hold'} the admin's files"
    yield judged("static-files", message, "run `manage.py collectstatic --noinput`", ok=there)


def _migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    message = ", ".join(str(migration) for migration, _ in missing) or "all are applied"
    yield judged("migrations", message, "run `manage.py migrate` as the database's owner", ok=not missing)
