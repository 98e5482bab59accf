"""The machine's processes as /proc shows them (proc(5)): families, and ending them for certain."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process. `born` is its start in clock ticks since boot, which tells it from a later one with its pid."""

    pid: int
    born: int

    @property
    def directory(self) -> Path:
        """Where /proc shows it."""
        return Path("/proc") / str(self.pid)


def find(pid: int) -> Process | None:
    """Return the process with this pid; None if there is none, or only its unread exit code."""
    fields = _stat(pid)
    return Process(pid, int(fields[19])) if fields else None


def everything() -> list[Process]:
    """Return every process that runs now."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [process for pid in pids if (process := find(pid))]


def family(pid: int) -> set[Process]:
    """Return the process `pid` and everything below it."""
    children: dict[int, list[Process]] = {}
    for process in everything():
        children.setdefault(_parent(process), []).append(process)
    members: set[Process] = set()
    unseen = [process for process in [find(pid)] if process]
    while unseen:
        process = unseen.pop()
        members.add(process)
        unseen.extend(children.get(process.pid, []))
    return members


def mentioning(text: str) -> set[Process]:
    """Return the processes that have `text` in their command line or environment, but not this one and those above."""
    own = ancestry(os.getpid())
    return {process for process in everything() if process.pid not in own and text.encode() in _words(process)}


def ancestry(pid: int) -> set[int]:
    """Return `pid` and the pids above it."""
    line = set()
    while pid and (process := find(pid)):
        line.add(pid)
        pid = _parent(process)
    return line


def of_account(uid: int) -> set[Process]:
    """Return the processes that run as `uid`."""
    return {process for process in everything() if _owner(process) == uid}


def end(processes: Iterable[Process], *, grace: float = 3) -> None:
    """Ask the processes to end, wait `grace` seconds, and kill those that did not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in alive(processes):
            _signal(process, number)
        wait(processes, grace)


def wait(processes: Iterable[Process], seconds: float) -> None:
    """Wait until the processes have ended, for `seconds` at most."""
    deadline = time.monotonic() + seconds
    while alive(processes) and time.monotonic() < deadline:
        time.sleep(0.05)


def alive(processes: Iterable[Process]) -> list[Process]:
    """Return those of the processes that still run."""
    return [process for process in processes if find(process.pid) == process]


def _stat(pid: int) -> list[str] | None:
    """Return /proc/PID/stat from its third field on: state, parent, ... Field 22, the start, has index 19."""
    try:
        text = (Path("/proc") / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the name in parentheses, which may hold parentheses and spaces itself.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields


def _parent(process: Process) -> int:
    fields = _stat(process.pid)
    return int(fields[1]) if fields else 0


def _owner(process: Process) -> int | None:
    try:
        return process.directory.stat().st_uid
    except FileNotFoundError:
        return None


def _words(process: Process) -> bytes:
    try:
        return (process.directory / "cmdline").read_bytes() + _environment(process)
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _environment(process: Process) -> bytes:
    """Return the process's environment; empty where even its own account may not read it.

    In a container root has no CAP_SYS_PTRACE as a rule, and without that only a process's account may (proc(5)).
    """
    file = process.directory / "environ"
    try:
        return file.read_bytes()
    except PermissionError:
        owner = process.directory.stat()
    identity = [f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"]
    read = ["/usr/bin/setpriv", *identity, "--", "/bin/cat", str(file)]
    return subprocess.run(read, capture_output=True, timeout=10, check=False).stdout  # noqa: S603 - our own words


def _signal(process: Process, number: signal.Signals) -> None:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return  # it ended by itself
