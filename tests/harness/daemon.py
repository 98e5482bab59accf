"""A process of these tests: started, awaited, ended in one way or another, started again."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sandbox import processes
from tests.harness.waiting import eventually

CHECKOUT = Path(__file__).resolve().parents[2]


class Daemon:
    """One process with its children; its output goes to a file."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str], ready: Callable[[], bool]
    ) -> None:
        self._command = [str(word) for word in command]
        self._environment = os.environ | environment
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        self._begins = 0
        self.log = log

    @property
    def output(self) -> bytes:
        """What it has written since its last start."""
        return self.log.read_bytes()[self._begins :]

    @property
    def pid(self) -> int:
        """The pid of the first process. Raises ValueError where none runs."""
        if self._process is None:
            raise ValueError(f"{self._command[0]} does not run")
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it is ready."""
        with self.log.open("ab") as output:
            self._begins = output.tell()
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until it is ready."""
        eventually(self._ready, f"{self._command[0]} is ready, see {self.log}", seconds=60)

    def family(self) -> set[processes.Process]:
        """Return it and its descendants."""
        return processes.family(self._process.pid) if self._process else set()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, not its children."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL it and all its descendants at once."""
        if self._process and self._process.poll() is None:
            self.send(signal.SIGSTOP)  # it starts no child in place of one that has gone before it
        for process in self.family():
            with suppress(ProcessLookupError):  # a parent's end may have been its
                os.kill(process.pid, signal.SIGKILL)
        self._reap(10)

    def revive(self) -> None:
        """Start it again if it has ended by itself, as a process manager does."""
        if self._process and self._process.poll() is not None:
            self.start()

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 30) -> None:
        """Have it end by itself, and end what is left of it after `seconds`."""
        if self._process is None:
            return
        members = self.family()
        if self._process.poll() is None:
            self.send(number)
        processes.wait(members, seconds)
        processes.end(members)
        self._reap(10)

    def await_end(self, seconds: float) -> int:
        """Wait until it has ended by itself, and return its exit code."""
        if self._process is None:
            raise ValueError(f"{self._command[0]} does not run")
        return self._process.wait(seconds)

    def _reap(self, seconds: float) -> None:
        if self._process:
            self._process.wait(seconds)
            self._process = None
