"""A user of the service who notes what every call came to, lost answers included."""

import base64
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.harness.accounts import GRANT
from tests.harness.fault_cluster import FaultCluster


@dataclass(frozen=True)
class Posted:
    """A POST and its answer. `tag` is unique, and the job's comment in SLURM; `code` is None where no answer came."""

    tag: str
    code: int | None
    body: dict[str, Any]
    headers: httpx.Headers

    @property
    def slurm_id(self) -> int:
        """SLURM's id out of the answer's job_id."""
        return int(str(self.body["job_id"]).partition(".")[0])

    @property
    def submission(self) -> str:
        """The submission that the answer names."""
        return str(self.headers["Submission-Id"])


def answers(posts: Sequence[Posted]) -> dict[int | None, str]:
    """Return the codes that came, each with the words of one such answer."""
    return {posted.code: str(posted.body.get("error_message", posted.body)) for posted in posts}


def script(tag: str, *lines: str) -> str:
    """Return a job that is held, so that it stays in the queue, with `tag` as its comment."""
    return "\n".join(["#!/bin/sh", f"#SBATCH -A {GRANT} --hold --comment={tag}", *lines, "exit 0", ""])


class Client:
    """Calls the service at `base_url` with a user's proxy; thread-safe. Each call has a connection of its own.

    With `address` they come from that one of the machine's own addresses.
    """

    def __init__(self, base_url: str, proxy: Path, *, address: str | None = None) -> None:
        limits = httpx.Limits(max_keepalive_connections=0)
        headers = {"PROXY": base64.b64encode(proxy.read_bytes()).decode()}
        transport = httpx.HTTPTransport(limits=limits, local_address=address, trust_env=False)
        self._client = httpx.Client(
            base_url=base_url, headers=headers, timeout=60, transport=transport, trust_env=False
        )

    def close(self) -> None:
        """Leave."""
        self._client.close()

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return the answer to one call. Raises httpx.TransportError where none comes."""
        return self._client.request(method, path, **options)

    def stream(self, method: str, path: str) -> AbstractContextManager[httpx.Response]:
        """Return the answer to one call, whose content is read piece by piece."""
        return self._client.stream(method, path)

    def post(
        self,
        cluster: FaultCluster,
        *,
        tag: str = "",
        key: str | None = None,
        lines: Sequence[str] = (),
        directory: str = "",
    ) -> Posted:
        """Submit a job with `lines` in its script; note what comes of that."""
        tag = tag or new_tag()
        order = {"host": cluster.host, "tag": tag, "script": script(tag, *lines)}
        if directory:
            order["working_directory"] = directory
        try:
            answer = self.call("POST", "/api/jobs", json=order, headers={"Idempotency-Key": key} if key else {})
        except httpx.TransportError as exc:
            return Posted(tag, None, {"error": repr(exc)}, httpx.Headers())
        return Posted(tag, answer.status_code, answer.json(), answer.headers)

    def post_many(self, cluster: FaultCluster, number: int, **options: Any) -> list[Posted]:
        """Submit so many jobs at once."""
        with ThreadPoolExecutor(number) as crowd:
            return list(crowd.map(lambda _: self.post(cluster, **options), range(number)))

    def lose(self, cluster: FaultCluster, *, meanwhile: Callable[[], object] = lambda: None, **options: Any) -> Posted:
        """Submit, and lose the login node once SLURM has the job and nobody was told; then comes `meanwhile`."""
        gate = cluster.hold_after("sbatch")
        with ThreadPoolExecutor(1) as aside:
            call = aside.submit(self.post, cluster, **options)
            gate.reached()
            cluster.relay.cut()
            meanwhile()
            lost = call.result(60)
        gate.open()
        return lost

    def told(self, posted: Posted) -> dict[str, Any]:
        """Return what the service says of the submission that an answer named."""
        answer = self.call("GET", f"/api/submissions/{posted.submission}")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def listed(self, tag: str) -> list[str]:
        """Return the job_ids of the jobs with `tag`."""
        answer = self.call("GET", "/api/jobs", params={"tag": tag})
        assert answer.status_code == 200, answer.text
        return [job["job_id"] for job in answer.json()]


def new_tag() -> str:
    """Return a tag that no other submission has."""
    return f"fault-{uuid.uuid4().hex}"
