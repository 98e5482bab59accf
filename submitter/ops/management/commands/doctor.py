"""`manage.py doctor`: look at a whole installation, and say what to do about each fault."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from submitter.ops.doctor import cluster_checks, host_checks, http_checks
from submitter.ops.doctor.finding import Finding, Level, declared, tried

# Findings that there may be, beside those of one cluster and the ids of `check --deploy`.
_NAMES = frozenset(
    {
        "settings", "database", "ssh-ca-key", "trust-directory", "trust-files", "broker", "beat", "grid-mapfile",
        "static-files", "migrations", "audit-log", "audit-log-role", "front-server", "proxy-header", "header-size",
        "clusters",
    }
)  # fmt: skip
_CHECK = re.compile(r"[a-z_]+\.[A-Z][0-9]{3}")


class Command(BaseCommand):
    """Exit code 1 if something fails."""

    help = (
        "Look at settings, keys, trust directory, database, Redis, front server and clusters; say what to mend. "
        "Run it as the account of the service. The exit code is 1 where something is to mend. "
        "What the setting DOCTOR_ACCEPTS names is wanted so: it is told, and does not count."
    )
    examples = ("doctor", "doctor --url https://submit.example.org", "doctor --insecure --url https://127.0.0.1:8443")
    requires_system_checks = ()  # it has its own words for what they find

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the address under which callers reach the service."""
        parser.add_argument(
            "--url", help="the address under which callers reach the service; without it, the way in is not tried"
        )
        parser.add_argument(
            "--insecure", action="store_true", help="do not verify the certificate of --url, such as a self-signed one"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print each finding as soon as it is there."""
        failed = accepted = 0
        names = set(_NAMES)
        for found in _findings(options["url"], insecure=options["insecure"]):
            finding = declared(found, settings.DOCTOR_ACCEPTS)
            self.stdout.write(str(finding))
            failed += finding.level is Level.FAIL
            accepted += finding is not found
            names.add(found.name)
        for name in settings.DOCTOR_ACCEPTS:
            if name not in names and not _CHECK.fullmatch(name):
                self.stdout.write(str(_no_finding(name)))
        if failed:
            raise CommandError(f"{failed} to mend")
        self.stdout.write(f"All is well, but for {accepted} that DOCTOR_ACCEPTS names." if accepted else "All is well.")


def _findings(url: str | None, *, insecure: bool) -> Iterator[Finding]:
    away = False
    for finding in host_checks.look():
        away = away or host_checks.is_away(finding)
        yield finding
    if url:
        yield from tried("front-server", partial(http_checks.look, url, insecure=insecure))
    else:
        yield Finding(Level.NOTE, "front-server", "not tried", "name the service's address with --url")
    if away:
        yield host_checks.unseen("clusters")
    else:
        yield from tried("clusters", cluster_checks.look)


def _no_finding(name: str) -> Finding:
    message = f"there is no finding “{name}”"
    return Finding(Level.NOTE, "DOCTOR_ACCEPTS", message, "write a name as the doctor prints it, or take it out")
