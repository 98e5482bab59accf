"""Debian packages: installs what is missing, and lets none of it start or enable a daemon."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.commands import run, succeeds

NEEDED = {
    "busybox": (),
    "chromium": (),
    "curl": (),
    "globus-gsi-cert-utils-progs": (),
    "globus-proxy-utils": (),
    "globus-simple-ca": (),
    "jq": (),
    "ksh93u+m": (),
    "mariadb-server": ("mariadb.service",),
    "mksh": (),
    "munge": ("munge.service",),
    "nginx-light": ("nginx.service",),
    "openssh-client": (),
    "openssh-server": ("ssh.service",),
    "openssl": (),
    "posh": (),
    "postgresql": ("postgresql.service",),
    "prometheus": ("prometheus.service",),
    "redis-server": ("redis-server.service",),
    "slurm-client": (),
    "slurmctld": ("slurmctld.service",),
    "slurmd": ("slurmd.service",),
    "slurmdbd": ("slurmdbd.service",),
    "systemd": (),
    "tcsh": (),
    "tzdata": (),
    "yash": (),
    "zsh": (),
}
"""Each package with the units that its installation would enable at the next boot."""

POLICY = Path("/usr/sbin/policy-rc.d")
KEPT_POLICY = Path("/usr/sbin/policy-rc.d.before-job-submitter-sandbox")
DENY = "#!/bin/sh\n# No daemon starts while the job submitter's sandbox installs packages.\nexit 101\n"


def missing() -> list[str]:
    """Return the needed packages that are not installed."""
    return [name for name in NEEDED if not _is_installed(name)]


def install(names: list[str]) -> None:
    """Install the packages with their daemons off, now and at the next boot."""
    with daemons_denied():
        apt = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-qq"], env=apt, timeout=300)
        run(["apt-get", "install", "-qq", "--no-install-recommends", *names], env=apt, timeout=1200)
    units = [unit for name in names for unit in NEEDED[name]]
    if units and shutil.which("systemctl"):
        run(["systemctl", "disable", "--quiet", *units])


@contextmanager
def daemons_denied() -> Iterator[None]:
    """Deny every start of a daemon by a package script within the block (Debian policy, invoke-rc.d and policy-rc.d).

    The machine's own policy is put aside and comes back, also after a run that was killed in between.
    """
    _restore_policy()
    if POLICY.exists():
        POLICY.rename(KEPT_POLICY)
    POLICY.write_text(DENY)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
        _restore_policy()


def _restore_policy() -> None:
    if KEPT_POLICY.exists():
        KEPT_POLICY.replace(POLICY)
    elif POLICY.exists() and POLICY.read_text() == DENY:
        POLICY.unlink()


def _is_installed(name: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", name]
    return succeeds(query) and run(query) == "installed"
