"""The attacking user: start-up files that do what they like, and requests from an address of its own."""

import base64
import json
import pwd
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path

from sandbox import processes
from tests.harness.accounts import Account
from tests.harness.client import Client, Posted, script
from tests.harness.fault_cluster import FaultCluster
from tests.harness.registry import Registry
from tests.harness.waiting import eventually

ADDRESS = "127.0.0.2"  # loopback, but not where the other user's calls come from

STRIKE = "echo . >> ~/strikes"
"""What each blow of the attack does in a shell, so that a test sees that it was struck."""


@dataclass(frozen=True)
class Attacker:
    """A user of the instance who means harm. `client` calls from ADDRESS."""

    account: Account
    client: Client
    proxy: Path
    registry: Registry

    @property
    def strikes(self) -> int:
        """How often a start-up file or a forged command has struck so far."""
        file = self.account.home / "strikes"
        return len(file.read_text().split()) if file.exists() else 0

    def hold(self, cluster: FaultCluster, *lines: str, directory: str = "") -> str:
        """Submit a job that stays in the queue, wait until its output files are known, and return its job_id."""
        posted = eventually(partial(self._post, cluster, lines, directory), "the attacker's calls of before have ended")
        assert posted.code == 201, posted.body
        known = "SELECT id FROM jobs_job WHERE id = %s AND stdout <> ''"
        eventually(lambda: self.registry.execute(known, posted.submission), "the job is described")
        return str(posted.body["job_id"])

    def _post(self, cluster: FaultCluster, lines: Sequence[str], directory: str) -> Posted | None:
        """Submit a job; return nothing where too many calls of the attacker are under way."""
        posted = self.client.post(cluster, lines=lines, directory=directory)
        return None if posted.code == HTTPStatus.TOO_MANY_REQUESTS else posted

    def hold_each(self, clusters: Sequence[FaultCluster], number: int, *lines: str, directory: str = "") -> list[str]:
        """The same with so many jobs on each of `clusters`, side by side."""
        with ThreadPoolExecutor(8) as crowd:
            return list(
                crowd.map(lambda cluster: self.hold(cluster, *lines, directory=directory), [*clusters] * number)
            )

    def request(
        self, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None, proxy: bool = True
    ) -> bytes:
        """Return a whole request as it is sent on a connection of its own; without `proxy` nobody's."""
        fields = {"Host": "127.0.0.1", "Connection": "close", **(headers or {})}
        if proxy:
            fields["PROXY"] = base64.b64encode(self.proxy.read_bytes()).decode()
        if body:
            fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body

    def order(self, cluster: FaultCluster, *lines: str) -> bytes:
        """Return a request that submits a job which stays in the queue."""
        order = {"host": cluster.host, "script": script("attack", *lines)}
        return self.request("POST", "/api/jobs", json.dumps(order).encode())

    @contextmanager
    def starting_up(self, text: str) -> Iterator[None]:
        """Have every shell of the account run `text` first meanwhile, and leave none of its processes.

        Agents that run have read what was there before: they end.
        """
        file = self.account.home / ".bashrc"
        saved = file.read_text()
        self.account.write("strikes", "")
        self.account.write(".bashrc", text + saved)
        self._end_processes()
        try:
            yield
        finally:
            self.account.write(".bashrc", saved)
            self._end_processes()

    def _end_processes(self) -> None:
        processes.end(processes.of_account(pwd.getpwnam(self.account.name).pw_uid), grace=1)

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """Have a directory in the home meanwhile."""
        path = self.account.directory(name)
        try:
            yield path
        finally:
            shutil.rmtree(path)
