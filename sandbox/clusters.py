"""The two clusters: how they are called, where their job ids come from, and how they differ on purpose."""

from dataclasses import dataclass
from pathlib import Path

from sandbox.accounts import POLLER
from sandbox.layout import Layout

CPUS = 16
"""What each node claims to have. The machine's real processors do not matter: the jobs sleep."""


@dataclass(frozen=True)
class Cluster:
    """One SLURM cluster. `private` hides users' jobs from each other; `poller` may see them all, None: nobody does.

    `sftp` is what its login node's sshd has as the subsystem of that name.
    `first_job` keeps the clusters' job numbers apart: both write `slurm-NUMBER.out` into the same home directories.
    """

    name: str
    host: str
    job_domain: str
    time_zone: str
    first_job: int
    private: bool
    poller: str | None
    sftp: str

    @property
    def workers(self) -> dict[str, str]:
        """The worker nodes' names in SLURM, by the names of their processes.

        Two, because the parts of a heterogeneous job never share a node: on one node it would block the queue for good.
        """
        return {f"{self.name}-slurmd": f"{self.name}-wn1", f"{self.name}-slurmd2": f"{self.name}-wn2"}

    def directory(self, layout: Layout) -> Path:
        """Where slurm.conf and the daemons' state lie."""
        return layout.slurm / self.name

    def slurm_conf(self, layout: Layout) -> Path:
        """The file that selects this cluster for every SLURM command, as the variable SLURM_CONF."""
        return self.directory(layout) / "slurm.conf"

    def environment(self, layout: Layout) -> dict[str, str]:
        """What SLURM's commands and daemons of this cluster need to be told."""
        return {"SLURM_CONF": str(self.slurm_conf(layout)), "TZ": self.time_zone}


ZEUS = Cluster(
    name="zeus",
    host="zeus.cyfronet.pl",
    job_domain="batch.grid.cyf-kr.edu.pl",
    time_zone="Europe/Warsaw",
    first_job=50_000_001,
    private=False,
    poller=POLLER,
    sftp="internal-sftp",
)
PROMETHEUS = Cluster(
    name="prometheus",
    host="prometheus.cyfronet.pl",
    job_domain="prometheus.cyfronet.pl",
    time_zone="UTC",
    first_job=10_000_001,
    private=True,
    poller=None,
    sftp="/usr/lib/openssh/sftp-server",  # Debian's default, which is started through the login shell
)
BOTH = (ZEUS, PROMETHEUS)
