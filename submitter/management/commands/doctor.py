"""`manage.py doctor`: look at a whole installation, and say what to do about each fault."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from submitter import readiness
from submitter.doctor import clustertrial, frontdoor, machine
from submitter.doctor.finding import Finding, Level


class Command(BaseCommand):
    """Exit code 1 if something fails."""

    help = "Look at settings, keys, trust directory, database, Redis, front server and clusters; say what to mend."
    requires_system_checks = ()  # it has its own words for what they find

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the address under which callers reach the service."""
        parser.add_argument("--url", help="https://NAME of the service as callers use it; without it, not tried")
        parser.add_argument("--insecure", action="store_true", help="do not verify the certificate of --url")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print each finding as soon as it is there."""
        failed = 0
        for finding in _findings(options["url"], insecure=options["insecure"]):
            self.stdout.write(str(finding))
            failed += finding.level is Level.FAIL
        if failed:
            raise CommandError(f"{failed} to mend")
        self.stdout.write("All is well.")


def _findings(url: str | None, *, insecure: bool) -> Iterator[Finding]:
    yield from machine.look()
    if url:
        yield from frontdoor.look(url, insecure=insecure)
    else:
        yield Finding(Level.NOTE, "front-server", "not tried", "name the service's address with --url")
    if readiness.database().ok:
        yield from clustertrial.look()
