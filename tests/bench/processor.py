"""Processor time by kind of process, from /proc before and after (proc(5)): the tree of the sandbox and of this run."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from sandbox import processes

LOGIN = "login node: short-lived and resident"
CLIENT = "the callers themselves"
_UNNAMED = "just begun or ending"
_KINDS = ("gunicorn", "celery", "sshd", "postgres", "slurmctld", "slurmdbd", "slurmd", "munged", "redis", "mariadb")
_TICK = 1000 / os.sysconf("SC_CLK_TCK")  # milliseconds


@dataclass(frozen=True)
class Usage:
    """What a process has used, in milliseconds: itself, and its children that have ended."""

    kind: str
    itself: float
    children: float


def kind(command: str) -> str:
    """Return the kind of the process with this command line: its program's name if it is of none that is known."""
    program = command.partition(" ")[0].rpartition("/")[2]
    return next((name for name in _KINDS if name in command), program or _UNNAMED)


def spent(before: Iterable[Usage], after: Iterable[Usage]) -> dict[str, float]:
    """Return the milliseconds of each kind in between.

    A process that ends hands what it used on to its parent's children, so nothing is lost. The children of sshd are the
    commands of the login node; those of other processes belong to their kind.
    """
    total: defaultdict[str, float] = defaultdict(float)
    for sign, usages in ((1, after), (-1, before)):
        for usage in usages:
            total[usage.kind] += sign * usage.itself
            total[LOGIN if usage.kind == "sshd" else usage.kind] += sign * usage.children
    return dict(total)


def usages(accounts: Collection[int]) -> list[Usage]:
    """Return what the sandbox, this process, what is below them, and the accounts with these uids have used.

    What is of `accounts` and not sshd is of LOGIN, wherever it is in the tree: a command may have left its session.
    """
    members = processes.family(os.getpid()) | processes.family(_supervisor())
    members.update(process for process in processes.everything() if _uid(process) in accounts)
    return [usage for process in members if (usage := _usage(process, accounts))]


def _usage(process: processes.Process, accounts: Collection[int]) -> Usage | None:
    """Return one process's; None if it has just ended."""
    uid = _uid(process)
    try:
        fields = (process.directory / "stat").read_text().rpartition(")")[2].split()
        command = (process.directory / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    own, children = (sum(map(int, fields[start : start + 2])) * _TICK for start in (11, 13))  # fields 14 to 17
    name = CLIENT if process.pid == os.getpid() else kind(command)
    return Usage(LOGIN if uid in accounts and name != "sshd" else name, own, children if name != CLIENT else 0.0)


def _uid(process: processes.Process) -> int | None:
    """Return whose it is; None if it has just ended."""
    try:
        return process.directory.stat().st_uid
    except FileNotFoundError:
        return None


def _supervisor() -> int:
    """Return the pid of the sandbox's process manager."""
    return int((Path(os.environ["CLUSTERS_FILE"]).parents[1] / "run" / "supervisord.pid").read_text())
