"""What `manage.py` runs; a command that changes something leaves a line in the audit log."""

import sys
from argparse import SUPPRESS
from argparse import HelpFormatter as HelpFormatterOfArgparse
from collections.abc import Sequence
from functools import partial
from textwrap import fill, wrap
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, ManagementUtility
from django.core.management.base import CommandParser, DjangoHelpFormatter

# What a person changes by hand; what the installation does by itself (migrate, collectstatic) is not among them.
_CHANGING = frozenset(
    {
        "axes_reset", "axes_reset_failure_logs", "axes_reset_ip", "axes_reset_ip_username", "axes_reset_logs",
        "axes_reset_username", "changepassword", "createsuperuser", "dbshell", "flush", "loadclusters", "loaddata",
        "prunejobs", "shell",
    }
)  # fmt: skip
_ASKS_FOR_HELP = frozenset({"-h", "--help", "--version"})
# Others' arguments may hold secrets, such as the program that `shell -c` runs.
_TOLD_WITH_ARGUMENTS = frozenset({"loadclusters", "prunejobs"})


_OURS = frozenset({"audit", "clusters", "jobs", "proxyauth", "submitter"})
_WRAP: dict[str, Any] = {"break_on_hyphens": False, "break_long_words": False}
_GENERAL = frozenset(DjangoHelpFormatter.show_last)


class HelpFormatter(HelpFormatterOfArgparse):
    """Keeps the lines of the examples, wraps all else, and breaks no option's name."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(
            part if "\n" in part else fill(part, width, initial_indent=indent, subsequent_indent=indent, **_WRAP)
            for part in text.strip().split("\n\n")
        )

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(" ".join(text.split()), width, **_WRAP)


class Utility(ManagementUtility):
    """Django's, where the help of this project's commands tells what they are for, before what every command takes."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        """Return the command of that name."""
        command = super().fetch_command(subcommand)
        if type(command).__module__.partition(".")[0] in _OURS:
            command.create_parser = partial(_parser, command)  # type: ignore[method-assign]
        return command


def _parser(command: BaseCommand, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
    """Return the command's parser: it knows Django's general options, and names them in one sentence.

    `examples` of the command's class are shown as they are typed after `manage.py`.
    """
    parser = type(command).create_parser(
        command, prog_name, subcommand, formatter_class=HelpFormatter, **options
    )  # fmt: skip
    general = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other list of them
        names = set(action.option_strings) & _GENERAL
        if names:
            action.help = SUPPRESS
            general += sorted(names)
    lines = [f"  manage.py {example}" for example in getattr(command, "examples", ())]
    paragraphs = ["\n".join([f"example{'s' * (len(lines) > 1)}:", *lines])] if lines else []
    paragraphs.append(f"Django's general options are taken as well: {', '.join(general)}.")
    parser.epilog = "\n\n".join(paragraphs)
    return parser


def run(arguments: Sequence[str]) -> None:
    """Run the command that `arguments`, as in sys.argv, name. Raises SystemExit where it fails."""
    name, rest = (arguments[1] if len(arguments) > 1 else ""), list(arguments[2:])
    if name not in _CHANGING or _ASKS_FOR_HELP & set(rest):
        _execute(arguments)
        return
    outcome, recorded = "failed", " ".join(rest) if name in _TOLD_WITH_ARGUMENTS else ""
    try:
        _execute(arguments)
        outcome = "done"
    except SystemExit as exc:
        outcome = "failed" if exc.code else "done"
        raise
    finally:
        if apps.ready:
            from audit import operators  # noqa: PLC0415 - it needs the models, which are loaded by now

            operators.record_command(name, recorded, outcome=outcome)


def _execute(arguments: Sequence[str]) -> None:
    """Run the command. Raises SystemExit where settings are wrong, with one line that names the variable."""
    try:
        Utility(list(arguments)).execute()
    except ImproperlyConfigured as exc:
        sys.exit(f"The settings are wrong: {exc}")
