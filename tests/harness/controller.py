"""The sandbox's slurmctld and its jobs, as root sees them, and a way to it that may be broken."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox.commands import run
from tests.harness.relay import Relay
from tests.harness.waiting import eventually

_PORT = re.compile(r"^SlurmctldPort=(\d+)$", re.MULTILINE)


class Controller:
    """slurmctld of the cluster that the tests use. Whoever follows `slurm_conf` comes to it through `relay`."""

    def __init__(self, folder: Path, slurm: Mapping[str, str]) -> None:
        """`slurm` is what SLURM's commands need to be told to come to it directly; `folder` everybody may read."""
        self._slurm = slurm
        text = Path(slurm["SLURM_CONF"]).read_text()
        [port] = _PORT.findall(text)
        self.relay = Relay(int(port))
        self.slurm_conf = folder / "slurm.conf"
        self.slurm_conf.write_text(_PORT.sub(f"SlurmctldPort={self.relay.port}", text))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it accept connections through the relay meanwhile, and answer nothing; what was asked arrives later."""
        self.relay.freeze()
        try:
            yield
        finally:
            self.relay.heal()

    def active(self, jobs: Sequence[int]) -> list[str]:
        """Return SLURM's words for those of the jobs that have not ended."""
        wanted = {str(job) for job in jobs}
        lines = run(["squeue", "-h", "-o", "%A %T"], env=self._slurm).splitlines()
        return [line for line in lines if line.split()[0] in wanted]

    def commented(self, comment: str) -> list[int]:
        """Return the ids of the jobs in the queue with this comment."""
        lines = run(["squeue", "-h", "-o", "%A|%k"], env=self._slurm).splitlines()
        return [int(job) for job, _, words in (line.partition("|") for line in lines) if words == comment]

    def release(self, jobs: Sequence[int]) -> None:
        """Let held jobs run."""
        run(["scontrol", "release", ",".join(str(job) for job in jobs)], env=self._slurm)

    def ended(self, job: int) -> str:
        """Wait until `job` has ended, and return the controller's word for how."""

        def look() -> str:
            state = run(["squeue", "-h", "-t", "all", "-j", str(job), "-o", "%T"], env=self._slurm).strip()
            return state if state in {"COMPLETED", "CANCELLED"} else ""

        return eventually(look, f"job {job} ends")
