"""Unix accounts of an own instance alone, which SLURM knows: made and removed all at once."""

import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox import processes
from sandbox.commands import CommandFailed, run, succeeds
from tests.bench.target import GRANT
from tests.harness.waiting import eventually

_MARK = "job-submitter benchmarks"


@contextmanager
def made(prefix: str, number: int, slurm: dict[str, str]) -> Iterator[list[str]]:
    """Yield the names of `number` accounts; they are gone afterwards with their jobs. `slurm`: SLURM's environment.

    The names are the same each time, so that a run finds what a killed one has left behind.
    """
    names = [f"{prefix}{count:02}" for count in range(number)]
    for name in names:
        if not _exists(name):
            words = ["--create-home", "--user-group", "--shell", "/bin/bash", "--comment", _MARK, "--password", "*"]
            run(["useradd", *words, name])
    try:
        if missing := sorted(set(names) - _known(slurm)):
            run(["sacctmgr", "-i", "add", "user", ",".join(missing), f"account={GRANT}"], env=slurm)
        yield names
    finally:
        _remove(names, slurm)


def _remove(names: list[str], slurm: dict[str, str]) -> None:
    users = ",".join(names)
    eventually(lambda: succeeds(["scontrol", "ping"], env=slurm), "the controller answers", seconds=60)
    for name in names:
        run(["scancel", "-Q", "-u", name], env=slurm)
    eventually(lambda: not run(["squeue", "-h", "-u", users], env=slurm).strip(), "their jobs have ended", seconds=60)
    eventually(lambda: _forgotten(users, slurm), "accounting has heard that their jobs have ended", seconds=60)
    for name in names:
        processes.end(processes.of_account(pwd.getpwnam(name).pw_uid))
        run(["userdel", "--remove", "--force", name])


def _forgotten(users: str, slurm: dict[str, str]) -> bool:
    """Remove them from accounting; False while it believes that one of their jobs is active, or is away."""
    try:
        run(["sacctmgr", "-i", "delete", "user", users], env=slurm)
    except CommandFailed as exc:
        if not any(words in str(exc) for words in ("Job(s) active", "Connection refused")):
            raise
        return False
    return True


def _known(slurm: dict[str, str]) -> set[str]:
    """Return whom accounting knows; it may be just starting, since tests stop it."""
    question = ["sacctmgr", "-nP", "show", "user", "format=user"]
    eventually(lambda: succeeds(question, env=slurm), "accounting answers", seconds=60)
    return set(run(question, env=slurm).split())


def _exists(name: str) -> bool:
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return False
    if found.pw_gecos != _MARK:
        raise CommandFailed(f"the account {name} exists and is not of the benchmarks")
    return True
