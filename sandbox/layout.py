"""Where everything of the sandbox lies: the checkout, its state directory, and the paths in it."""

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

MACHINE_STATE = Path("/var/lib/job-submitter-sandbox")
"""What several checkouts on one machine share: who is there, and the states that cannot lie in their checkout."""

LONGEST_STATE = 48
"""A Unix socket's path has at most 107 bytes, and the longest one here, of a job step of SLURM, ends in 58 of its own.

What creates that socket does not complain about a longer path, it crashes: every job would be held as not startable.
"""


@dataclass(frozen=True)
class Layout:
    """The paths of one sandbox. `state` is the real directory behind the checkout's `.local`."""

    checkout: Path
    state: Path

    @property
    def identity(self) -> str:
        """A short name for this checkout, unique on the machine."""
        return identity(self.checkout)

    @property
    def venv(self) -> Path:
        """The Python environment of the service and its tests."""
        return self.state / "venv"

    @property
    def run(self) -> Path:
        """Sockets and process ids."""
        return self.state / "run"

    @property
    def log(self) -> Path:
        """One log file a process."""
        return self.state / "log"

    @property
    def data(self) -> Path:
        """What the databases keep."""
        return self.state / "data"

    @property
    def secrets(self) -> Path:
        """Passwords made for this sandbox, readable by root alone."""
        return self.state / "secrets"

    @property
    def slurm(self) -> Path:
        """One directory a cluster, and one for slurmdbd."""
        return self.state / "slurm"

    @property
    def spool(self) -> Path:
        """What the worker nodes hold for running jobs: close to the top, for the sockets in it have long names."""
        return self.state / "spool"

    @property
    def sshd(self) -> Path:
        """One directory a login node."""
        return self.state / "sshd"

    @property
    def grid(self) -> Path:
        """The certificate authority, its trust directory, the users' certificates and the grid-mapfile."""
        return self.state / "grid"

    @property
    def proxies(self) -> Path:
        """One proxy file a test user."""
        return self.state / "proxies"

    @property
    def service(self) -> Path:
        """The service's own keys, configuration and static files."""
        return self.state / "service"


def identity(checkout: Path) -> str:
    """Return twelve hexadecimal digits that stand for the checkout's path."""
    return hashlib.sha256(str(checkout).encode()).hexdigest()[:12]


def of(checkout: Path) -> Layout:
    """Return the layout of a checkout, whether or not its state exists yet."""
    return Layout(checkout, (checkout / ".local").resolve())


def settle(checkout: Path) -> Layout:
    """Make the state directory where every daemon can use it, and return the layout.

    Where the checkout itself does not suit, the state lies below MACHINE_STATE and `.local` is a link to it.
    A `.local` that was made before (by an ordinary user's `make lint`, say) moves there.
    """
    local = checkout / ".local"
    if os.geteuid() == 0 and not local.is_symlink() and not suits(local):
        home = MACHINE_STATE / identity(checkout)
        home.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if local.is_dir():
            shutil.move(local, home)
        home.mkdir(mode=0o755, exist_ok=True)
        local.symlink_to(home)
    state = local.resolve()
    state.mkdir(mode=0o755, parents=True, exist_ok=True)
    state.chmod(0o755)
    return Layout(checkout, state)


def suits(state: Path) -> bool:
    """Say whether daemons of other accounts can work below `state`, which need not exist yet.

    Everybody must be able to pass through each directory above; munged refuses a key or socket below a directory
    that somebody other than root and itself owns or may write; and Unix sockets must fit their 107 bytes.
    """
    return len(os.fsencode(state)) <= LONGEST_STATE and all(_is_public_and_safe(up) for up in state.parents)


def _is_public_and_safe(directory: Path) -> bool:
    """Say whether root owns the directory, others may pass, and only its owner may replace what is in it."""
    found = directory.stat()
    guarded = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_mode & stat.S_ISVTX
    return found.st_uid == 0 and bool(found.st_mode & stat.S_IXOTH) and bool(guarded)


def own(path: Path, account: str, mode: int) -> Path:
    """Make the directory `path`, give it to `account` with `mode`, and return it."""
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    shutil.chown(path, account, account)
    path.chmod(mode)
    return path


def write(path: Path, text: str, *, account: str | None = "root", mode: int = 0o644) -> Path:
    """Write the file `path` whole or not at all, with `mode`, and return it.

    It belongs to `account`; None leaves it to who runs this. An equal file is left alone, time stamp and all.
    """
    if not path.exists() or path.read_text() != text:
        fresh = path.with_name(f"{path.name}.new")
        fresh.touch(mode=0o600)
        fresh.write_text(text)
        fresh.replace(path)
    if account is not None:
        shutil.chown(path, account, account)
    path.chmod(mode)
    return path
