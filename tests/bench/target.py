"""Where the benchmarks run: the sandbox, as its environment file describes it, and the job that they submit."""

import os
import uuid
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

CLUSTER = "zeus.cyfronet.pl"
GRANT = "plgtest"


@dataclass(frozen=True)
class Place:
    """A running service, the login node of its `cluster`, and what opens both to `account`.

    `proxy` is the PROXY header's value; `host_key` is `TYPE BASE64`; `ca_key` is the file of the service's SSH CA.
    """

    address: str
    port: int
    proxy: str
    ssh_port: int
    host_key: str
    ca_key: Path
    account: str = "plgalice"
    cluster: str = CLUSTER

    def at(self, cluster: str, ssh_port: int) -> "Place":
        """Return the same account's place at another cluster of the service."""
        return replace(self, cluster=cluster, ssh_port=ssh_port)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Place":
        """Read plgalice's from the sandbox's variables. Raises SystemExit with the name of one that is missing."""
        try:
            url = urlsplit(environment["BASE_URL"])
            return cls(
                address=url.hostname or "127.0.0.1",
                port=url.port or 443,
                proxy=b64encode(Path(environment["ALICE_PROXY"]).read_bytes()).decode(),
                ssh_port=int(environment["ZEUS_SSH_PORT"]),
                host_key=" ".join(Path(environment["ZEUS_HOST_KEY"]).read_text("utf-8").split()[:2]),
                ca_key=Path(environment["SSH_CA_KEY"]),
            )
        except KeyError as exc:
            raise SystemExit(
                f"{exc.args[0]} is not set: `make bench` starts the sandbox and loads its variables"
            ) from exc


@dataclass(frozen=True)
class Run:
    """What one run of the benchmarks calls its jobs, by which it finds them again: a SLURM job name and a tag."""

    name: str = field(default_factory=lambda: f"bench-{uuid.uuid4().hex[:12]}")

    @property
    def script(self) -> str:
        """A job that is held, so that it costs the machine nothing once it is submitted."""
        return f"#!/bin/sh\n#SBATCH --account={GRANT} --job-name={self.name} --hold\nexit 0\n"
