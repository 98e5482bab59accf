"""Submissions, as the login node knows them: made, settled, and found again. Each verb is one request to an agent."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from django.conf import settings

from clusters.calls import asking, pool
from clusters.calls.batching import Collected
from clusters.calls.counted import call, remote
from clusters.errors import ClusterError, Interrupted, Malformed, TimedOut
from clusters.models import Cluster
from clusters.remote import LONGEST_DIRECTORY, Request
from clusters.slurm import sbatch
from clusters.slurm.sbatch import Accepted, NewJob, NotSubmitted, Rejected
from clusters.slurm.shell import Section, decoded
from clusters.ssh.agent import Agent, Reply

log = structlog.get_logger(__name__)

_SBATCH_MARGIN = 7  # seconds between the end that is set to sbatch and ours: 5 to kill it, 2 to hear of it
_LONGEST_COMPLAINT = 8_192  # characters; cd names the directory
_DESCRIBED = 64 * 1024  # bytes of what scontrol prints of a job
_FIRST_LOOK, _LONGEST_PAUSE = 0.5, 4.0  # seconds after which it is asked whether a running sbatch has told its job
_MOST_SETTLED = 32  # submissions in one request
_A_MOMENT, _LATEST = 0.1, 1.0  # seconds after which a new job is described
_CLEARED_AFTER = 3.0  # seconds
_NOT_BEGUN = "nothing was submitted: the login node ended the submission with {}"
_NO_DIRECTORY = 1  # how the agent tells that a directory cannot be entered


@dataclass(frozen=True)
class WorkingDirectoryError:
    """A working directory that cannot be entered, in the shell's words; nothing was submitted."""

    message: str


@dataclass(frozen=True)
class SubmissionSlot:
    """Where a submission is to be made: as `account` on `cluster`, and `token` is its name there and here."""

    cluster: Cluster
    account: str
    token: uuid.UUID


@dataclass(frozen=True)
class SubmissionAnswer:
    """What became of a submission, and what the controller says of the job where it was asked at once.

    `sbatch_runs`: the job is there, and its sbatch has not ended (a user's `#SBATCH --wait`): nobody waits for that,
    and its traces stay for a day.
    """

    outcome: Accepted | Rejected | WorkingDirectoryError
    new: NewJob | None = None
    sbatch_runs: bool = False


@dataclass(frozen=True)
class SubmissionNews:
    """What is told of a submission whose outcome is kept: its new job, or that its traces are cleared away."""

    place: SubmissionSlot
    new: NewJob | None = None
    cleared: bool = False


OnNews = Callable[[Sequence[SubmissionNews]], None]


@dataclass(frozen=True)
class Acknowledgement:
    """A submission whose outcome is kept: its traces can go, and `accepted` is its job, if it has one.

    `tell` is called with what is told of it, and of those that are settled with it.
    """

    place: SubmissionSlot
    accepted: Accepted | None
    tell: OnNews


class _UnderWay:
    """Counts the submissions of this process that are under way. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0

    @property
    def some(self) -> bool:
        """Whether there are any."""
        return self._number > 0

    def __enter__(self) -> None:
        with self._lock:
            self._number += 1

    def __exit__(self, *_exc: object) -> None:
        with self._lock:
            self._number -= 1


_under_way = _UnderWay()


def acquire_slot(cluster: Cluster, account: str) -> SubmissionSlot:
    """Return a place for one submission. The cluster is not asked, and nothing is waited for."""
    return SubmissionSlot(cluster, account, pool.current().token(cluster.endpoint, account))


def submit(place: SubmissionSlot, directory: str, script: str) -> SubmissionAnswer:
    """Run sbatch in `directory` (absolute, or relative to the home; empty for the home itself).

    The place's token names this submission in what SLURM and the account's home remember of it. Raises Unreachable or
    Refused (nothing was submitted), TimedOut, Interrupted or Malformed (a job may exist); ValueError for a directory
    that no system call takes.
    """
    with call(place.cluster, "submit"), _under_way, asking.agent(place.cluster, place.account) as agent:
        return _submit(agent, place, directory, script)


def _submit(agent: Agent, place: SubmissionSlot, directory: str, script: str) -> SubmissionAnswer:
    timeout = place.cluster.command_timeout
    deadline = time.monotonic() + timeout
    agent.send(_submission(place, directory, script), timeout=timeout)
    said = b""
    try:
        for pause in _pauses(deadline):
            if agent.has_replied(pause):
                break
            said = _progress(place) or said
            if running := _running(place, said):
                agent.close()  # its sbatch goes on
                return running
        reply = agent.reply(max(deadline, time.monotonic() + _A_MOMENT), timeout)
    except TimedOut as exc:
        exc.stdout = exc.stdout or said
        raise
    outcome = _outcome(place, reply, agent.marker)
    if place.cluster.names_files and isinstance(outcome, Accepted):
        return SubmissionAnswer(outcome, _described(outcome.job, reply.sections[2:]))
    return SubmissionAnswer(outcome)


def _pauses(deadline: float) -> Iterator[float]:
    """Yield how long to wait before each look at an sbatch that runs, up to `deadline` (monotonic)."""
    pause = _FIRST_LOOK
    while (left := deadline - time.monotonic()) > 0:
        yield min(pause, left)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _submission(place: SubmissionSlot, directory: str, script: str) -> Request:
    """Return the request `submit`. Raises ValueError for a directory that no system call takes."""
    if len(directory.encode()) > LONGEST_DIRECTORY:
        raise ValueError(f"a directory's path has at most {LONGEST_DIRECTORY} bytes")
    seconds = max(1, place.cluster.command_timeout - _SBATCH_MARGIN)
    describe = "yes" if place.cluster.names_files else ""
    return Request("submit", (place.token.hex, seconds, describe), directory, script)


def _outcome(place: SubmissionSlot, reply: Reply, marker: str) -> Accepted | Rejected | WorkingDirectoryError:
    """Tell what became of a submission. Raises Interrupted or Malformed where that is open."""
    if not reply.sections and reply.ended and not reply.truncated:
        return Rejected(_status(reply.ended), "", "", _NOT_BEGUN.format(reply.ended))
    if reply.ended or not reply.sections:
        raise Interrupted(f"the submission was given up on the cluster ({reply.ended or 'no answer'})")
    begun, *rest = reply.sections
    if begun.status == _NO_DIRECTORY:
        return WorkingDirectoryError(begun.text.replace(marker, "sh").strip()[:_LONGEST_COMPLAINT])
    if begun.status != 0:
        return Rejected(begun.status, "", "", _NOT_BEGUN.format(begun.status))
    return sbatch.parse_submission(place.token.hex, rest)


def _status(ended: str) -> int:
    return int(ended) if ended.isdigit() else -1


def _progress(place: SubmissionSlot) -> bytes:
    """Return what the sbatch of a submission has printed so far; nothing where that cannot be asked at once.

    Its own agent is in use: where those of other submissions are as well, all of them would wait for each other.
    """
    try:
        asked = Request("progress", (place.token.hex,))
        [answer] = asking.ask(place.cluster, place.account, asked, patience=0).exactly(1)
    except ClusterError:
        return b""
    return answer.output


def _running(place: SubmissionSlot, said: bytes) -> SubmissionAnswer | None:
    """Return the job of an sbatch that has told an id and does not end; None if SLURM has none of that id and token."""
    told = sbatch.accepted(decoded(said).rpartition("\n")[0])
    if len(told) != 1:
        return None
    try:
        found = _description(place.cluster, place.account, told[0], patience=0)
        new = _described(told[0].job, found)
    except ClusterError:
        return None  # sbatch will end, or be ended
    is_ours = any(place.token.hex in section.text for section in found)
    return SubmissionAnswer(told[0], new, sbatch_runs=True) if new and is_ours else None


def acknowledge(place: SubmissionSlot, accepted: Accepted | None, tell: OnNews) -> None:
    """Once the outcome of a submission is kept: have its job described in the background, and its traces removed.

    Those of one account are settled together; `tell` may be called in another thread. Where the cluster cannot be
    asked, the traces stay for a day, and `tell` is not called.
    """
    login, settled = (place.cluster.pk, place.account), Acknowledgement(place, accepted, tell)
    if accepted:
        _describing.add(login, settled)
    _clearing.add(login, settled)


def _later(work: Callable[[list[Acknowledgement]], None], settled: list[Acknowledgement]) -> None:
    place = settled[0].place
    for start in range(0, len(settled), _MOST_SETTLED):
        some = settled[start : start + _MOST_SETTLED]
        pool.current().later((place.cluster.endpoint, place.account), partial(_logged, work, some))


def _logged(work: Callable[[list[Acknowledgement]], None], settled: list[Acknowledgement]) -> None:
    try:
        with call(settled[0].place.cluster, "settle"):
            work(settled)
    except ClusterError as exc:
        log.warning("submission-not-settled", error=f"{type(exc).__name__}: {exc}", submissions=len(settled))


def _describe(settled: list[Acknowledgement]) -> None:
    place = settled[0].place
    jobs = [each.accepted.job for each in settled if each.accepted and not each.accepted.cluster]
    asked, limit = Request("settle", (_listed(jobs), "", "")), len(settled) * _DESCRIBED
    found = asking.ask(place.cluster, place.account, asked, limit=limit).sections if jobs else []
    settled[0].tell([SubmissionNews(each.place, _told_of(each, found)) for each in settled])


def _clear(settled: list[Acknowledgement]) -> None:
    """Remove what these submissions have left, and make as many directories for others."""
    place = settled[0].place
    tokens, prepared = [each.place.token for each in settled], [uuid.uuid4() for _ in settled]
    asked = Request("settle", ("", _listed(token.hex for token in tokens), _listed(token.hex for token in prepared)))
    asking.ask(place.cluster, place.account, asked)
    pool.current().prepared(place.cluster.endpoint, place.account, prepared)
    settled[0].tell([SubmissionNews(each.place, cleared=True) for each in settled])


# While others wait for sbatch, what nobody waits for would only take the processor from it.
_describing = Collected[Acknowledgement](
    partial(_later, _describe), seconds=_A_MOMENT, most=_LATEST, gives_way=lambda: _under_way.some
)
_clearing = Collected[Acknowledgement](partial(_later, _clear), seconds=_CLEARED_AFTER)


def _told_of(settled: Acknowledgement, found: Sequence[Section]) -> NewJob | None:
    """Return what is told of its job; SLURM is asked once more where another cluster than the login node's has it."""
    accepted, place = settled.accepted, settled.place
    if accepted is None:
        return None
    return _described(accepted.job, _description(place.cluster, place.account, accepted) if accepted.cluster else found)


def _listed(items: Iterable[object]) -> str:
    return ",".join(str(item) for item in items)


@remote("lookup")
def find_lost_submissions(
    cluster: Cluster, account: str, tokens: Sequence[str], since: int, *, sbatch_is_over: bool
) -> dict[str, Accepted | Rejected | NotSubmitted]:
    """Find out what became of submissions, begun at most `since` seconds ago, whose answer was lost.

    What is not certain yet is left out; what is found missing cannot be submitted later. Raises Unreachable, Refused,
    TimedOut, Failed, Malformed.
    """
    asked = Request("look_up", (since, account), " ".join(tokens))
    limit = settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    answer = asking.ask(cluster, account, asked, limit=limit)
    if answer.truncated:
        raise Malformed(f"the search for lost submissions printed more than {limit} bytes")
    outcomes = sbatch.parse_lookup(tokens, answer.sections, sbatch_is_over=sbatch_is_over)
    missing = [token for token, outcome in outcomes.items() if not isinstance(outcome, Accepted)]
    return outcomes | _elsewhere(cluster, account, missing, since)


def _elsewhere(cluster: Cluster, account: str, tokens: Sequence[str], since: int) -> dict[str, Accepted]:
    """Find the submissions that sbatch gave to another cluster, of those that this one does not know."""
    if not tokens:
        return {}
    limit = settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    answer = asking.ask(cluster, account, Request("look_up_elsewhere", (since, account)), limit=limit)
    if answer.truncated:
        raise Malformed(f"the search for lost submissions printed more than {limit} bytes")
    return sbatch.parse_lookup_elsewhere(tokens, answer.sections)


@remote("describe")
def describe(cluster: Cluster, account: str, job: int) -> NewJob | None:
    """Return what the controller says of `job`; None if it does not know it. Raises Unreachable, Refused, TimedOut."""
    return _described(job, _description(cluster, account, Accepted(job)))


def _described(job: int, found: Sequence[Section]) -> NewJob | None:
    new = sbatch.parse_new_job(job, found)
    if new and new.complaint:
        log.warning("answer-unclear", error=new.complaint)
    return new


def _description(cluster: Cluster, account: str, accepted: Accepted, patience: float | None = None) -> list[Section]:
    asked = Request("describe", (accepted.job, accepted.cluster))
    return asking.ask(cluster, account, asked, patience=patience).sections


@remote("tidy")
def clean_remote_directory(cluster: Cluster, account: str) -> None:
    """Remove what submissions left in the account's home more than a day ago. Raises Unreachable, Refused, TimedOut."""
    asking.ask(cluster, account, Request("tidy"))
