"""Writes the reference in docs/reference/ from the code, or says which pages are not current."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser

from submitter.documentation.pages import PAGES

DIRECTORY = Path(settings.BASE_DIR) / "docs" / "reference"


class Command(BaseCommand):
    """Writes or checks the pages."""

    help = (
        "Writes the reference into docs/reference/: settings, metrics, log events, errors, proxy rules and "
        "the API, from the code that has them. It asks neither the database nor Redis."
    )
    examples = ("makereference", "makereference --check")
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether to write."""
        parser.add_argument("--check", action="store_true", help="write nothing; the exit code is 1 if a page is old")

    def handle(self, *_args: Any, check: bool, **_options: Any) -> None:
        """Write the pages; with `check` raise CommandError where one is missing or old."""
        stale = stale_pages()
        if check and stale:
            raise CommandError(f"not current: {', '.join(sorted(stale))}; `make reference` writes them anew")
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        for name, text in stale.items():
            (DIRECTORY / name).write_text(text, encoding="utf-8")
        self.stdout.write(f"{len(PAGES)} pages, {len(stale)} of them written")


def stale_pages() -> dict[str, str]:
    """Return the pages that stand in docs/reference/ in another form, or not at all, as they should be."""
    texts = {name: page() for name, page in PAGES.items()}
    return {name: text for name, text in texts.items() if _read(DIRECTORY / name) != text}


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None
