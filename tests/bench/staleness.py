"""How long after a job's real end its owner reads it: the status, and the complete runtime information."""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from sandbox.commands import run
from tests.bench import table
from tests.bench.place import GRANT, Place, Run
from tests.bench.service import Service, connections, remove

JOBS = 200
_EVERY = 0.25  # seconds between two looks of the client
_PATIENCE = 300  # seconds


class _Short(Run):
    """Jobs of a few seconds."""

    @property
    def script(self) -> str:
        seconds = random.uniform(0.5, 4)  # noqa: S311 - no secret
        return f"#!/bin/sh\n#SBATCH --account={GRANT} --job-name={self.name} --output=/dev/null\nsleep {seconds:.1f}\n"


def measure(place: Place) -> None:
    """Submit JOBS short jobs, watch the list, and compare with the ends that sacct has (to the second)."""
    work = _Short()
    with ExitStack() as stack:
        service, watcher = connections(stack, place, work, 2)
        # By the one that is used to the end: the server closes what is silent for a while.
        stack.callback(lambda: remove([watcher], [work.name]))
        aside = stack.enter_context(ThreadPoolExecutor(1))
        watched = aside.submit(_watched, watcher, work.name)  # the first ones end while the last ones are submitted
        jobs = {service.submit(work.name) for _ in range(JOBS)}
        over, complete = watched.result()
        ends = _ends(work.name)
    table.heading(f"{JOBS} short jobs: seconds from the end that sacct tells (whole seconds) to the GET that shows it")
    for label, seen in (("the status", over), ("complete runtime information", complete)):
        late = sorted(seen[job] - ends[job.partition(".")[0]] for job in jobs)
        table.line(f"{label}: p50 {late[len(late) // 2]:.1f} s, p99 {late[int(len(late) * 0.99) - 1]:.1f} s")


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


def _ends(name: str) -> dict[str, float]:
    environment = os.environ | {"SLURM_CONF": os.environ["ZEUS_SLURM_CONF"], "SLURM_TIME_FORMAT": "%s"}
    rows = run(["sacct", "-a", "-X", "-P", "-n", "--name", name, "-o", "JobID,End"], env=environment).splitlines()
    return {job: float(end) for job, _, end in (row.partition("|") for row in rows)}
