"""A cluster whose login node is replayed: each request to an agent is counted, and answered as SLURM prints it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import pytest

from clusters.calls import asking
from clusters.models import Cluster
from clusters.remote import Request
from clusters.slurm.shell import Section
from clusters.ssh.agent import Reply


@dataclass
class Remote:
    """What `queue` (squeue's lines) and `history` (sacct's) say; what was asked, and as which account each time."""

    queue: Sequence[str] = ()
    history: Sequence[str] = ()
    accounts: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    during: Callable[[], object] = lambda: None
    _lock: Any = field(default_factory=Lock)

    @classmethod
    def instead_of_ssh(cls, monkeypatch: pytest.MonkeyPatch) -> "Remote":
        """Put one in the place of the pool and its agents; everything above them is real."""
        remote = cls()
        monkeypatch.setattr(asking, "agent", remote._agent)
        return remote

    def asked(self, verb: str) -> list[Request]:
        """Return the requests of this verb, in their order."""
        return [request for request in self.requests if request.verb == verb]

    @contextmanager
    def _agent(self, _cluster: Cluster, account: str, *, patience: float | None, counted: bool) -> Iterator["_Agent"]:
        assert (patience, counted) == (None, False)
        yield _Agent(self, account)

    def answer(self, account: str, request: Request) -> Reply:
        """Count `request`, and return the answer to it."""
        with self._lock:
            self.accounts.append(account)
            self.requests.append(request)
        self.during()
        if request.verb == "queue":
            return _reply(self._of(str(request.fields[0])), [])
        if request.verb == "history":
            return _reply([], self.history, [])
        raise NotImplementedError(request.verb)

    def _of(self, account: str) -> Sequence[str]:
        return [line for line in self.queue if f"|{account}|" in line] if account else self.queue


@dataclass
class _Agent:
    """What `clusters.ssh.agent.Agent` is to whoever asks."""

    remote: Remote
    account: str
    sent: Request = field(init=False)

    def send(self, request: Request, *, timeout: float, limit: int) -> None:
        assert timeout > 0
        assert limit > 0
        request.framed("--marker--")  # raises for what no agent could be sent
        self.sent = request

    def has_replied(self, within: float) -> bool:
        return within > 0

    def reply(self, deadline: float, timeout: float) -> Reply:
        assert deadline > timeout
        return self.remote.answer(self.account, self.sent)


def _reply(*outputs: Sequence[str]) -> Reply:
    return Reply([Section("".join(output).encode(), 0) for output in outputs])
