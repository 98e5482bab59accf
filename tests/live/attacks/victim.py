"""The other user: does what users do while an attack goes on, and finds everything as usual."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx

from sandbox.commands import run
from tests.harness.accounts import GRANT
from tests.harness.client import Client, new_tag
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.live.attacks.clock import Clock

USUAL = 45
"""Ticks of the clock in which the victim has what it waits for: many times what that takes, also on a slow machine.

Whoever is kept waiting by an attack waits longer: the attacks hold what they take for as long as `HELD` says.
"""

HELD = 100
"""Seconds for which an attack can hold what it takes: time-outs of the clusters and of the web server.

In production they are shorter, and the others would be kept waiting for less long.
"""

_LONGEST = 120  # ticks until an attack has done everything that it does
_PATIENCE = 60  # seconds in which a call that does not wait gets an answer, or none

Job = dict[str, Any]


class Disturbed(AssertionError):
    """The victim did not get the usual answer."""


class Victim:
    """Uses the service on `clusters`; every method raises Disturbed or NotInTime where something is not as usual."""

    def __init__(self, instance: Instance, client: Client, clusters: Sequence[FaultCluster]) -> None:
        self._instance = instance
        self._client = client
        self._clusters = clusters
        self._clock = Clock(instance.beat)

    def watch(self, until: Callable[[], bool] = lambda: True) -> None:
        """Use everything on each cluster, twice and until `until`.

        A job from before stays as it was, and no web process ends.
        """
        processes = {process.pid for process in self._instance.web.family()}
        with ThreadPoolExecutor(len(self._clusters)) as crowd:
            list(crowd.map(partial(self._watch, until), self._clusters))
        assert {process.pid for process in self._instance.web.family()} == processes, "a web process has ended"

    def _watch(self, until: Callable[[], bool], cluster: FaultCluster) -> None:
        kept = self.submit(cluster, "#SBATCH --hold")
        for _ in range(2):
            self._use_everything(cluster)
        self._clock.within(_LONGEST, until, "the attack has done everything")
        self.finds_untouched(kept)
        self._delete(kept)

    def finds_untouched(self, job: Job) -> None:
        """See that a job which waits since before is what it was all the time, here and in SLURM."""
        shown = self._shown(job)
        assert shown["status"] == "QUEUED", shown
        assert shown["slurm_state"] == "PENDING", shown
        assert {name: shown[name] for name in ("job_id", "tag", "host")} == {
            name: job[name] for name in ("job_id", "tag", "host")
        }
        events = self.call("GET", f"/api/jobs/{job['job_id']}/events", 200).json()
        assert {event["status"] for event in events} == {"QUEUED"}, events
        assert self._instance.controller.active([int(slurm_id(job))]), "SLURM holds it no more"

    def submit(self, cluster: FaultCluster, *lines: str) -> Job:
        """Submit a job with these lines that prints its tag, and return it."""
        tag = new_tag()
        script = "\n".join(["#!/bin/sh", f"#SBATCH -A {GRANT} --comment={tag}", *lines, f"echo {tag}", ""])
        job: Job = self.call("POST", "/api/jobs", 201, json={"host": cluster.host, "tag": tag, "script": script}).json()
        return job

    def call(self, method: str, path: str, code: int, *, ticks: int = USUAL, **options: Any) -> httpx.Response:
        """Return the answer to one call, which has to be `code` within so many ticks."""
        began = self._clock.ticks
        try:
            answer = self._client.call(method, path, timeout=_PATIENCE if ticks == USUAL else 120, **options)
        except httpx.TransportError as exc:
            raise Disturbed(f"{method} {path}: {exc!r}, after {self._clock.ticks - began} ticks") from exc
        passed = self._clock.ticks - began
        if answer.status_code != code or passed > ticks:
            raise Disturbed(f"{method} {path}: {answer.status_code} after {passed} ticks: {answer.text[:500]}")
        return answer

    def _use_everything(self, cluster: FaultCluster) -> None:
        held, lost = self.submit(cluster, "#SBATCH --hold"), self.submit(cluster, "#SBATCH --hold")
        real = self.submit(cluster)
        self._sees(held)
        self._is_told_of_an_end_in_slurm(lost)
        self._aborts(held)
        self._reads(real)
        for job in (held, lost, real):
            self._delete(job)

    def _sees(self, job: Job) -> None:
        assert self._shown(job)["job_id"] == job["job_id"]
        listed = self.call("GET", "/api/jobs", 200, params={"tag": job["tag"]}).json()
        assert [each["job_id"] for each in listed] == [job["job_id"]]
        assert job["job_id"] in {each["job_id"] for each in self.call("GET", "/api/jobs", 200).json()}

    def _is_told_of_an_end_in_slurm(self, job: Job) -> None:
        """Cancel the job where the service does not see it: the poll finds out, and wakes who waits."""
        with self._waiting_for(job) as answer:
            run(["scancel", slurm_id(job)], env=self._instance.slurm)
            since = self._clock.ticks
            self._becomes(job, "ABORTED", since)
            self._is_woken(answer, since)

    def _aborts(self, job: Job) -> None:
        with self._waiting_for(job) as answer:
            self.call("PUT", f"/api/jobs/{job['job_id']}", 204, json={"action": "abort"})
            self._is_woken(answer, self._clock.ticks)
        assert self._shown(job)["status"] == "ABORTED"

    def _reads(self, job: Job) -> None:
        """Read the output of a job that has run."""
        assert self._instance.controller.ended(int(slurm_id(job))) == "COMPLETED"
        self._becomes(job, "FINISHED", self._clock.ticks)
        # SLURM tells the name of the file some moments after the submission: a job as short as this may end before.
        output = self._clock.within(USUAL, lambda: self._named_output(job), "the output file has a name")
        assert (output.status_code, output.text) == (200, f"{job['tag']}\n")

    def _named_output(self, job: Job) -> httpx.Response | None:
        """Return the answer to a call for the job's output; None where SLURM has not told yet which file that is."""
        answer = self._client.call("GET", f"/api/jobs/{job['job_id']}/stdout", timeout=_PATIENCE)
        is_unnamed = answer.status_code == 404 and "has not told the name" in answer.text
        return None if is_unnamed else answer

    def _delete(self, job: Job) -> None:
        path = f"/api/jobs/{job['job_id']}"
        self.call("DELETE", path, 204)
        self.call("GET", path, 404)

    def _becomes(self, job: Job, status: str, since: int) -> None:
        self._clock.within(
            USUAL, lambda: self._shown(job)["status"] == status, f"{job['job_id']} is {status}", since=since
        )

    @contextmanager
    def _waiting_for(self, job: Job) -> Iterator[Future[httpx.Response]]:
        """Have somebody wait, for a minute at most, until the job moves."""
        path, prefer = f"/api/jobs/{job['job_id']}", {"Prefer": "wait=60"}
        with ThreadPoolExecutor(1) as aside:
            yield aside.submit(self.call, "GET", path, 200, ticks=2 * USUAL, headers=prefer)

    def _is_woken(self, answer: Future[httpx.Response], since: int) -> None:
        """See that who waits has been told of the end, and not by the end of the minute."""
        self._clock.within(USUAL, answer.done, "who waits for the job to move is woken", since=since)
        assert answer.result().json()["status"] == "ABORTED", answer.result().text

    def _shown(self, job: Job) -> Job:
        shown: Job = self.call("GET", f"/api/jobs/{job['job_id']}", 200).json()
        return shown


def slurm_id(job: Job) -> str:
    """Return SLURM's id out of a job's."""
    return str(job["job_id"]).partition(".")[0]
