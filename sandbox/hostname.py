"""The name and address by which SLURM's daemons know this machine: loopback, whatever it is called outside."""

import functools
import socket
from dataclasses import dataclass

from sandbox.commands import succeeds


@dataclass(frozen=True)
class Host:
    """A name, the address that it stands for, and the words before a daemon's command that make it see this name."""

    name: str
    address: str
    prefix: tuple[str, ...]


@functools.cache
def host() -> Host:
    """Return the host for SLURM's daemons, which compare their configuration with the machine's name and bind to it.

    Where it is allowed they see themselves on `localhost` (a UTS namespace of their own, see unshare(1)), and so
    listen on loopback only. A container without that right has its own address, which nobody reaches from outside.
    """
    if succeeds(["unshare", "--uts", "true"]):
        return Host(
            "localhost", "127.0.0.1", ("unshare", "--uts", "--", "sh", "-c", 'hostname localhost && exec "$@"', "sh")
        )
    # Without its domain, as SLURM compares it.
    name = socket.gethostname().split(".", maxsplit=1)[0]
    return Host(name, socket.gethostbyname(name), ())
