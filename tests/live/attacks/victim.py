"""The other user: does what users do while an attack goes on, and finds everything as usual."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

from sandbox.commands import run
from tests.live.attacks.clock import Clock
from tests.live.faults.accounts import GRANT
from tests.live.faults.client import Client, new_tag
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane

# In ticks of the clock, of which a poll interval of the instance has two. A change in SLURM is shown within two
# intervals; the rest is what a poll itself may take on a machine that does the attacker's work as well.
STATUS = 2 * 2 + 6
ANSWER = 10  # a call that does not wait on purpose

_PATIENCE = 25  # seconds in which a call that does not wait gets an answer, or none

Job = dict[str, Any]


class Disturbed(AssertionError):
    """The victim did not get the usual answer."""


class Victim:
    """Uses the service on `lane`; every method raises Disturbed or NotInTime where something is not as usual."""

    def __init__(self, instance: Instance, client: Client, lane: Lane) -> None:
        self._instance = instance
        self._client = client
        self._lane = lane
        self._clock = Clock(instance.beat)

    def watch(self, ticks: int = 15) -> None:
        """Use everything until so many ticks have passed: a job from before stays as it was, no web process ends."""
        processes = {process.pid for process in self._instance.web.family()}
        began = self._clock.ticks
        kept = self.submit("#SBATCH --hold")
        while self._clock.ticks - began < ticks:
            self._use_everything()
        self.finds_untouched(kept)
        self._delete(kept)
        assert {process.pid for process in self._instance.web.family()} == processes, "a web process has ended"

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

    def submit(self, *lines: str) -> Job:
        """Submit a job with these lines that prints its tag, and return it."""
        tag = new_tag()
        script = "\n".join(["#!/bin/sh", f"#SBATCH -A {GRANT} --comment={tag}", *lines, f"echo {tag}", ""])
        job: Job = self.call(
            "POST", "/api/jobs", 201, json={"host": self._lane.host, "tag": tag, "script": script}
        ).json()
        return job

    def call(self, method: str, path: str, code: int, *, ticks: int = ANSWER, **options: Any) -> httpx.Response:
        """Return the answer to one call, which has to be `code` within so many ticks."""
        began = self._clock.ticks
        try:
            answer = self._client.call(method, path, timeout=_PATIENCE if ticks == ANSWER else 90, **options)
        except httpx.TransportError as exc:
            raise Disturbed(f"{method} {path}: {exc!r}, after {self._clock.ticks - began} ticks") from exc
        passed = self._clock.ticks - began
        if answer.status_code != code or passed > ticks:
            raise Disturbed(f"{method} {path}: {answer.status_code} after {passed} ticks: {answer.text[:500]}")
        return answer

    def _use_everything(self) -> None:
        held, lost = self.submit("#SBATCH --hold"), self.submit("#SBATCH --hold")
        real = self.submit()
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
        output = self.call("GET", f"/api/jobs/{job['job_id']}/stdout", 200)
        assert output.text == f"{job['tag']}\n"

    def _delete(self, job: Job) -> None:
        path = f"/api/jobs/{job['job_id']}"
        self.call("DELETE", path, 204)
        self.call("GET", path, 404)

    def _becomes(self, job: Job, status: str, since: int) -> None:
        self._clock.within(
            STATUS, lambda: self._shown(job)["status"] == status, f"{job['job_id']} is {status}", since=since
        )

    @contextmanager
    def _waiting_for(self, job: Job) -> Iterator[Future[httpx.Response]]:
        """Have somebody wait, for a minute at most, until the job moves."""
        path, prefer = f"/api/jobs/{job['job_id']}", {"Prefer": "wait=60"}
        with ThreadPoolExecutor(1) as aside:
            yield aside.submit(self.call, "GET", path, 200, ticks=60, headers=prefer)

    def _is_woken(self, answer: Future[httpx.Response], since: int) -> None:
        """See that who waits has been told of the end, and not by the end of the minute."""
        self._clock.within(STATUS, answer.done, "who waits for the job to move is woken", since=since)
        assert answer.result().json()["status"] == "ABORTED", answer.result().text

    def _shown(self, job: Job) -> Job:
        shown: Job = self.call("GET", f"/api/jobs/{job['job_id']}", 200).json()
        return shown


def slurm_id(job: Job) -> str:
    """Return SLURM's id out of a job's."""
    return str(job["job_id"]).partition(".")[0]
