"""The cast of every API test, real proxies for each, and the one fake: the gateway to the clusters."""

import base64
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from clusters import gateway, submitting
from clusters.gateway import Cancellation
from clusters.models import Cluster
from clusters.slurm.listings import Listing, Record
from clusters.slurm.sbatch import Accepted, NewJob
from clusters.slurm.starts import Starts
from clusters.ssh.output_files import OutputFile, Wanted
from clusters.submitting import OnNews, SubmissionAnswer, SubmissionNews, SubmissionSlot
from jobs import locks
from jobs.shares import Shares
from jobs.sync import notifications
from submitter.http import account_shares
from tests.pki import grid
from tests.pki.mint import Form, crl

DNS = {user: f"/C=PL/O=Grid/OU=Users/CN={user}" for user in ("plgalice", "plgbob", "plgcarol")}


class Caller:
    """Somebody with a proxy, or with none, who calls the API."""

    def __init__(self, proxy: bytes | None) -> None:
        self._client = Client(raise_request_exception=False)
        self._headers = {} if proxy is None else {"PROXY": base64.b64encode(proxy).decode()}
        self._streams: list[Any] = []

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send `body` as JSON and return the response."""
        send = getattr(self._client, method.lower())
        content = {} if method in {"GET", "HEAD"} else {"content_type": options.pop("content_type", "application/json")}
        data = {} if body is None else {"data": body}
        answer = send(path, headers=self._headers, **content, **data, **options)
        if answer.streaming:
            self._streams.append(answer)
        return answer

    def leave(self) -> None:
        """Close what has not been read to its end, as the end of a connection does."""
        for answer in self._streams:
            answer.close()


@dataclass
class Cast:
    """Owner, stranger, unmapped, anonymous."""

    alice: Caller
    bob: Caller
    carol: Caller
    nobody: Caller


def described(account: str, job: int) -> NewJob:
    """What the controller says of a new job."""
    path = f"/home/{account}/slurm-{job}.out"
    return NewJob(path, path, timezone.now().replace(microsecond=0), is_array=False)


@dataclass
class FakeLook:
    """One look at a cluster."""

    gateway: "FakeGateway"
    everybody: bool
    wait_statuses: dict[str, int] = field(default_factory=dict)

    def queue(self) -> Any:
        return self.gateway._say(f"queue everybody={self.everybody}", Listing(self.gateway.queued))

    def history(self, jobs: list[int], _since: int, ended: list[int]) -> Any:
        records = [record for record in self.gateway.accounted if record.job in jobs]
        self.wait_statuses = {str(job): status for job, status in self.gateway.wait_statuses.items() if job in ended}
        return self.gateway._say("history", Listing(records, self.gateway.unread))


@dataclass
class FakeGateway:
    """Stands for every cluster: hands out ids, and says what the test tells it to say."""

    ids: Iterator[int] = field(default_factory=lambda: count(100))
    outcome: Any = None
    cancelled: list[int] = field(default_factory=list)
    complaint: str = ""  # scancel's
    queued: list[Record] = field(default_factory=list)
    accounted: list[Record] = field(default_factory=list)
    wait_statuses: dict[int, int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    files: dict[str, bytes] = field(default_factory=dict)
    started: Starts = field(default_factory=lambda: Starts(known=False, tasks=()))
    wanted: Wanted | None = None
    lost: dict[str, Any] = field(default_factory=dict)
    settled: list[tuple[SubmissionSlot, Accepted | None, OnNews]] | None = (
        None  # where a list is given, nobody is told of them
    )
    calls: list[str] = field(default_factory=list)
    slurms_name: str = "zeus"
    states_elsewhere: list[str] = field(default_factory=lambda: ["CANCELLED"])
    during: Callable[[], None] = lambda: None

    def _say(self, call: str, answer: Any) -> Any:
        self.calls.append(call)
        self.during()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return answer if self.outcome is None else self.outcome

    def acquire_slot(self, cluster: Cluster, account: str) -> SubmissionSlot:
        return SubmissionSlot(cluster, account, uuid.uuid4())

    def submit(self, place: SubmissionSlot, directory: str, script: str) -> SubmissionAnswer:
        self.submitted = (place.account, place.token.hex, directory, script)
        outcome = self._say("submit", Accepted(next(self.ids)))
        at_once = place.cluster.names_files and isinstance(outcome, Accepted)
        return SubmissionAnswer(outcome, described(place.account, outcome.job) if at_once else None)

    def acknowledge(self, place: SubmissionSlot, accepted: Accepted | None, tell: OnNews) -> None:
        self.calls.append("settle")
        if self.settled is not None:
            self.settled.append((place, accepted, tell))
            return
        if accepted:
            tell([SubmissionNews(place, described(place.account, accepted.job))])
        tell([SubmissionNews(place, cleared=True)])

    def find_lost_submissions(
        self, _cluster: Cluster, _account: str, tokens: list[str], _since: int, *, sbatch_is_over: bool
    ) -> Any:
        found = {token: self.lost[token] for token in tokens if token in self.lost}
        return self._say(f"lookup sbatch_is_over={sbatch_is_over}", found)

    def describe(self, _cluster: Cluster, account: str, job: int) -> Any:
        return self._say("describe", described(account, job))

    def slurm_name(self, cluster: Cluster, _account: str) -> Any:
        self.calls.append(f"name of {cluster.name}")
        return self.slurms_name

    def cancel_elsewhere(self, _cluster: Cluster, _account: str, accepted: Accepted) -> Any:
        self.calls.append(f"cancel {accepted.job} on {accepted.cluster}")
        return self.states_elsewhere

    def cancel(self, _cluster: Cluster, _account: str, job: int, _since: int) -> Any:
        self.cancelled.append(job)
        return self._say("cancel", Cancellation(self.queued + self.accounted, self.complaint))

    def inspect(self, _cluster: Cluster, _account: str, _job: int, _since: int) -> Any:
        return self._say("inspect", self.queued + self.accounted)

    @contextmanager
    def poll_session(self, _cluster: Cluster, _account: str, *, everybody: bool) -> Iterator["FakeLook"]:
        yield FakeLook(self, everybody)

    def task_starts(
        self, _cluster: Cluster, _account: str, _job: int, _since: int, *, earliest: int, hosts: bool
    ) -> Any:
        assert earliest > 0
        return self._say(f"starts hosts={hosts}", self.started)

    @contextmanager
    def open_file(self, _cluster: Cluster, _account: str, wanted: Wanted) -> Iterator[OutputFile]:
        self._say("open_file", None)
        self.wanted = wanted
        for variant in wanted.variants:
            if there := [named for named in variant if named.path in self.files]:
                texts = [self.files[named.path] for named in there]
                sizes = ((named.task, len(text)) for named, text in zip(there, texts, strict=True))
                tasks = tuple((task, size) for task, size in sizes if task is not None)
                yield OutputFile(sum(map(len, texts)), iter(texts), tasks)
                return
        raise FileNotFoundError


@pytest.fixture(scope="session")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """Mint a grid: the folder with its trust directory and grid-mapfile, and a proxy for each user."""
    folder = tmp_path_factory.mktemp("grid")
    now = timezone.now()
    today = Form(start=now - timedelta(hours=1), end=now + timedelta(days=1))
    authority = grid.ca(form=today)
    grid.write_trust(folder / "trust", authority)
    (folder / "trust" / "0123abcd.r0").write_bytes(crl(authority, start=today.start, end=today.end))
    users = {user: grid.user(authority, dn, form=today) for user, dn in DNS.items()}
    mapped = [f'"{DNS[user]}" {user}\n' for user in ("plgalice", "plgbob")]
    (folder / "grid-mapfile").write_text("".join(mapped))
    return folder, {user: grid.proxy_file(grid.rfc(minted, form=today), minted) for user, minted in users.items()}


@pytest.fixture(scope="session", autouse=True)
def no_listener_outlives_the_database(django_db_setup: None) -> Iterator[None]:  # noqa: ARG001 - asked for its order
    """End the sessions that wait for moves, and hold locks, before the test database is dropped."""
    yield
    notifications.moves.close()
    locks.close()


@pytest.fixture(scope="session", autouse=True)
def tables_can_be_emptied(django_db_setup: None, django_db_blocker: Any) -> None:  # noqa: ARG001 - asked for its order
    """Tests that commit are cleared up by TRUNCATE, which the audit log refuses."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_log_stays")


@pytest.fixture(autouse=True)
def audit_lines_are_stored_at_once(settings: Any) -> None:
    """A test's transaction is seen by its own thread alone."""
    settings.AUDIT_AT_ONCE = True


@pytest.fixture(autouse=True)
def plain_http(settings: Any) -> None:
    """Django's test client speaks no TLS, and must not be sent there."""
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture(autouse=True)
def nobody_holds_anything_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that a test leaves unread is never closed, and would count for its account in the next ones."""
    monkeypatch.setattr(account_shares, "REQUESTS", Shares("requests"))


@pytest.fixture
def cast(proxies: tuple[Path, dict[str, bytes]], settings: Any) -> Iterator[Cast]:
    """Everybody, on a service that trusts the minted grid."""
    folder, files = proxies
    settings.TRUST_DIR, settings.GRIDMAP = str(folder / "trust"), str(folder / "grid-mapfile")
    callers = [Caller(files["plgalice"]), Caller(files["plgbob"]), Caller(files["plgcarol"]), Caller(None)]
    yield Cast(*callers)
    for caller in callers:
        caller.leave()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    """Put the fake at the gateway."""
    stand_in = FakeGateway()
    for verb in ("slurm_name", "cancel_elsewhere", "cancel", "inspect", "poll_session", "task_starts", "open_file"):
        monkeypatch.setattr(gateway, verb, getattr(stand_in, verb))
    for verb in ("acquire_slot", "submit", "acknowledge", "find_lost_submissions", "describe"):
        monkeypatch.setattr(submitting, verb, getattr(stand_in, verb))
    return stand_in


@pytest.fixture
def zeus(db: None) -> Cluster:  # noqa: ARG001 - pytest's way to ask for the database
    """The registered cluster of the seed's first sample call."""
    return Cluster.objects.create(
        name="zeus.cyfronet.pl",
        aliases=["zeus"],
        address="127.0.0.1",
        host_keys=["ssh-ed25519 AAAA"],
        job_domain="batch.grid.cyf-kr.edu.pl",
        time_zone="Europe/Warsaw",
        poll_account="plgpoll",
    )
