"""The running sandbox as the tests see it: where it is, its clusters' own commands, and its processes."""

import os
import re
import shlex
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.types.json import Jsonb

T = TypeVar("T")

PATIENCE = 180.0  # seconds after which something is taken not to happen any more, on however busy a machine
GRANT = "plgtest"  # the one account that SLURM accepts in `#SBATCH -A`


def variable(name: str) -> str:
    """Return an environment variable of `.local/sandbox.env`; without it the test fails and says what to do."""
    value = os.environ.get(name)
    if not value:
        pytest.fail(f"{name} is not set: run `make up`, then `. .local/sandbox.env`, or simply `make test`")
    return value


def eventually(look: Callable[[], T | None], what: str, *, seconds: float = PATIENCE) -> T:
    """Look again and again until there is something, and return it; fail with `what` when `seconds` are over."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.2)
    return found


@dataclass(frozen=True)
class Cluster:
    """A cluster as its users know it, and as SLURM's own commands on this machine reach it."""

    host: str
    domain: str
    zone: ZoneInfo
    conf: Path

    def slurm(self, *command: str) -> str:
        """Run one of SLURM's commands as root and return its output; times are printed as epochs."""
        environment = os.environ | {"SLURM_CONF": str(self.conf), "SLURM_TIME_FORMAT": "%s"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    def number(self, job_id: str) -> str:
        """Return SLURM's own id of `job_id`."""
        number, _, domain = job_id.partition(".")
        assert domain == self.domain
        return number

    def accounting(self, job_id: str, *fields: str) -> dict[str, str]:
        """Return what sacct says of a job that is no array; empty as long as it knows nothing."""
        columns = ["sacct", "-a", "-X", "-P", "-n", "-S", "now-1days", "-o", ",".join(fields)]
        lines = self.slurm(*columns, "-j", self.number(job_id)).splitlines()
        return dict(zip(fields, lines[0].split("|"), strict=True)) if lines else {}

    def holds(self, job_id: str) -> bool:
        """Say whether the controller still knows the job, active or ended."""
        ids = self.slurm("squeue", "-h", "-t", "all", "-o", "%A").split()
        return self.number(job_id) in ids

    @contextmanager
    def forgetful(self) -> Iterator[None]:
        """Have the controller forget ended jobs as soon as SLURM can be told to."""
        try:
            self._remember(2)
            yield
        finally:
            self._remember(300)

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Have SLURM's commands try for a second only to reach a controller that refuses connections, and not for nine.

        It must be down: a controller that answers slowly would be given up as well (MessageTimeout in slurm.conf(5)).
        """
        before = self.conf.read_text()
        try:
            self.conf.write_text(f"{before}MessageTimeout=2\n")
            yield
        finally:
            self.conf.write_text(before)

    def _remember(self, seconds: int) -> None:
        """Set how long the controller keeps ended jobs; SLURM's default is 300 s, and so is the sandbox's."""
        lines = re.sub(r"^MinJobAge=.*$", f"MinJobAge={seconds}", self.conf.read_text(), flags=re.MULTILINE)
        self.conf.write_text(lines)
        self.slurm("scontrol", "reconfigure")

    def answers(self) -> bool:
        """Say whether the controller answers."""
        try:
            return "UP" in self.slurm("scontrol", "ping")
        except subprocess.CalledProcessError:
            return False


def processes_with(words: str) -> list[int]:
    """Return the processes on this machine whose command lines have `words` in them."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if words.encode() in (directory / "cmdline").read_bytes().replace(b"\0", b" "):
                found.append(int(directory.name))
        except OSError:
            continue  # it has ended
    return found


def supervisor(*words: str) -> str:
    """Have the sandbox's process manager do something, and return what it says."""
    command = [*shlex.split(variable("SUPERVISORCTL")), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@contextmanager
def stopped(process: str, *, ready: Callable[[], bool]) -> Iterator[None]:
    """Stop one of the sandbox's processes, and start it again afterwards, until it is `ready`."""
    supervisor("stop", process)
    try:
        yield
    finally:
        supervisor("start", process)
        eventually(ready, f"{process} is back")


def at_once(watch: Callable[[Cluster], None], *clusters: Cluster) -> None:
    """Have `watch` look at each of the clusters at the same time; raise what the first one that fails has raised."""
    with ThreadPoolExecutor(len(clusters)) as threads:
        for done in [threads.submit(watch, cluster) for cluster in clusters]:
            done.result()


@contextmanager
def environment(cluster: Cluster, **variables: str) -> Iterator[None]:
    """Have an operator set `variables` for a cluster meanwhile."""
    change = "UPDATE clusters_cluster SET environment = environment {} WHERE name = %s"
    with psycopg.connect(variable("DATABASE_URL"), autocommit=True) as database:
        database.execute(change.format("|| %s"), (Jsonb(variables), cluster.host))
        try:
            yield
        finally:
            database.execute(change.format("- %s::text[]"), (list(variables), cluster.host))


@contextmanager
def new_agents(cluster: Cluster) -> Iterator[None]:
    """Have everybody's agents on `cluster` started anew meanwhile: one that runs has read its start-up files before."""
    with environment(cluster, LIVE_TEST=uuid.uuid4().hex):
        yield
