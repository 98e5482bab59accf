"""The sandbox's slurmctld and its jobs, as root sees them."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sandbox import processes
from sandbox.commands import run
from tests.live.faults.ground import Sandbox
from tests.live.faults.waiting import eventually


class Controller:
    """slurmctld of the cluster that the tests use."""

    def __init__(self, sandbox: Sandbox, slurm: Mapping[str, str]) -> None:
        self._sandbox = sandbox
        self._slurm = slurm

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze it meanwhile: it accepts connections and answers nothing."""
        pid = int(run([*self._sandbox.supervisorctl, "pid", "zeus-slurmctld"]))
        members = processes.family(pid)
        try:
            for process in members:
                os.kill(process.pid, signal.SIGSTOP)
            yield
        finally:
            for process in processes.alive(members):
                os.kill(process.pid, signal.SIGCONT)

    def active(self, jobs: Sequence[int]) -> list[str]:
        """Return SLURM's words for those of the jobs that have not ended."""
        wanted = {str(job) for job in jobs}
        lines = run(["squeue", "-h", "-o", "%A %T"], env=self._slurm).splitlines()
        return [line for line in lines if line.split()[0] in wanted]

    def release(self, jobs: Sequence[int]) -> None:
        """Let held jobs run."""
        run(["scontrol", "release", ",".join(str(job) for job in jobs)], env=self._slurm)

    def ended(self, job: int) -> str:
        """Wait until `job` has ended, and return the controller's word for how."""

        def look() -> str:
            state = run(["squeue", "-h", "-t", "all", "-j", str(job), "-o", "%T"], env=self._slurm).strip()
            return state if state in {"COMPLETED", "CANCELLED"} else ""

        return eventually(look, f"job {job} ends")
