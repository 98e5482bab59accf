"""The gateway to the clusters: whatever is asked about jobs and about SLURM, each verb one request to an agent.

Submissions have a gateway of their own (`clusters.submitting`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.conf import settings

from clusters.calls import asking
from clusters.calls.counted import call, remote
from clusters.calls.transfer import Transfer
from clusters.errors import ClusterError, Malformed, TooMuch
from clusters.job_requests import (
    MOST_JOBS_PER_REQUEST,
    Cancellation,
    cancel,
    cancel_elsewhere,
    cancel_together,
    inspect,
    inspect_together,
)
from clusters.models import Cluster
from clusters.remote import Request
from clusters.slurm import listings, sbatch
from clusters.slurm.records import Listing
from clusters.slurm.starts import Starts, parse_starts
from clusters.ssh import connection, metrics, output_files
from clusters.ssh.agent import Reply
from clusters.ssh.output_files import OutputFile, Wanted

__all__ = [
    "MOST_JOBS_PER_REQUEST",
    "Cancellation",
    "HistoryAnswer",
    "PollSession",
    "cancel",
    "cancel_elsewhere",
    "cancel_together",
    "check_host_key",
    "inspect",
    "inspect_together",
    "open_file",
    "ping",
    "poll_session",
    "slurm_name",
    "task_starts",
]

_POLL = "look"  # how metrics call a poll


@remote("slurm_name")
def slurm_name(cluster: Cluster, account: str) -> str:
    """Return what SLURM itself calls `cluster`. Raises Unreachable, Refused, TimedOut, Failed, Malformed."""
    return sbatch.parse_name(asking.ask(cluster, account, Request("name")).sections)


@remote("starts")
def task_starts(cluster: Cluster, account: str, job: int, since: int, *, earliest: int, hosts: bool) -> Starts:
    """Return which tasks of `job` have started, and with `hosts` on which hosts.

    `since` as in `cancel`; rows before `earliest` (epoch) are of another job with this id. Raises Unreachable, Refused,
    TimedOut, Failed, Malformed; TooMuch where the job has too many tasks.
    """
    limit = settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    reply = asking.ask(cluster, account, Request("starts", (job, since, "yes" if hosts else "")), limit=limit)
    if reply.truncated:
        raise TooMuch(f"SLURM tells more than {limit} bytes of the tasks of {job}")
    return parse_starts(job, reply.sections, earliest)


@dataclass(frozen=True)
class HistoryAnswer:
    """What is known of jobs that the controller no longer holds as active: accounting's records of them.

    `exit_codes`: the wait statuses that the controller still has, by squeue's names; they stand also where accounting
    has failed. `error`: why there are no records, where there should be.
    """

    listing: Listing = field(default_factory=lambda: Listing([]))
    exit_codes: dict[str, int] = field(default_factory=dict)
    error: ClusterError | None = None


class PollSession:
    """One poll of a cluster: first the controller's answer, then accounting's about what that no longer holds."""

    def __init__(self, cluster: Cluster, account: str, whose: str, limit: int) -> None:
        """`account` asks for the jobs of `whose`, or everybody's if that is empty; `limit`: bytes of an answer."""
        self._cluster = cluster
        self._account = account
        self._whose = whose
        self._limit = limit

    def queue(self) -> Listing:
        """Return what the controller holds, active and just ended.

        Raises Unreachable, Refused, TimedOut, Failed, Malformed; an answer that was cut is Malformed, never a shorter
        one.
        """
        rows, errors = self._whole(self._asked(Request("queue", (self._whose,))), "squeue").exactly(2)
        return listings.parse_queue(listings.checked([rows], "squeue", errors.output))

    def history(self, jobs: Sequence[int], since: int, ended: Sequence[int] = ()) -> HistoryAnswer:
        """Return what accounting holds of `jobs`, submitted at most `since` seconds ago, every record of an id.

        With it comes what the controller still has of the jobs `ended`. Raises nothing: what `queue` raises is in the
        answer, and counted as a failure of the poll.
        """
        exit_codes: dict[str, int] = {}
        try:
            answer = self._asked(Request("history", (since,), text=f"{_joined(ended)}\n{_joined(jobs)}"))
            exit_codes = listings.parse_exit_codes(answer.sections[:1])
            _codes, rows, errors = self._whole(answer, "sacct").exactly(3)
            listing = listings.parse_history(listings.checked([rows], "sacct", errors.output))
        except ClusterError as exc:
            metrics.count_failure(self._cluster.name, _POLL, exc)
            return HistoryAnswer(exit_codes=exit_codes, error=exc)
        return HistoryAnswer(listing, exit_codes)

    def _asked(self, request: Request) -> Reply:
        return asking.ask(self._cluster, self._account, request, limit=self._limit)

    def _whole(self, answer: Reply, what: str) -> Reply:
        if answer.truncated:
            raise Malformed(f"{what} printed more than {self._limit} bytes")
        return answer


@contextmanager
def poll_session(cluster: Cluster, account: str, *, everybody: bool) -> Iterator[PollSession]:
    """Ask about everybody's jobs as `account`, or about its own. Raises what PollSession raises.

    An account that speaks for itself alone gets little room: what it prints is its owner's choice.
    """
    limit = settings.POLL_ANSWER_LIMIT if everybody else settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    with call(cluster, _POLL):
        yield PollSession(cluster, account, "" if everybody else account, limit)


def _joined(ids: Sequence[int]) -> str:
    return ",".join(str(number) for number in ids)


@remote("ping")
def ping(cluster: Cluster, account: str) -> tuple[str, str]:
    """Return SLURM's version and what its controller answers. Raises Unreachable, Refused, TimedOut, Failed."""
    sections = asking.ask(cluster, account, Request("ping")).sections
    return listings.checked(sections, "sbatch").strip(), listings.checked(sections[1:], "scontrol ping").strip()


@remote("greet")
def check_host_key(cluster: Cluster) -> str:
    """Connect and compare the host key, without logging in; return how the server names itself. Raises Unreachable."""
    return connection.greet(cluster.endpoint)


@contextmanager
def open_file(cluster: Cluster, account: str, wanted: Wanted) -> Iterator[OutputFile]:
    """Open the output files that are `wanted` as `account`, to be read up to their present size.

    Where the connection becomes old while the pieces are read, the rest comes over another one, as long as the login
    node still lets `account` in. Opening and each piece raise FileNotFoundError where `account` can read no such file;
    Unreachable, Refused, TimedOut, Failed, Malformed, and TooMuch where there are too many files.
    """
    with (
        call(cluster, "open_file"),
        Transfer(cluster.endpoint, account, cluster.command_timeout) as transfer,
        output_files.opened(transfer.current(), wanted, transfer.current) as file,
    ):
        yield file
