"""Somebody who calls the service over HTTPS, and what that somebody does with jobs."""

import base64
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from tests.harness.sandbox_env import GRANT, PATIENCE, Cluster, eventually

TOGETHER = 4  # submissions at the same time: more is slower on a machine with two processors
FINAL = {"FINISHED", "ABORTED", "ERROR"}
JSON = {"Content-Type": "application/json"}

Job = dict[str, Any]
K = TypeVar("K")
V = TypeVar("V")


def _ended_by_slurm(job: Job) -> bool:
    """Return whether the job's script did not come to its own end."""
    return job["slurm_state"] not in {"COMPLETED", "FAILED"}


def _told(job: Job) -> bool:
    return not (job["exit_code"] is None and job["signal"] is None)


def script(*lines: str) -> str:
    """Return a batch script with the grant and these lines."""
    return "\n".join(["#!/bin/bash", f"#SBATCH -A {GRANT}", *lines, ""])


def together(make: Callable[[K], V], keys: Iterable[K]) -> dict[K, Future[V]]:
    """Make something for each of `keys`, some at the same time; what could not be made fails whoever asks for it."""
    with ThreadPoolExecutor(TOGETHER) as threads:
        return {key: threads.submit(make, key) for key in keys}


@dataclass
class Caller:
    """A caller with `proxy` (PEM), or without any. Jobs go to `directory` unless a test says otherwise."""

    client: httpx.Client
    proxy: bytes | None = None
    directory: str | None = None
    submitted: list[str] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say who is calling."""
        return {} if self.proxy is None else {"PROXY": base64.b64encode(self.proxy).decode()}

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request; `headers` among the options add to the caller's own."""
        headers = self.headers | options.pop("headers", {})
        return self.client.request(method, path, headers=headers, **options)

    def order(self, cluster: Cluster, text: str, **fields: Any) -> httpx.Response:
        """Submit the script `text`, and return whatever the answer is."""
        body = {"host": cluster.host, "script": text, "working_directory": self.directory} | fields
        answer = self.call("POST", "/api/jobs", json=body)
        if answer.status_code == 201:
            self.submitted.append(answer.json()["job_id"])
        return answer

    def submit(self, cluster: Cluster, *lines: str, **fields: Any) -> Job:
        """Submit a script with these lines, and return the job."""
        answer = self.order(cluster, script(*lines), **fields)
        assert answer.status_code == 201, answer.text
        job: Job = answer.json()
        return job

    def job(self, job_id: str) -> Job:
        """Return what the service says of a job."""
        answer = self.call("GET", f"/api/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        job: Job = answer.json()
        return job

    def until(self, job: Job, reached: Callable[[Job], bool], what: str, *, seconds: float = PATIENCE) -> Job:
        """Ask for the job until `reached` likes it, and return it so."""

        def look() -> Job | None:
            now = self.job(job["job_id"])
            return now if reached(now) else None

        return eventually(look, f"{job['job_id']} {what}", seconds=seconds)

    def running(self, job: Job) -> Job:
        """Wait until the service says that the job runs, and return it."""
        return self.until(job, lambda now: now["status"] == "RUNNING", "runs")

    def ended(self, job: Job) -> Job:
        """Wait until the service says how the job ended, and return it."""
        return self.until(job, lambda now: now["status"] in FINAL, "has ended")

    def complete(self, job: Job, *, seconds: float = PATIENCE) -> Job:
        """Wait until the job has ended and the rest is told, and return it."""
        return self.until(
            job,
            lambda now: now["status"] in FINAL and "end_time" in now and (_ended_by_slurm(now) or _told(now)),
            "has ended, and how its script has ended is told",
            seconds=seconds,
        )

    def output(self, job: Job, stream: str = "stdout") -> str:
        """Return what the job has written."""
        answer = self.call("GET", job[f"{stream}_path"])
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith("text/plain")
        return answer.text

    def written(self, job: Job, stream: str = "stdout") -> str:
        """Wait until the job has written lines, which it does at once, and return them: sooner than it has ended."""

        def look() -> str | None:
            answer = self.call("GET", job[f"{stream}_path"])
            return answer.text if answer.status_code == 200 and answer.text.endswith("\n") else None

        return eventually(look, f"{job['job_id']} has written to its {stream}")

    def end(self, job: Job) -> None:
        """Have the job cancelled; it stays registered."""
        answer = self.call("PUT", f"/api/jobs/{job['job_id']}", json={"action": "abort"})
        assert (answer.status_code, answer.content) == (204, b"")

    def clear_up(self) -> None:
        """Delete every job that this caller has submitted, unless a test has done so."""
        for job_id in self.submitted:
            answer = self.call("DELETE", f"/api/jobs/{job_id}")
            assert answer.status_code in {204, 404}, answer.text
