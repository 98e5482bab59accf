"""One registered cluster of a test: a relay in front of the login node, and SLURM's commands, each replaceable."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness.relay import Relay
from tests.harness.waiting import eventually

SLURM = Path("/usr/bin")
_COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")


@dataclass(frozen=True)
class FaultCluster:
    """A cluster as the service knows it: `host` and `job_domain`; `folder` holds its commands and its gates."""

    host: str
    folder: Path
    relay: Relay
    slurm_conf: str
    gates: list[str] = field(default_factory=list)

    @property
    def job_domain(self) -> str:
        """What follows SLURM's id in a job_id."""
        return f"{self.host}.jobs"

    @property
    def bin(self) -> Path:
        """The directory with its commands."""
        return self.folder / "bin"

    def furnish(self) -> None:
        """Make its directories; accounts may signal in one of them that a command has come to its gate."""
        self.bin.mkdir(parents=True)
        gates = self.folder / "gates"
        gates.mkdir()
        gates.chmod(0o777 | stat.S_ISVTX)
        self.restore()

    def entry(self, host_key: str) -> str:
        """Return it as the service's command `loadclusters` reads it (TOML); disabled until a test takes it."""
        return f"""[[cluster]]
name = "{self.host}"
enabled = false
address = "127.0.0.1"
port = {self.relay.port}
host_keys = ["{host_key}"]
job_domain = "{self.job_domain}"
slurm_bin = "{self.bin}"
connect_timeout = 5
[cluster.environment]
SLURM_CONF = "{self.slurm_conf}"
"""

    def restore(self) -> None:
        """Let its commands be SLURM's own."""
        for command in _COMMANDS:
            (self.bin / command).unlink(missing_ok=True)
            (self.bin / command).symlink_to(SLURM / command)

    def replace(self, command: str, body: str) -> None:
        """Put a shell script in a command's place; `$real` in it is SLURM's own."""
        fresh = self.bin / f"{command}.new"
        fresh.write_text(f"#!/bin/sh\nreal={SLURM / command}\n{body}\n")
        fresh.chmod(0o755)
        fresh.replace(self.bin / command)

    def hold_before(self, command: str) -> "Gate":
        """Have the command wait at a gate before it does anything."""
        gate = self._gate(command)
        self.replace(command, f'{gate.lines}\nexec "$real" "$@"')
        return gate

    def hold_after(self, command: str) -> "Gate":
        """Have the command do its work, and wait at a gate before it says a word of it."""
        gate = self._gate(command)
        self.replace(command, f'said=$("$real" "$@" 2>&1); status=$?\n{gate.lines}\necho "$said"; exit $status')
        return gate

    def _gate(self, command: str) -> "Gate":
        self.gates.append(command)
        return Gate(self.folder / "gates" / f"{command}-{len(self.gates)}")


@dataclass(frozen=True)
class Gate:
    """Where a command waits until it is let go, for 20 seconds at most."""

    path: Path

    @property
    def lines(self) -> str:
        """What the command does at the gate, in sh."""
        return (
            f": > {self.path}.came; n=0; "
            f"while [ ! -e {self.path}.go ] && [ $n -lt 400 ]; do sleep 0.05; n=$((n + 1)); done"
        )

    def reached(self) -> None:
        """Wait until the command has come."""
        eventually(lambda: Path(f"{self.path}.came").exists(), f"a command comes to {self.path.name}")

    def open(self) -> None:
        """Let it go, and whoever comes after it."""
        os.close(os.open(f"{self.path}.go", os.O_CREAT | os.O_WRONLY, 0o644))
