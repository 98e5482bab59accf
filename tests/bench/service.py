"""The service's calls over one kept-alive HTTPS connection each: the standard library's client, which costs little."""

import json
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlencode

from tests.bench.place import Place, Run

_TIMEOUT = 60  # seconds


class UnexpectedAnswer(Exception):
    """The service answered with another code than the one that is measured."""


class Service:
    """One connection to the service, for one thread. Usable as a context manager."""

    def __init__(self, place: Place, run: Run) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the sandbox's certificate is self-signed, as its `curl -k` knows
        context.verify_mode = ssl.CERT_NONE
        self._connection = HTTPSConnection(place.address, place.port, timeout=_TIMEOUT, context=context)
        self._headers = {"PROXY": place.proxy, "Content-Type": "application/json"}
        self._cluster = place.cluster
        self._run = run

    def __enter__(self) -> "Service":
        """Return itself: it connects with the first call."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Leave the connection."""
        self._connection.close()

    def submit(self, tag: str) -> str:
        """Submit the run's job with `tag`; return its job_id."""
        order = json.dumps({"host": self._cluster, "script": self._run.script, "tag": tag})
        return str(self._call("POST", "/api/jobs", 201, order)["job_id"])

    def job(self, job_id: str) -> Any:
        """Return one job."""
        return self._call("GET", f"/api/jobs/{job_id}", 200)

    def jobs(self, **query: str | int) -> list[Any]:
        """Return the jobs that `query` asks for; without one, all."""
        return list(self._call("GET", f"/api/jobs?{urlencode(query)}", 200))

    def health(self) -> Any:
        """Have the service answer what it answers without authentication, after one SELECT 1."""
        return self._call("GET", "/healthz", 200)

    def delete(self, job_id: str) -> None:
        """Cancel a job and remove it from the registry."""
        self._call("DELETE", f"/api/jobs/{job_id}", 204)

    def _call(self, method: str, path: str, expect: int, body: str | None = None) -> Any:
        """Return the answer's JSON, None where there is no body. Raises UnexpectedAnswer."""
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != expect:
            raise UnexpectedAnswer(f"{method} {path}: {response.status} {answer[:500]!r}")
        return json.loads(answer) if answer else None


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
