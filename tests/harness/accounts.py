"""Unix accounts of these tests alone: their homes, shells and start-up files may be broken without hurting anybody."""

import fcntl
import os
import pwd
import secrets
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox import processes
from sandbox.commands import run, succeeds
from tests.harness.waiting import eventually

GRANT = "plgtest"  # the SLURM account that the sandbox's users have
MARK = "job-submitter fault tests"
"""What the accounts' entries in the user database begin with; then comes the pid of the process that they are for."""


_LOCK = Path("/run/lock/job-submitter-users")


def administer(*command: str) -> None:
    """Change the user database, one process after the other: these commands wait for its lock for seconds only."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        eventually(lambda: succeeds(list(command)), " ".join(command), seconds=120)


@dataclass(frozen=True)
class Account:
    """A Unix account with an association in SLURM's accounting. `slurm` is what SLURM's commands need to be told."""

    name: str
    slurm: dict[str, str]

    @property
    def home(self) -> Path:
        """Its home directory."""
        return Path("/home") / self.name

    def make(self) -> None:
        """Make it, marked with the process that it is for."""
        words = ["--create-home", "--user-group", "--shell", "/bin/bash", "--comment", f"{MARK} {os.getpid()}"]
        administer("useradd", *words, "--password", "*", self.name)
        self.home.chmod(0o700)
        run(["sacctmgr", "-i", "add", "user", self.name, f"account={GRANT}"], env=self.slurm)

    def remove(self) -> None:
        """Cancel its jobs, end its processes, and delete it with its home, as far as there is one."""
        if self.name not in {entry.pw_name for entry in pwd.getpwall()}:
            return
        run(["scancel", "-u", self.name], env=self.slurm)
        eventually(self._is_idle, f"no job of {self.name} is active", seconds=30)
        processes.end(processes.of_account(pwd.getpwnam(self.name).pw_uid))
        # Accounting hears of the last job's end some moments later.
        eventually(self._is_forgotten, f"SLURM lets {self.name} go", seconds=60)
        administer("userdel", "--remove", "--force", self.name)

    def use_shell(self, shell: str) -> None:
        """Change its login shell, to one that need not exist."""
        administer("usermod", "--shell", shell, self.name)

    def write(self, file: str, text: str) -> Path:
        """Write a file of its home, such as a start-up file, and give it to the account."""
        path = self.home / file
        path.write_text(text)
        shutil.chown(path, self.name, self.name)
        return path

    def directory(self, name: str) -> Path:
        """Make a directory in its home."""
        path = self.home / name
        path.mkdir(mode=0o700)
        shutil.chown(path, self.name, self.name)
        return path

    def _is_idle(self) -> bool:
        return not run(["squeue", "-h", "-u", self.name], env=self.slurm).strip()

    def _is_forgotten(self) -> bool:
        known = run(["sacctmgr", "-nP", "show", "user", self.name, "format=user"], env=self.slurm)
        return not known.strip() or succeeds(["sacctmgr", "-i", "delete", "user", self.name], env=self.slurm)


def group(prefix: str, slurm: dict[str, str], size: int) -> Sequence[Account]:
    """Return `size` accounts that no other run has, not yet made."""
    run_id = secrets.token_hex(2)
    return [Account(f"plg{prefix}{run_id}{number}", slurm) for number in range(1, size + 1)]


def command_lines(words: str, accounts: Sequence[Account]) -> list[str]:
    """Return the command lines with `words` that processes of `accounts` run now."""
    return [line for process in _of(accounts) if words in (line := _command_line(process))]


def _of(accounts: Sequence[Account]) -> list[processes.Process]:
    uids = {pwd.getpwnam(account.name).pw_uid for account in accounts}
    return [process for uid in uids for process in processes.of_account(uid)]


def kill(words: str, accounts: Sequence[Account]) -> None:
    """SIGKILL the processes of `accounts` that run a command line with `words`."""
    for process in _of(accounts):
        if words in _command_line(process):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


def nothing_left_of(words: str, accounts: Sequence[Account]) -> None:
    """Wait until no process of `accounts` runs a command line with `words`."""
    eventually(lambda: not command_lines(words, accounts), f"nobody runs {words}", seconds=20)


def _command_line(process: processes.Process) -> str:
    try:
        return (process.directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has just ended
