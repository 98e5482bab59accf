"""Which processes have a TCP connection to a port of this machine (proc(5))."""

from collections.abc import Iterable
from pathlib import Path

from sandbox.processes import Process


def processes_with(port: int, processes: Iterable[Process]) -> int:
    """Count those of `processes` that have an established connection to `port`."""
    sockets = {f"socket:[{inode}]" for inode in _connections_to(port)}
    return sum(bool(sockets & _open_files(process)) for process in processes)


def _connections_to(port: int) -> list[str]:
    """Return the inodes of established connections to `port`: proc(5), /proc/net/tcp, where ports are hexadecimal."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    return [line[9] for line in lines if line[2].endswith(f":{port:04X}") and line[3] == "01"]


def _open_files(process: Process) -> set[str]:
    """Return what the open files of `process` are; nothing if it has just ended."""
    try:
        return {str(entry.readlink()) for entry in (process.directory / "fd").iterdir()}
    except FileNotFoundError:
        return set()
