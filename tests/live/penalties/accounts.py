"""The accounts of the Debian 13 login node: one for each way in which its sshd or PAM refuses somebody."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.layout import write

_FIRST_UID = 2001
_SYSTEM = ("root:x:0:0::/root:/bin/bash", "sshd:x:100:65534::/run/sshd:/bin/false")


@dataclass(frozen=True)
class Account:
    """A Unix account that may log in, unless one of its columns says otherwise.

    `changed` and `expires` are days since 1970 (shadow(5)): with a password last changed on day 0 it is let in and may
    do nothing but change it; once expired it is refused by pam_unix, with a message. `barred` by pam_access, which has
    none. `principal` is what its certificates need to name. `shell_sleeps`: it is let in, and its start-up file then
    takes longer than the service waits.
    """

    name: str
    changed: str = "20000"
    expires: str = ""
    barred: bool = False
    principal: str = ""
    shell_sleeps: bool = False


WELCOME = Account("welcome")
NEWCOMER = Account("newcomer")
EXPIRED = Account("expired", expires="1")
BARRED = Account("barred", barred=True)
STRANGER = Account("stranger", principal="somebody-else")
OUTDATED = Account("outdated", changed="0")
DENIED = Account("denied")  # by DenyUsers
TWO_FACTORS = Account("twofactors")  # by AuthenticationMethods
REGULARS = tuple(Account(f"regular{number}") for number in range(1, 7))
SLEEPERS = tuple(Account(f"sleeper{number}", shell_sleeps=True) for number in range(1, 5))
CROWD = tuple(Account(f"expired{number}", expires="1") for number in range(1, 6))
EVERYBODY = (
    *(WELCOME, NEWCOMER, EXPIRED, BARRED, STRANGER, OUTDATED, DENIED, TWO_FACTORS),
    *(*REGULARS, *SLEEPERS, *CROWD),
)


def make(root: Path) -> None:
    """Write `root`'s accounts, their homes, and PAM's configuration (pam.d(5)) as Debian's installation does."""
    uids = {account: uid for uid, account in enumerate(EVERYBODY, _FIRST_UID)}
    users = [f"{one.name}:x:{uid}:{uid}::/home/{one.name}:/bin/bash" for one, uid in uids.items()]
    _lines(root / "etc/passwd", [*_SYSTEM, *users])
    groups = [f"{one.name}:x:{uid}:" for one, uid in uids.items()]
    _lines(root / "etc/group", ["root:x:0:", "nogroup:x:65534:", *groups])
    shadows = [f"{one.name}:*:{one.changed}:0:99999:7::{one.expires}:" for one in EVERYBODY]
    _lines(root / "etc/shadow", ["root:*:20000:0:99999:7:::", *shadows], mode=0o600)
    for one, uid in uids.items():
        home = root / "home" / one.name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(home, uid, uid)
        _lines(home / ".bashrc", ["sleep 15"] if one.shell_sleeps else [])
    _lines(root / "etc/security/access.conf", [f"-:{one.name}:ALL" for one in EVERYBODY if one.barred])
    _configure_pam(root / "etc/pam.d")


def _configure_pam(directory: Path) -> None:
    """Write what pam-auth-update(8) makes for pam_unix alone, and pam_access, which sites add."""
    unix = "pam_unix.so"
    _lines(directory / "common-auth", [f"auth required {unix}"])
    _lines(directory / "common-account", [f"account required {unix}", "account required pam_access.so"])
    _lines(directory / "common-password", [f"password required {unix}"])
    _lines(directory / "common-session", [f"session required {unix}"])


def _lines(path: Path, lines: Sequence[str], mode: int = 0o644) -> None:
    write(path, "".join(f"{line}\n" for line in lines), mode=mode)
