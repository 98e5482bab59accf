"""How much memory a daemon's processes take (proc(5)), and a bound on it, so that no test takes the machine's."""

import resource
from pathlib import Path

from tests.harness.daemon import Daemon

MIB = 1024 * 1024
_MOST = 6 * 1024 * MIB  # of address space; far above what a process needs


def bound(daemon: Daemon) -> None:
    """Give no process of `daemon` more than some gigabytes, whatever it is made to ask for."""
    for process in daemon.family():
        resource.prlimit(process.pid, resource.RLIMIT_AS, (_MOST, _MOST))


def forget_peaks(daemon: Daemon) -> None:
    """Count anew: the peaks are what each process has now."""
    for process in daemon.family():
        (process.directory / "clear_refs").write_text("5")


def peaks(daemon: Daemon) -> dict[int, int]:
    """Return the most MiB of memory that each process of `daemon` has had at a time, by its pid."""
    return {process.pid: _peak(process.pid) for process in daemon.family()}


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    [line] = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024  # of KiB
