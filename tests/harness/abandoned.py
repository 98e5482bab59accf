"""What test runs that were killed have left behind: each thing names the process that it was for."""

import fcntl
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sandbox import processes
from tests.harness.accounts import MARK, Account

_LOCK = Path("/run/lock/job-submitter-tests")  # of all runs on this machine
_FOLDER = re.compile(rb"[^\0=]*/job-submitter-tests-of-([0-9]+)-[^/\0]+")


def folder(prefix: str) -> Path:
    """Make a folder for this process, which the daemons that use it mention in their command line or environment."""
    return Path(tempfile.mkdtemp(prefix=f"job-submitter-tests-of-{os.getpid()}-{prefix}-"))


def remove(slurm: Mapping[str, str]) -> None:
    """End the daemons of runs that were killed, and remove their folders and their accounts; one run at a time."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for process in processes.everything():
            for match in _FOLDER.finditer(_words(process)):
                if processes.find(int(match[1])) is None:
                    processes.end([process], grace=1)
                    shutil.rmtree(os.fsdecode(match[0]), ignore_errors=True)
        for entry in pwd.getpwall():
            if entry.pw_gecos.startswith(MARK) and processes.find(int(entry.pw_gecos.split()[-1])) is None:
                Account(entry.pw_name, dict(slurm)).remove()


def _words(process: processes.Process) -> bytes:
    try:
        return b"\0".join((process.directory / name).read_bytes() for name in ("cmdline", "environ"))
    except OSError:
        return b""  # it has just ended, or belongs to nobody that this one may look into
