"""The one fake of the API's tests: what stands for every cluster, in the form that the real gateway has.

mypy holds both to the protocols below, and what is put in the gateway's place is what the protocols name: neither a
verb that is missing here nor one that has changed there goes unnoticed.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol, TypeVar, cast

import pytest
from django.utils import timezone

from clusters import gateway, submitting
from clusters.errors import ClusterError
from clusters.gateway import Cancellation, HistoryAnswer
from clusters.models import Cluster
from clusters.slurm.description import NewJob
from clusters.slurm.records import Listing, Record
from clusters.slurm.sbatch import Accepted, NotSubmitted, Rejected
from clusters.slurm.starts import Starts
from clusters.ssh.output_files import OutputFile, Wanted
from clusters.submitting import OnUpdates, SubmissionAnswer, SubmissionSlot, SubmissionUpdate

Fate = Accepted | Rejected | NotSubmitted
T = TypeVar("T")


class Session(Protocol):
    """What asks a cluster about many jobs: `clusters.gateway.PollSession`."""

    def queue(self) -> Listing: ...
    def history(self, jobs: Sequence[int], since: int, ended: Sequence[int] = (), /) -> HistoryAnswer: ...


class Jobs(Protocol):
    """What is asked about clusters and jobs, and done to jobs: `clusters.gateway`."""

    def ping(self, cluster: Cluster, account: str, /) -> tuple[str, str]: ...
    def check_host_key(self, cluster: Cluster, /) -> str: ...
    def slurm_name(self, cluster: Cluster, account: str, /) -> str: ...
    def cancel_elsewhere(self, cluster: Cluster, account: str, accepted: Accepted, /) -> list[str]: ...
    def cancel(self, cluster: Cluster, account: str, job: int, since: int, /) -> Cancellation: ...
    def cancel_together(
        self, cluster: Cluster, account: str, jobs: Sequence[tuple[int, int]], /
    ) -> list[Cancellation | Exception]: ...
    def inspect(self, cluster: Cluster, account: str, job: int, since: int, /) -> list[Record]: ...
    def inspect_together(
        self, cluster: Cluster, account: str, jobs: Sequence[tuple[int, int]], /
    ) -> list[list[Record] | Exception]: ...
    def task_starts(
        self, cluster: Cluster, account: str, job: int, since: int, /, *, earliest: int, hosts: bool
    ) -> Starts: ...
    def poll_session(
        self, cluster: Cluster, account: str, /, *, everybody: bool
    ) -> AbstractContextManager[Session]: ...
    def open_file(self, cluster: Cluster, account: str, wanted: Wanted, /) -> AbstractContextManager[OutputFile]: ...


class Submissions(Protocol):
    """What makes jobs: `clusters.submitting`."""

    def acquire_slot(self, cluster: Cluster, account: str, /) -> SubmissionSlot: ...
    def submit(self, slot: SubmissionSlot, directory: str, script: str, /) -> SubmissionAnswer: ...
    def acknowledge(self, slot: SubmissionSlot, accepted: Accepted | None, tell: OnUpdates, /) -> None: ...
    def find_lost_submissions(
        self, cluster: Cluster, account: str, tokens: Sequence[str], since: int, /, *, sbatch_is_over: bool
    ) -> dict[str, Fate]: ...
    def describe(self, cluster: Cluster, account: str, job: int, /) -> NewJob | None: ...


REAL: tuple[Jobs, Submissions] = (gateway, submitting)


def new_job(account: str, job: int) -> NewJob:
    """What the controller says of a new job."""
    path = f"/home/{account}/slurm-{job}.out"
    return NewJob(path, path, timezone.now().replace(microsecond=0), is_array=False)


@dataclass
class FakeSession:
    """One poll of a cluster."""

    gateway: "FakeGateway"
    everybody: bool

    def queue(self) -> Listing:
        return self.gateway.answer(f"queue everybody={self.everybody}", Listing(self.gateway.queued))

    def history(self, jobs: Sequence[int], _since: int, ended: Sequence[int] = ()) -> HistoryAnswer:
        records = [record for record in self.gateway.accounted if record.job in jobs]
        codes = {str(job): status for job, status in self.gateway.wait_statuses.items() if job in ended}
        try:
            listing = self.gateway.answer("history", Listing(records, self.gateway.unread))
        except ClusterError as exc:
            return HistoryAnswer(exit_codes=codes, error=exc)
        return HistoryAnswer(listing, codes)


@dataclass
class FakeGateway:
    """Stands for every cluster: hands out ids, and says what the test tells it to say.

    `outcome`: what every verb raises, or returns in the place of what it would. `calls`: what was asked for, in order.
    `settled`: where a list is given, nobody is told of the submissions in it.
    """

    ids: Iterator[int] = field(default_factory=lambda: count(100))
    outcome: object = None
    cancelled: list[int] = field(default_factory=list)
    complaint: str = ""  # scancel's
    queued: list[Record] = field(default_factory=list)
    accounted: list[Record] = field(default_factory=list)
    wait_statuses: dict[int, int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    files: dict[str, bytes] = field(default_factory=dict)
    started: Starts = field(default_factory=lambda: Starts(known=False, tasks=()))
    wanted: Wanted | None = None
    lost: dict[str, Fate] = field(default_factory=dict)
    settled: list[tuple[SubmissionSlot, Accepted | None, OnUpdates]] | None = None
    calls: list[str] = field(default_factory=list)
    submitted: tuple[str, str, str, str] = ("", "", "", "")  # account, token, directory, script
    slurms_name: str = "zeus"
    server: str = "SSH-2.0-OpenSSH_9.2p1 Debian-2"
    states_elsewhere: list[str] = field(default_factory=lambda: ["CANCELLED"])
    during: Callable[[], object] = lambda: None

    def answer(self, call: str, answer: T) -> T:
        """Note `call`, let the test do what it does `during` one, and return `answer` or what stands in its place."""
        self.calls.append(call)
        self.during()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return answer if self.outcome is None else cast("T", self.outcome)

    def acquire_slot(self, cluster: Cluster, account: str) -> SubmissionSlot:
        return SubmissionSlot(cluster, account, uuid.uuid4())

    def submit(self, slot: SubmissionSlot, directory: str, script: str) -> SubmissionAnswer:
        self.submitted = (slot.account, slot.token.hex, directory, script)
        outcome = self.answer("submit", Accepted(next(self.ids)))
        at_once = slot.cluster.shows_file_urls and isinstance(outcome, Accepted)
        return SubmissionAnswer(outcome, new_job(slot.account, outcome.job) if at_once else None)

    def acknowledge(self, slot: SubmissionSlot, accepted: Accepted | None, tell: OnUpdates) -> None:
        self.calls.append("acknowledge")
        if self.settled is not None:
            self.settled.append((slot, accepted, tell))
            return
        if accepted:
            tell([SubmissionUpdate(slot, new_job(slot.account, accepted.job))])
        tell([SubmissionUpdate(slot, cleared=True)])

    def find_lost_submissions(
        self, _cluster: Cluster, _account: str, tokens: Sequence[str], _since: int, *, sbatch_is_over: bool
    ) -> dict[str, Fate]:
        found = {token: self.lost[token] for token in tokens if token in self.lost}
        return self.answer(f"lookup sbatch_is_over={sbatch_is_over}", found)

    def describe(self, _cluster: Cluster, account: str, job: int) -> NewJob | None:
        return self.answer("describe", new_job(account, job))

    def ping(self, _cluster: Cluster, _account: str) -> tuple[str, str]:
        return self.answer("ping", ("slurm 22.05.8", "Slurmctld is UP"))

    def check_host_key(self, _cluster: Cluster) -> str:
        return self.server

    def slurm_name(self, cluster: Cluster, _account: str) -> str:
        self.calls.append(f"name of {cluster.name}")
        return self.slurms_name

    def cancel_elsewhere(self, _cluster: Cluster, _account: str, accepted: Accepted) -> list[str]:
        self.calls.append(f"cancel {accepted.job} on {accepted.cluster}")
        return self.states_elsewhere

    def cancel(self, _cluster: Cluster, _account: str, job: int, _since: int) -> Cancellation:
        self.cancelled.append(job)
        return self.answer("cancel", Cancellation(self.queued + self.accounted, self.complaint))

    def cancel_together(
        self, _cluster: Cluster, _account: str, jobs: Sequence[tuple[int, int]]
    ) -> list[Cancellation | Exception]:
        self.cancelled += [job for job, _since in jobs]
        return self.answer("cancel", [Cancellation(self._of(job), self.complaint) for job, _since in jobs])

    def inspect(self, _cluster: Cluster, _account: str, _job: int, _since: int) -> list[Record]:
        return self.answer("inspect", self.queued + self.accounted)

    def inspect_together(
        self, _cluster: Cluster, _account: str, jobs: Sequence[tuple[int, int]]
    ) -> list[list[Record] | Exception]:
        return self.answer("inspect", [self._of(job) for job, _since in jobs])

    def _of(self, job: int) -> list[Record]:
        return [record for record in (*self.queued, *self.accounted) if record.job == job]

    @contextmanager
    def poll_session(self, _cluster: Cluster, _account: str, *, everybody: bool) -> Iterator[FakeSession]:
        yield FakeSession(self, everybody)

    def task_starts(
        self, _cluster: Cluster, _account: str, _job: int, _since: int, *, earliest: int, hosts: bool
    ) -> Starts:
        assert earliest > 0
        return self.answer(f"starts hosts={hosts}", self.started)

    @contextmanager
    def open_file(self, _cluster: Cluster, _account: str, wanted: Wanted) -> Iterator[OutputFile]:
        self.answer("open_file", None)
        self.wanted = wanted
        for variant in wanted.variants:
            if there := [named for named in variant if named.path in self.files]:
                texts = [self.files[named.path] for named in there]
                sizes = ((named.task, len(text)) for named, text in zip(there, texts, strict=True))
                tasks = tuple((task, size) for task, size in sizes if task is not None)
                yield OutputFile(sum(map(len, texts)), iter(texts), tasks)
                return
        raise FileNotFoundError


def install(monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    """Put a fake in the place of all that the protocols name, and return it."""
    stand_in = FakeGateway()
    parts: tuple[Jobs, Submissions] = (stand_in, stand_in)
    for real, part, protocol in zip(REAL, parts, (Jobs, Submissions), strict=True):
        for verb in (name for name in vars(protocol) if not name.startswith("_")):
            monkeypatch.setattr(real, verb, getattr(part, verb))
    return stand_in
