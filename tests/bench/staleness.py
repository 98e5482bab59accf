"""How long after SLURM's end of a job its owner reads it, beside how often the cluster is asked for that."""

import os
import random
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from sandbox.commands import run
from tests.bench import table
from tests.bench.service import Service, connections, remove
from tests.bench.target import GRANT, Place, Run

JOBS = 200
_EVERY = 0.25  # seconds between two looks of the client
_PATIENCE = 300  # seconds


@dataclass(frozen=True, kw_only=True)
class _Short(Run):
    """Jobs of a few seconds, each of which writes its last moment (epoch) into a file of `folder` named by its id."""

    folder: Path

    @property
    def script(self) -> str:
        seconds = random.uniform(0.5, 4)  # noqa: S311 - no secret
        directives = f"#SBATCH --account={GRANT} --job-name={self.name} --output={self.folder}/%j"
        return f"#!/bin/sh\n{directives}\nsleep {seconds:.1f}\ndate +%s.%N\n"


class _Looks(NamedTuple):
    """What the workers have counted up to now: looks at the cluster, and the seconds that these took."""

    number: float
    seconds: float


def measure(place: Place) -> None:
    """Submit JOBS short jobs, watch the list, and compare with their ends; the client looks each _EVERY seconds."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
        folder.chmod(0o1777)  # the jobs' account writes there
        work = _Short(folder=folder)
        service, watcher = connections(stack, place, work, 2)
        # By the one that is used to the end: the server closes what is silent for a while.
        stack.callback(lambda: remove([watcher], [work.name]))
        aside = stack.enter_context(ThreadPoolExecutor(1))
        before, began = _looks(place), time.monotonic()
        watched = aside.submit(_watched, watcher, work.name)  # the first ones end while the last ones are submitted
        jobs = {service.submit(work.name) for _ in range(JOBS)}
        over, complete = watched.result()
        after, lasted = _looks(place), time.monotonic() - began
        ends = _ends(work)
    table.heading(f"{JOBS} short jobs: seconds from the end in SLURM to the GET that shows it")
    for label, seen in (("the status", over), ("complete runtime information", complete)):
        late = sorted(seen[job] - ends[job.partition(".")[0]] for job in jobs)
        table.line(f"{label}: p50 {late[len(late) // 2]:.1f} s, p99 {late[int(len(late) * 0.99) - 1]:.1f} s")
    number, seconds = after.number - before.number, after.seconds - before.seconds
    table.line(f"{number:.0f} looks at the cluster in {lasted:.0f} s, one each {lasted / number:.2f} s")
    table.line(f"a look took {seconds / number:.2f} s, and looks {seconds / lasted:.0%} of the time")


def _looks(place: Place) -> _Looks:
    """Return what the service tells monitoring of its looks at the cluster."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the sandbox's certificate is self-signed
    context.verify_mode = ssl.CERT_NONE
    with urlopen(f"https://{place.address}:{place.port}/metrics", context=context) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    counted = {
        sample.name: sample.value
        for family in families
        for sample in family.samples
        if (sample.labels.get("cluster"), sample.labels.get("verb")) == (place.cluster, "look")
    }
    name = "submitter_cluster_call_seconds"
    return _Looks(counted.get(f"{name}_count", 0.0), counted.get(f"{name}_sum", 0.0))


def _watched(service: Service, tag: str) -> tuple[dict[str, float], dict[str, float]]:
    """Look until JOBS have ended; return when each was first seen to be over, and to be complete."""
    over: dict[str, float] = {}
    complete: dict[str, float] = {}
    deadline = time.time() + _PATIENCE
    while len(complete) < JOBS and time.time() < deadline:
        for job in service.jobs(tag=tag):
            now = time.time()
            if job["status"] not in {"QUEUED", "RUNNING"}:
                over.setdefault(job["job_id"], now)
                if _is_complete(job):
                    complete.setdefault(job["job_id"], now)
        time.sleep(_EVERY)
    return over, complete


def _is_complete(job: dict[str, Any]) -> bool:
    fields = ("nodes", "cores", "start_time", "end_time", "wall_time", "queue_time")
    return job["exit_code"] is not None and all(field in job for field in fields)


def _ends(work: _Short) -> dict[str, float]:
    """Return when each job has ended, rather too early than too late.

    sacct tells whole seconds, rounded down; a job's own last moment is before SLURM knows of it. The later one counts.
    """
    environment = os.environ | {"SLURM_CONF": os.environ["ZEUS_SLURM_CONF"], "SLURM_TIME_FORMAT": "%s"}
    rows = run(["sacct", "-a", "-X", "-P", "-n", "--name", work.name, "-o", "JobID,End"], env=environment).splitlines()
    told = {job: float(end) for job, _, end in (row.partition("|") for row in rows)}
    return {job: max(end, float((work.folder / job).read_text())) for job, end in told.items()}
