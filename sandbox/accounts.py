"""Unix accounts: the test users with their homes, and the system accounts that run the service and own the CA."""

import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from sandbox import processes
from sandbox.commands import run

MARK = "job-submitter sandbox"
"""Stands in the GECOS field, so that nobody else's account is ever taken for one of these."""

SERVICE = "jobsubmitter"
AUTHORITY = "simpleca"
POLLER = "plgpoll"
OWNERS = ("plgalice", "plgbob")
UNMAPPED = "plgcarol"

GREETING = {
    "/bin/bash": (".bashrc", f"echo 'Welcome to the {MARK}, this line is noise'\n"),
    "/bin/tcsh": (".tcshrc", f"echo 'Welcome to the {MARK}, this line is noise'\n"),
}
"""What start-up files of real users do: they print, also where nobody asked. The service has to survive it."""


class ForeignAccount(Exception):
    """An account of this name exists and is not the sandbox's."""


@dataclass(frozen=True)
class Account:
    """One Unix account; `shell` is None for a system account, which nobody logs in to."""

    name: str
    shell: str | None = None

    def entry(self) -> pwd.struct_passwd | None:
        """Return the account's line in the password file, None if there is none. Raises ForeignAccount."""
        try:
            found = pwd.getpwnam(self.name)
        except KeyError:
            return None
        if found.pw_gecos.split(",")[0] != MARK:
            raise ForeignAccount(f"the account {self.name} exists and is not the sandbox's; it was left alone")
        return found


EVERY = (
    Account("plgalice", "/bin/bash"),
    Account("plgbob", "/bin/tcsh"),
    Account(POLLER, "/bin/bash"),
    Account(SERVICE),
    Account(AUTHORITY),
)


def make() -> None:
    """Make the accounts that are missing; those of an earlier checkout are taken over. Raises ForeignAccount."""
    for account in EVERY:
        if account.entry() is None:
            _add(account)
        if account.shell:
            _furnish(account.name, account.shell)


def remove() -> None:
    """End every process of the accounts and delete them with their homes. Raises ForeignAccount."""
    for account in EVERY:
        entry = account.entry()
        if entry is not None:
            # Jobs and sessions can outlive the daemons that began them.
            processes.end(processes.of_account(entry.pw_uid))
            run(["userdel", *(["--remove"] if account.shell else []), "--force", account.name])


def _add(account: Account) -> None:
    if account.shell is None:
        kind = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        run(["useradd", *kind, "--shell", "/usr/sbin/nologin", "--comment", MARK, account.name])
        return
    place = ["--create-home", "--home-dir", f"/home/{account.name}"]
    run(["useradd", "--user-group", *place, "--shell", account.shell, "--comment", MARK, account.name])
    # sshd without PAM refuses an account whose password field is locked with "!"; "*" matches no password either.
    run(["usermod", "--password", "*", account.name])


def _furnish(name: str, shell: str) -> None:
    """See to it that the home exists, also when only the account was left over, and that it greets."""
    home = Path("/home") / name
    if not home.exists():
        run(["cp", "--recursive", "/etc/skel", home])
    if home.stat().st_uid != pwd.getpwnam(name).pw_uid:
        # Also a home that outlived its account: the account made anew may have another uid.
        run(["chown", "--recursive", f"{name}:{name}", home])
    home.chmod(0o700)
    file, greeting = GREETING[shell]
    startup = home / file
    if not startup.exists() or not startup.read_text().startswith(greeting):
        # In front: Debian's .bashrc returns early in a shell that is not interactive.
        startup.write_text(greeting + (startup.read_text() if startup.exists() else ""))
        shutil.chown(startup, name, name)
