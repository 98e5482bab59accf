"""The door to the clusters: what is asked about jobs and about SLURM, each verb one request to an agent."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog
from django.conf import settings

from clusters.calls import asking
from clusters.calls.batching import RequestBatcher
from clusters.calls.counted import call, remote
from clusters.calls.transfer import Transfer
from clusters.errors import Failed, Malformed, TooMuch
from clusters.models import Cluster
from clusters.remote import Request
from clusters.slurm import listings, sbatch
from clusters.slurm.records import Listing, Record
from clusters.slurm.sbatch import Accepted
from clusters.slurm.shell import Section
from clusters.slurm.starts import Starts
from clusters.slurm.starts import parse as parse_starts
from clusters.ssh import connection, output_files
from clusters.ssh.agent import Reply
from clusters.ssh.output_files import OutputFile, Wanted

log = structlog.get_logger(__name__)

Told = TypeVar("Told")

_TOGETHER = 32  # jobs in one request
_NUMBER = re.compile("[0-9]+")


@dataclass(frozen=True)
class Cancellation:
    """What SLURM says of a job once scancel has ended; no records if it no longer knows the job.

    `complaint`: how scancel failed, in its own words; empty where it ended with 0. It also does that where it has
    cancelled nothing.
    """

    records: list[Record]
    complaint: str = ""


@dataclass(frozen=True)
class _Subject:
    """A job that is asked about; `since`: seconds ago at which it was certainly not yet submitted."""

    cluster: Cluster
    account: str
    job: int
    since: int


@remote("slurm_name")
def slurm_name(cluster: Cluster, account: str) -> str:
    """Return what SLURM itself calls `cluster`. Raises Unreachable, Refused, TimedOut, Failed, Malformed."""
    return sbatch.parse_name(asking.ask(cluster, account, Request("name")).sections)


@remote("cancel_elsewhere")
def cancel_elsewhere(cluster: Cluster, account: str, accepted: Accepted) -> list[str]:
    """Cancel a job that sbatch has given from `cluster` to another one, and return the states that SLURM then tells.

    There are several where the job is an array, and none where it is unknown. Raises Unreachable, Refused, TimedOut,
    Malformed, Failed.
    """
    asked = Request("cancel_elsewhere", (accepted.job, accepted.cluster))
    scancel, squeue = asking.ask(cluster, account, asked).exactly(2)
    if squeue.status == 0:
        return squeue.text.split()
    if listings.UNKNOWN_JOB in squeue.text:
        return []
    raise Failed(f"scancel ended with {scancel.status}, squeue with {squeue.status}: {squeue.text.strip()[:500]}")


@remote("cancel")
def cancel(cluster: Cluster, account: str, job: int, since: int) -> Cancellation:
    """Cancel `job` as `account`, and return what SLURM then says of it: whether it is cancelled, its records tell.

    `since`: seconds ago at which the job was certainly not yet submitted. What several callers of an account ask for at
    once is one request. Raises Unreachable, Refused, TimedOut, Malformed, and Failed where SLURM does not say what
    became of it.
    """
    return _with_others(_cancelling, _Subject(cluster, account, job, since))


def _cancel(subjects: Sequence[_Subject]) -> list[Cancellation]:
    scancel, *rest = _about("cancel", subjects, least=2)
    told = zip(subjects, _sorted(subjects, rest), strict=True)
    return [Cancellation(records, _complaint(scancel, subject, subjects)) for subject, records in told]


def _complaint(scancel: Section, subject: _Subject, subjects: Sequence[_Subject]) -> str:
    """Return how scancel failed for one of several jobs: what it says of the other ones alone is not for this one."""
    if scancel.status == 0:
        return ""
    own, others = str(subject.job), {str(other.job) for other in subjects}
    lines = [(line, others.intersection(_NUMBER.findall(line))) for line in scancel.text.strip().split("\n")]
    mine = "\n".join(line for line, jobs in lines if not jobs or own in jobs)
    return f"scancel ended with {scancel.status}: {mine[:500]}" if mine or not scancel.text.strip() else ""


@remote("inspect")
def inspect(cluster: Cluster, account: str, job: int, since: int) -> list[Record]:
    """Return what SLURM says of one job now: the controller, or accounting where that no longer knows it.

    `since` and what is raised: as in `cancel`.
    """
    return _with_others(_inspecting, _Subject(cluster, account, job, since))


def _inspect(subjects: Sequence[_Subject]) -> list[list[Record]]:
    return _sorted(subjects, _about("inspect", subjects, least=1))


def _with_others(asked: RequestBatcher[_Subject, Told], subject: _Subject) -> Told:
    """Ask about a job, in one request with others of its account that are asked about now."""
    cluster, account = subject.cluster, subject.account
    with asking.caller(cluster, account):
        return asked.ask((cluster.pk, account), subject, cluster.command_timeout)


def _or_alone(
    work: Callable[[Sequence[_Subject]], Sequence[Told]],
) -> Callable[[list[_Subject]], list[Told | Exception]]:
    """Have each of several jobs asked about alone where what is told of all has no room in one answer."""

    def asking_together(subjects: list[_Subject]) -> list[Told | Exception]:
        try:
            return list(work(subjects))
        except Malformed as exc:
            if len(subjects) == 1:
                return [exc]
        return [result for subject in subjects for result in asking_together([subject])]

    return asking_together


_cancelling = RequestBatcher[_Subject, Cancellation](_or_alone(_cancel), most=_TOGETHER)
_inspecting = RequestBatcher[_Subject, list[Record]](_or_alone(_inspect), most=_TOGETHER)


def _about(verb: str, subjects: Sequence[_Subject], least: int) -> list[Section]:
    """Ask about jobs of one account: an array has as many lines as tasks, more than other answers have room for.

    The answer has `least` sections, or one more. Raises Malformed for another and for one that was cut, and what
    `asking.ask` raises.
    """
    cluster, account = subjects[0].cluster, subjects[0].account
    limit = settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    jobs = _joined(sorted({subject.job for subject in subjects}))
    asked = Request(verb, (max(subject.since for subject in subjects), account, jobs))
    answer = asking.ask(cluster, account, asked, limit=limit, counted=True)
    if answer.truncated:
        raise Malformed(f"what was printed of the jobs {jobs} is more than {limit} bytes")
    return answer.exactly(least + (len(answer.sections) > least))


def _sorted(subjects: Sequence[_Subject], found: Sequence[Section]) -> list[list[Record]]:
    """Read what squeue, and sacct where that was asked, say of these jobs, and return each one's records."""
    squeue, *sacct = found
    if squeue.status != 0 and listings.UNKNOWN_JOB not in squeue.text:
        raise Failed(f"squeue ended with {squeue.status}: {squeue.text.strip()[:500]}")
    records = _read(listings.parse_queue(squeue.text)) if squeue.status == 0 else []
    if sacct:
        records += _read(listings.parse_history(listings.checked(sacct, "sacct")))
    return [[record for record in records if record.job == subject.job] for subject in subjects]


def _read(listing: Listing) -> list[Record]:
    """Return its records. Raises Malformed where a line could not be read: it may be any job's."""
    if listing.unread:
        raise Malformed(listing.complaint)
    if listing.complaint:
        log.warning("answer-unclear", error=listing.complaint)
    return listing.records


@remote("starts")
def task_starts(cluster: Cluster, account: str, job: int, since: int, *, earliest: int, hosts: bool) -> Starts:
    """Return which tasks of `job` have started, and with `hosts` on which hosts.

    `since` as in `cancel`; rows before `earliest` (epoch) are of another job with this id. Raises Unreachable, Refused,
    TimedOut, Failed, Malformed; TooMuch where the job has too many tasks.
    """
    limit = settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    answer = asking.ask(cluster, account, Request("starts", (job, since, "yes" if hosts else "")), limit=limit)
    if answer.truncated:
        raise TooMuch(f"SLURM tells more than {limit} bytes of the tasks of {job}")
    return parse_starts(job, answer.sections, earliest)


class PollSession:
    """One look at a cluster: first the controller's answer, then what else is worth asking."""

    def __init__(self, cluster: Cluster, account: str, whose: str, limit: int) -> None:
        """`account` asks for the jobs of `whose`, or everybody's if that is empty; `limit`: bytes of an answer."""
        self._cluster = cluster
        self._account = account
        self._whose = whose
        self._limit = limit
        self.wait_statuses: dict[str, int] = {}

    def queue(self) -> Listing:
        """Return what the controller holds, active and just ended.

        Raises Unreachable, Refused, TimedOut, Failed, Malformed; an answer that was cut is Malformed, never a shorter
        one.
        """
        rows, errors = self._whole(self._asked(Request("queue", (self._whose,))), "squeue").exactly(2)
        return listings.parse_queue(listings.checked([rows], "squeue", errors.output))

    def history(self, jobs: Sequence[int], since: int, ended: Sequence[int] = ()) -> Listing:
        """Return what accounting holds of `jobs`, submitted at most `since` seconds ago, every record of an id.

        Before it `wait_statuses` becomes what the controller still has of the jobs `ended`, by squeue's names: that
        stands also where this raises, as `queue` does.
        """
        asked = Request("history", (since,), text=f"{_joined(ended)}\n{_joined(jobs)}")
        answer = self._asked(asked)
        self.wait_statuses = listings.parse_exit_codes(answer.sections[:1])
        _codes, rows, errors = self._whole(answer, "sacct").exactly(3)
        return listings.parse_history(listings.checked([rows], "sacct", errors.output))

    def _asked(self, request: Request) -> Reply:
        return asking.ask(self._cluster, self._account, request, limit=self._limit)

    def _whole(self, answer: Reply, what: str) -> Reply:
        if answer.truncated:
            raise Malformed(f"{what} printed more than {self._limit} bytes")
        return answer


@contextmanager
def poll_session(cluster: Cluster, account: str, *, everybody: bool) -> Iterator[PollSession]:
    """Look at everybody's jobs as `account`, or at its own. Raises what `Look` raises.

    An account that speaks for itself alone gets little room: what it prints is its owner's choice.
    """
    limit = settings.POLL_ANSWER_LIMIT if everybody else settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    with call(cluster, "look"):
        yield PollSession(cluster, account, "" if everybody else account, limit)


def _joined(ids: Sequence[int]) -> str:
    return ",".join(str(number) for number in ids)


@remote("ping")
def ping(cluster: Cluster, account: str) -> tuple[str, str]:
    """Return SLURM's version and what its controller answers. Raises Unreachable, Refused, TimedOut, Failed."""
    found = asking.ask(cluster, account, Request("ping")).sections
    return listings.checked(found, "sbatch").strip(), listings.checked(found[1:], "scontrol ping").strip()


@remote("greet")
def check_host_key(cluster: Cluster) -> str:
    """Connect and compare the host key, without logging in; return how the server names itself. Raises Unreachable."""
    return connection.greet(cluster.endpoint)


@contextmanager
def open_file(cluster: Cluster, account: str, wanted: Wanted) -> Iterator[OutputFile]:
    """Open the output files that are `wanted` as `account`, to be read up to their present size.

    Raises FileNotFoundError where `account` can read none; Unreachable, Refused, TimedOut, Failed, Malformed, and
    TooMuch where there are too many files. So do the pieces: where the connection becomes old while they are read, the
    rest comes over another one, as long as the login node still lets `account` in.
    """
    with (
        call(cluster, "open_file"),
        Transfer(cluster.endpoint, account, cluster.command_timeout) as transfer,
        output_files.opened(transfer.current(), wanted, transfer.current) as file,
    ):
        yield file
