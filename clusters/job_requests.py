"""What is asked about single jobs, and their cancellation: in one request for several, where several are asked about.

The public functions are the gateway's (`clusters.gateway`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from django.conf import settings

from clusters.calls import asking
from clusters.calls.batching import RequestBatcher
from clusters.calls.counted import remote
from clusters.errors import Failed, Malformed
from clusters.models import Cluster
from clusters.remote import Request
from clusters.slurm import listings
from clusters.slurm.records import Listing, Record
from clusters.slurm.sbatch import Accepted
from clusters.slurm.shell import Section

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

MOST_JOBS_PER_REQUEST = 32  # jobs in one request
_NUMBER = re.compile("[0-9]+")


@dataclass(frozen=True)
class Cancellation:
    """What SLURM says of a job once scancel has ended; no records if it no longer knows the job.

    `complaint`: how scancel failed, in its own words; empty where it ended with 0, which it also does where it has
    cancelled nothing.
    """

    records: list[Record]
    complaint: str = ""


@dataclass(frozen=True)
class _Subject:
    """A job that is asked about. `since`: the number of seconds before now in which it was submitted."""

    cluster: Cluster
    account: str
    job: int
    since: int


@remote("cancel_elsewhere")
def cancel_elsewhere(cluster: Cluster, account: str, accepted: Accepted) -> list[str]:
    """Cancel a job that sbatch on `cluster` has given to another cluster, and return the states that SLURM then tells.

    There are several where the job is an array, and none where it is unknown. Raises Unreachable, Refused, TimedOut,
    Malformed, Failed.
    """
    request = Request("cancel_elsewhere", (accepted.job, accepted.cluster))
    scancel, squeue = asking.ask(cluster, account, request).exactly(2)
    if squeue.status == 0:
        return squeue.text.split()
    if listings.UNKNOWN_JOB in squeue.text:
        return []
    raise Failed(f"scancel ended with {scancel.status}, squeue with {squeue.status}: {squeue.text.strip()[:500]}")


@remote("cancel")
def cancel(cluster: Cluster, account: str, job: int, since: int) -> Cancellation:
    """Cancel `job` as `account`, and return what SLURM then says of it; its records tell whether it is cancelled.

    `since`: the number of seconds before now in which the job was submitted. What several callers of an account ask for
    at the same time is one request. Raises Unreachable, Refused, TimedOut, Malformed, and Failed where SLURM does not
    say what became of it.
    """
    return _ask_with_others(_cancelling, _Subject(cluster, account, job, since))


@remote("cancel")
def cancel_together(cluster: Cluster, account: str, jobs: Sequence[tuple[int, int]]) -> list[Cancellation | Exception]:
    """Cancel `jobs` of one account, each an id and its `since`, in one request; return the answers in order.

    There may be MOST_JOBS_PER_REQUEST of them. Where all of them have no room in one answer, each is asked about alone.
    An answer is Malformed where that of one job has no room. Raises what `cancel` raises.
    """
    return _ask_at_once(_or_one_by_one(_cancel), cluster, account, jobs)


def _cancel(subjects: Sequence[_Subject]) -> list[Cancellation]:
    scancel, *rest = _ask_about("cancel", subjects, least=2)
    answers = zip(subjects, _records_of_each(subjects, rest), strict=True)
    return [Cancellation(records, _complaint(scancel, subject, subjects)) for subject, records in answers]


def _complaint(scancel: Section, subject: _Subject, subjects: Sequence[_Subject]) -> str:
    """Return how scancel failed for one of several jobs, without the lines that name only others of them."""
    if scancel.status == 0:
        return ""
    own, others = str(subject.job), {str(other.job) for other in subjects}
    lines = [(line, others.intersection(_NUMBER.findall(line))) for line in scancel.text.strip().split("\n")]
    relevant = "\n".join(line for line, jobs in lines if not jobs or own in jobs)
    return f"scancel ended with {scancel.status}: {relevant[:500]}" if relevant or not scancel.text.strip() else ""


@remote("inspect")
def inspect(cluster: Cluster, account: str, job: int, since: int) -> list[Record]:
    """Return what SLURM says of one job now: the controller, or accounting where that no longer knows it.

    `since` and what is raised: as in `cancel`.
    """
    return _ask_with_others(_inspecting, _Subject(cluster, account, job, since))


@remote("inspect")
def inspect_together(cluster: Cluster, account: str, jobs: Sequence[tuple[int, int]]) -> list[list[Record] | Exception]:
    """Return what SLURM says of `jobs` of one account, which `cancel_together` would take, in one request."""
    return _ask_at_once(_or_one_by_one(_inspect), cluster, account, jobs)


def _inspect(subjects: Sequence[_Subject]) -> list[list[Record]]:
    return _records_of_each(subjects, _ask_about("inspect", subjects, least=1))


def _ask_with_others(batcher: RequestBatcher[_Subject, Answer], subject: _Subject) -> Answer:
    """Ask about a job, in one request with others of its account that are asked about now."""
    cluster, account = subject.cluster, subject.account
    with asking.caller(cluster, account):
        return batcher.ask((cluster.pk, account), subject, cluster.command_timeout)


def _ask_at_once(
    ask: Callable[[list[_Subject]], list[Answer | Exception]],
    cluster: Cluster,
    account: str,
    jobs: Sequence[tuple[int, int]],
) -> list[Answer | Exception]:
    if len(jobs) > MOST_JOBS_PER_REQUEST:
        raise ValueError(f"{len(jobs)} jobs are more than one request takes: {MOST_JOBS_PER_REQUEST}")
    with asking.caller(cluster, account):
        return ask([_Subject(cluster, account, job, since) for job, since in jobs])


def _or_one_by_one(
    ask: Callable[[Sequence[_Subject]], Sequence[Answer]],
) -> Callable[[list[_Subject]], list[Answer | Exception]]:
    """Return a function that asks about several jobs, and about each alone where the answer for all has no room."""

    def ask_or_split(subjects: list[_Subject]) -> list[Answer | Exception]:
        try:
            return list(ask(subjects))
        except Malformed as exc:
            if len(subjects) == 1:
                return [exc]
        return [answer for subject in subjects for answer in ask_or_split([subject])]

    return ask_or_split


_cancelling = RequestBatcher[_Subject, Cancellation](_or_one_by_one(_cancel), most=MOST_JOBS_PER_REQUEST)
_inspecting = RequestBatcher[_Subject, list[Record]](_or_one_by_one(_inspect), most=MOST_JOBS_PER_REQUEST)


def _ask_about(verb: str, subjects: Sequence[_Subject], least: int) -> list[Section]:
    """Ask about jobs of one account, and return the sections of the answer: `least`, or one more.

    It has the room of a poll: an array has as many lines as tasks. Raises Malformed for another number of sections and
    for an answer that was cut, and what `asking.ask` raises.
    """
    cluster, account = subjects[0].cluster, subjects[0].account
    limit = settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    jobs = ",".join(str(job) for job in sorted({subject.job for subject in subjects}))
    request = Request(verb, (max(subject.since for subject in subjects), account, jobs))
    reply = asking.ask(cluster, account, request, limit=limit, counted=True)
    if reply.truncated:
        raise Malformed(f"what was printed of the jobs {jobs} is more than {limit} bytes")
    return reply.exactly(least + (len(reply.sections) > least))


def _records_of_each(subjects: Sequence[_Subject], sections: Sequence[Section]) -> list[list[Record]]:
    """Return each job's records, by what squeue, and sacct where that was asked, have printed."""
    squeue, *sacct = sections
    if squeue.status != 0 and listings.UNKNOWN_JOB not in squeue.text:
        raise Failed(f"squeue ended with {squeue.status}: {squeue.text.strip()[:500]}")
    records = _records(listings.parse_queue(squeue.text)) if squeue.status == 0 else []
    if sacct:
        records += _records(listings.parse_history(listings.checked(sacct, "sacct")))
    return [[record for record in records if record.job == subject.job] for subject in subjects]


def _records(listing: Listing) -> list[Record]:
    """Return the records of `listing`. Raises Malformed where a line could not be read: it may be any job's."""
    if listing.unread:
        raise Malformed(listing.complaint)
    if listing.complaint:
        log.warning("answer-unclear", error=listing.complaint)
    return listing.records
