"""The service's calls over one kept-alive HTTPS connection each, as requests that are made in advance."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

from tests.bench.target import Place, Run
from tests.bench.wire import Answer, Wire, request

_ABORT = json.dumps({"action": "abort"})


class UnexpectedAnswer(Exception):
    """The service answered with another code than the one that is measured."""


class Service:
    """One connection to the service, for one thread at a time. Usable as a context manager."""

    def __init__(self, place: Place, run: Run) -> None:
        self._wire = Wire(place.address, place.port)
        self._fields = {
            "Host": f"{place.address}:{place.port}",
            "PROXY": place.proxy,
            "Content-Type": "application/json",
        }
        self._cluster = place.cluster
        self._run = run

    def __enter__(self) -> "Service":
        """Return itself: it connects with the first call."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Leave the connection."""
        self._wire.close()

    def submitting(self, tag: str) -> Callable[[], str]:
        """Return what submits the run's job with `tag` and returns its job_id."""
        order = json.dumps({"host": self._cluster, "script": self._run.script, "tag": tag})
        prepared = request("POST", "/api/jobs", self._fields, order)
        return lambda: str(json.loads(self._send(prepared, 201).body)["job_id"])

    def submit(self, tag: str) -> str:
        """Submit the run's job with `tag`; return its job_id."""
        return self.submitting(tag)()

    def abort(self, job_id: str) -> None:
        """Cancel a job and keep it in the registry."""
        self._send(request("PUT", f"/api/jobs/{job_id}", self._fields, _ABORT), 204)

    def getting(self, path: str, etag: str | None = None) -> Callable[[], Answer]:
        """Return what gets `path` and leaves its JSON unread; with the present `etag` it gets 304."""
        condition = {"If-None-Match": etag} if etag else {}
        prepared = request("GET", path, self._fields | condition)
        return lambda: self._send(prepared, 304 if etag else 200)

    def jobs(self, **query: str | int) -> list[Any]:
        """Return the jobs that `query` asks for; without one, all."""
        return list(json.loads(self.getting(listing(**query))().body))

    def delete(self, job_id: str) -> None:
        """Cancel a job and remove it from the registry."""
        self._send(request("DELETE", f"/api/jobs/{job_id}", self._fields), 204)

    def _send(self, prepared: bytes, expect: int) -> Answer:
        """Return the answer. Raises UnexpectedAnswer with the call, not with its header."""
        answer = self._wire.exchange(prepared)
        if answer.status != expect:
            call = prepared.partition(b" HTTP/1.1")[0].decode()
            raise UnexpectedAnswer(f"{call}: {answer.status} {answer.body[:500]!r}")
        return answer


def listing(**query: str | int) -> str:
    """Return the path of a list."""
    return f"/api/jobs?{urlencode(query)}" if query else "/api/jobs"


def connections(stack: ExitStack, place: Place, run: Run, number: int) -> list[Service]:
    """Return `number` connections, which `stack` closes."""
    return [stack.enter_context(Service(place, run)) for _ in range(number)]


def remove(services: list[Service], tags: list[str]) -> int:
    """Delete every job with one of `tags` over all of `services` at once; return how many there were."""
    jobs = [job["job_id"] for tag in tags for job in services[0].jobs(tag=tag)]
    shares = [jobs[start :: len(services)] for start in range(len(services))]
    with ThreadPoolExecutor(max_workers=len(services)) as pool:
        list(pool.map(_delete_all, services, shares))
    return len(jobs)


def _delete_all(service: Service, jobs: list[str]) -> None:
    for job_id in jobs:
        service.delete(job_id)
