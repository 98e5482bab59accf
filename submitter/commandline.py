"""What `manage.py` runs; a command that changes something leaves a line in the audit log."""

from collections.abc import Sequence

from django.apps import apps
from django.core.management import ManagementUtility

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


def run(arguments: Sequence[str]) -> None:
    """Run the command that `arguments`, as in sys.argv, name. Raises SystemExit where it fails."""
    name, rest = (arguments[1] if len(arguments) > 1 else ""), list(arguments[2:])
    if name not in _CHANGING or _ASKS_FOR_HELP & set(rest):
        ManagementUtility(list(arguments)).execute()
        return
    outcome, words = "failed", " ".join(rest) if name in _TOLD_WITH_ARGUMENTS else ""
    try:
        ManagementUtility(list(arguments)).execute()
        outcome = "done"
    except SystemExit as exc:
        outcome = "failed" if exc.code else "done"
        raise
    finally:
        if apps.ready:
            from audit import operators  # noqa: PLC0415 - it needs the models, which are loaded by now

            operators.tell_command(name, words, outcome=outcome)
