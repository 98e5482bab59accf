"""What the checkouts on one machine share: which are alive, the port block of each, and a lock."""

import fcntl
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.layout import MACHINE_STATE, Layout

PORT_NAMES = (
    "postgres",
    "redis",
    "mariadb",
    "slurmdbd",
    "zeus-slurmctld",
    "zeus-slurmd",
    "zeus-sshd",
    "prometheus-slurmctld",
    "prometheus-slurmd",
    "prometheus-sshd",
    "web",
    "zeus-slurmd2",
    "prometheus-slurmd2",
)
FIRST_PORT, LAST_PORT = 20000, 32000
"""Below Linux's ephemeral range (from 32768 on), so that no outgoing connection holds a port of a stopped sandbox."""
BLOCK = 20


class NoFreePorts(Exception):
    """Every block of ports is taken."""


@dataclass(frozen=True)
class Tenant:
    """One checkout with a sandbox on this machine."""

    checkout: Path
    first_port: int

    @property
    def is_alive(self) -> bool:
        """Say whether the checkout still has a state."""
        return (self.checkout / ".local").exists()


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`, made if need be; waits for who holds it."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tenants() -> dict[str, Tenant]:
    """Return the living checkouts of this machine, by identity."""
    found = {}
    for path in MACHINE_STATE.glob("*.json"):
        entry = json.loads(path.read_text())
        tenant = Tenant(Path(entry["checkout"]), entry["first_port"])
        if tenant.is_alive:
            found[path.stem] = tenant
    return found


def register(layout: Layout) -> dict[str, int]:
    """Enter this checkout among the machine's tenants and return its ports by name; they stay for its lifetime."""
    with lock(MACHINE_STATE / "lock"):
        present = tenants()
        if layout.identity in present:
            first = present[layout.identity].first_port
        else:
            first = free_block({tenant.first_port for tenant in present.values()})
        entry = {"checkout": str(layout.checkout), "first_port": first}
        (MACHINE_STATE / f"{layout.identity}.json").write_text(json.dumps(entry))
    return ports_from(first)


def ports(layout: Layout) -> dict[str, int]:
    """Return this checkout's ports by name; empty before it was registered."""
    tenant = tenants().get(layout.identity)
    return ports_from(tenant.first_port) if tenant else {}


def ports_from(first: int) -> dict[str, int]:
    """Number the daemons' ports from `first` on."""
    return {name: first + offset for offset, name in enumerate(PORT_NAMES)}


def unregister(layout: Layout) -> bool:
    """Strike this checkout out; True if no other living one is left."""
    (MACHINE_STATE / f"{layout.identity}.json").unlink(missing_ok=True)
    return not tenants()


def free_block(taken: set[int]) -> int:
    """Return the first port of a block that no checkout owns and nobody listens in. Raises NoFreePorts."""
    for first in range(FIRST_PORT, LAST_PORT, BLOCK):
        if first not in taken and all(_is_free(first + offset) for offset in range(len(PORT_NAMES))):
            return first
    raise NoFreePorts(f"no {len(PORT_NAMES)} free ports in a row between {FIRST_PORT} and {LAST_PORT}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
