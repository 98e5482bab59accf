"""The door to the clusters: each verb is one script of `scripts` on one channel of `pool`."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import paramiko
import structlog
from django.conf import settings

from clusters import files, pool, sbatch, scripts, shell, slurm, ssh
from clusters.calls import call, remote
from clusters.database import release_connection
from clusters.errors import ClusterError, Failed, Interrupted, Killed, Malformed, Refused, TimedOut, TooMuch
from clusters.files import OutputFile, Wanted
from clusters.models import Cluster
from clusters.run import Answer, Run, Script
from clusters.sbatch import Accepted, NewJob, NotSubmitted, Rejected
from clusters.session import Lease
from clusters.shell import Section, decoded, without_markers
from clusters.slurm import Listing, Record
from clusters.starts import Starts
from clusters.starts import parse as parse_starts
from clusters.transfer import Transfer

log = structlog.get_logger(__name__)

_SBATCH_MARGIN = 7  # seconds between the end that is set to sbatch and ours: 5 to kill it, 2 to hear of it
_LONGEST_COMPLAINT = 8_192  # characters; cd names the directory
_NOT_BEGUN = "nothing was submitted: the login node ended the submission with {}"


@dataclass(frozen=True)
class NoDirectory:
    """A working directory that cannot be entered, in the shell's words; nothing was submitted."""

    message: str


@dataclass(frozen=True)
class Cancellation:
    """What SLURM says of a job once scancel has ended; no records if it no longer knows the job.

    `complaint`: how scancel failed, in its own words; empty where it ended with 0. It also does that where it has
    cancelled nothing.
    """

    records: list[Record]
    complaint: str = ""


class Submission:
    """An outcome that is known here but not yet on the cluster, where its traces stay until it is settled.

    `new` is what the controller says of a job whose sbatch has not ended (a user's `#SBATCH --wait`): nobody waits for
    that, and its traces stay for a day.
    """

    def __init__(
        self,
        outcome: Accepted | Rejected | NoDirectory,
        lease: Lease,
        timeout: float,
        new: NewJob | None = None,
    ) -> None:
        self.outcome = outcome
        self._lease = lease
        self._timeout = timeout
        self._new = new

    @property
    def leaves_traces(self) -> bool:
        """Whether its traces stay on the cluster though it is settled."""
        return self._new is not None

    def settle(self, done: Callable[[NewJob | None], None], *, wait: bool) -> None:
        """Once the outcome is kept: have the traces removed, and call `done` with what is told of a new job.

        In the background, unless `wait`. Where the cluster cannot be told, the traces stay for a day.
        """
        if self._new is not None:
            self._lease.close()
            done(self._new)
        elif wait:
            self._settle(done)
        else:
            pool.current().later(self._lease.connection, lambda: self._settle(done))

    def abandon(self) -> None:
        """Leave the traces to whoever looks for this submission."""
        self._lease.close()

    def _settle(self, done: Callable[[NewJob | None], None]) -> None:
        run = self._lease.started
        waits = run.alive  # one that was ended after it had told of the job says nothing of the connection
        try:
            run.send(b"known\n", timeout=self._timeout)
            if isinstance(self.outcome, Accepted):
                done(_described(self.outcome.job, run.answer(3, timeout=self._timeout).sections))
            else:
                done(None)
            release_connection()  # `done` has written
            run.result(timeout=self._timeout)
        except ClusterError as exc:
            log.warning("submission-not-settled", error=f"{type(exc).__name__}: {exc}")
            if waits:
                self._lease.fail(exc)
        finally:
            self._lease.close()


class Place:
    """Where a submission is to be made: as `account` on `cluster`, and `token` is its name there and here.

    With a `lease` a script of that name waits there for its input. Leaving the context gives that back, unless it was
    used.
    """

    def __init__(self, cluster: Cluster, account: str, token: uuid.UUID, lease: Lease | None = None) -> None:
        self.cluster = cluster
        self.account = account
        self.token = token
        self._lease = lease

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._lease:
            self._lease.close()

    def take(self) -> Lease:
        """Return the channel on which the script waits, started now if it was not. Raises Unreachable, Refused."""
        lease, self._lease = self._lease, None
        cluster = self.cluster
        return lease or pool.current().started(
            cluster.endpoint, self.account, _submitting(cluster), self.token, timeout=cluster.command_timeout
        )


def reserve(cluster: Cluster, account: str) -> Place:
    """Return a place for one submission. The cluster is not asked, and nothing is waited for."""
    lease = pool.current().waiting(cluster.endpoint, account, _submitting(cluster))
    return Place(cluster, account, lease.started.token if lease else uuid.uuid4(), lease)


def _submitting(cluster: Cluster) -> Script:
    at_once = "at once" if cluster.names_files else ""
    return _script(cluster, scripts.SUBMIT, str(max(1, cluster.command_timeout - _SBATCH_MARGIN)), at_once)


def submit(place: Place, directory: str, script: str) -> Submission:
    """Run sbatch in `directory` (absolute, or relative to the home; empty for the home itself).

    The place's token names this submission in what SLURM and the account's home remember of it. Raises Unreachable or
    Refused (nothing was submitted), TimedOut, Interrupted or Malformed (a job may exist).
    """
    with call(place.cluster, "submit"):
        lease = place.take()
        try:
            submission = _submit(lease, place, directory, script)
        except BaseException as exc:
            lease.fail(exc)
            raise
        lease.leave()
        return submission


def _submit(lease: Lease, place: Place, directory: str, script: str) -> Submission:
    run, timeout = lease.started, place.cluster.command_timeout
    deadline = time.monotonic() + timeout
    run.send(scripts.submission(directory, script, run.marker), timeout=timeout)
    try:
        answer = run.answer(2, timeout=timeout, suffices=sbatch.names_a_job)
        if run.alive and len(answer.sections) == 1:
            found = _found_waiting(place, answer)
            if found:
                return Submission(found[0], lease, timeout, found[1])
            answer = run.answer(2, timeout=max(1.0, deadline - time.monotonic()))
        if len(answer.sections) > 1 and (more := _told_after(answer.sections[1])):
            answer = run.answer(2 + more, timeout=timeout)
        return Submission(_outcome(run, place, answer, timeout), lease, timeout)
    except TimedOut as exc:
        never_begun = isinstance(exc, Killed) and run.has_told_nothing
        return Submission(_never_begun(run, exc) if never_begun else _accepted_before(exc), lease, timeout)


def _never_begun(run: Run, exc: Exception) -> Rejected:
    """Return what became of a submission whose script, or login shell, a signal has ended before sbatch began."""
    if not run.has_begun:
        raise Refused("a signal ended the login shell before it ran a command") from exc
    return Rejected(-1, "", "", _NOT_BEGUN.format("a signal"))


def _outcome(run: Run, place: Place, answer: Answer, timeout: float) -> Accepted | Rejected | NoDirectory:
    found = answer.sections
    if found and found[0].status != 0:
        return NoDirectory(_words(run, answer)[:_LONGEST_COMPLAINT])
    if len(found) < 2:  # noqa: PLR2004 - cd and sbatch
        ended = run.result(timeout=timeout)  # raises Interrupted where the connection is what was lost
        if not found and not ended.truncated:
            words = _words(run, ended)[:_LONGEST_COMPLAINT]
            return Rejected(ended.exit_status or 0, "", words, _NOT_BEGUN.format(ended.exit_status))
        said = _words(run, ended)[:300]
        raise Interrupted(f"the submission was given up on the cluster ({ended.exit_status}): {said or 'no words'}")
    return sbatch.parse_submission(place.token.hex, found[1:])


def _told_after(section: Section) -> int:
    """Return how many sections follow that of sbatch because of how it ended.

    Its errors, and what scontrol says if there was an id all the same; or what two listings say of a job without one.
    """
    named = sbatch.may_name_a_job(section.text)
    if section.status != 0:
        return 2 if named else 1
    return 0 if named else 3


def _found_waiting(place: Place, answer: Answer) -> tuple[Accepted, NewJob] | None:
    """Return the job of an sbatch that has told an id and does not end; None if SLURM has none of that id and token."""
    told = sbatch.accepted(decoded(without_markers(answer.stdout, shell.marker(place.token))))
    if len(told) != 1:
        return None
    try:
        found = _description(place.cluster, place.account, told[0])
    except ClusterError:
        return None  # sbatch will end, or be ended
    new = _described(told[0].job, found)
    return (told[0], new) if new and any(place.token.hex in section.text for section in found) else None


def _words(run: Run, answer: Answer) -> str:
    return decoded(answer.stderr).replace(run.marker, "sh").strip()


@remote
def lookup(
    cluster: Cluster, account: str, tokens: Sequence[str], since: int, *, sbatch_is_over: bool
) -> dict[str, Accepted | Rejected | NotSubmitted]:
    """Find out what became of submissions, begun at most `since` seconds ago, whose answer was lost.

    What is not certain yet is left out; what is found missing cannot be submitted later. Raises Unreachable, Refused,
    TimedOut, Failed, Malformed.
    """
    stdin = f"{' '.join(tokens)}\n".encode()
    limit = settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    answer = _run(cluster, account, scripts.LOOKUP, [str(since), account], stdin=stdin, limit=limit)
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
    answer = _run(cluster, account, scripts.LOOKUP_ELSEWHERE, [str(since), account], limit=limit)
    if answer.truncated:
        raise Malformed(f"the search for lost submissions printed more than {limit} bytes")
    return sbatch.parse_lookup_elsewhere(tokens, answer.sections)


@remote
def describe(cluster: Cluster, account: str, job: int) -> NewJob | None:
    """Return what the controller says of `job`; None if it does not know it. Raises Unreachable, Refused, TimedOut."""
    return _described(job, _description(cluster, account, Accepted(job)))


def _described(job: int, found: list[Section]) -> NewJob | None:
    new = sbatch.parse_new_job(job, found)
    if new and new.complaint:
        log.warning("answer-unclear", error=new.complaint)
    return new


def _description(cluster: Cluster, account: str, accepted: Accepted) -> list[Section]:
    return _run(cluster, account, scripts.DESCRIBE, [str(accepted.job), accepted.cluster]).sections


@remote
def slurm_name(cluster: Cluster, account: str) -> str:
    """Return what SLURM itself calls `cluster`. Raises Unreachable, Refused, TimedOut, Failed, Malformed."""
    return sbatch.parse_name(_run(cluster, account, scripts.NAME, []).sections)


@remote
def cancel_elsewhere(cluster: Cluster, account: str, accepted: Accepted) -> list[str]:
    """Cancel a job that sbatch has given from `cluster` to another one, and return the states that SLURM then tells.

    There are several where the job is an array, and none where it is unknown. Raises Unreachable, Refused, TimedOut,
    Malformed, Failed.
    """
    found = _run(cluster, account, scripts.CANCEL_ELSEWHERE, [str(accepted.job), accepted.cluster]).sections
    if len(found) < 2:  # noqa: PLR2004 - scancel and squeue
        raise Malformed("the script that cancels did not end")
    scancel, squeue = found[:2]
    if squeue.status == 0:
        return squeue.text.split()
    if slurm.UNKNOWN_JOB in squeue.text:
        return []
    raise Failed(f"scancel ended with {scancel.status}, squeue with {squeue.status}: {squeue.text.strip()[:500]}")


@remote
def tidy(cluster: Cluster, account: str) -> None:
    """Remove what submissions left in the account's home more than a day ago. Raises Unreachable, Refused, TimedOut."""
    _run(cluster, account, scripts.TIDY, [])


def _accepted_before(exc: TimedOut) -> Accepted:
    """Return the submission whose id was already printed when `exc` came; raise `exc` where none was."""
    whole_lines, _, _unfinished = decoded(exc.stdout).rpartition("\n")
    told = sbatch.accepted(whole_lines)
    if len(told) != 1:
        raise exc
    return told[0]


@remote
def cancel(cluster: Cluster, account: str, job: int, since: int) -> Cancellation:
    """Cancel `job` as `account`, and return what SLURM then says of it: whether it is cancelled, its records tell.

    `since`: seconds ago at which the job was certainly not yet submitted. Raises Unreachable, Refused, TimedOut,
    Malformed, and Failed where SLURM does not say what became of it.
    """
    found = _about_one(cluster, account, scripts.CANCEL, job, since)
    if len(found) < 2:  # noqa: PLR2004 - scancel and squeue
        raise Malformed("the script that cancels did not end")
    scancel, *rest = found
    failed = scancel.status != 0
    return Cancellation(
        _one(rest), f"scancel ended with {scancel.status}: {scancel.text.strip()[:500]}" if failed else ""
    )


def _one(found: list[Section]) -> list[Record]:
    """Read what squeue, and sacct where that was asked, say of one job."""
    if not found:
        raise Malformed("squeue did not end")
    squeue, *sacct = found
    if squeue.status != 0 and slurm.UNKNOWN_JOB not in squeue.text:
        raise Failed(f"squeue ended with {squeue.status}: {squeue.text.strip()[:500]}")
    told = slurm.parse_queue(squeue.text) if squeue.status == 0 else Listing([])
    if not told.records and sacct:
        told = slurm.parse_history(slurm.checked(sacct, "sacct"))
    if told.unread:
        raise Malformed(told.complaint)
    if told.complaint:
        log.warning("answer-unclear", error=told.complaint)
    return told.records


@remote
def inspect(cluster: Cluster, account: str, job: int, since: int) -> list[Record]:
    """Return what SLURM says of one job now: the controller, or accounting where that no longer knows it.

    `since` and what is raised: as in `cancel`.
    """
    return _one(_about_one(cluster, account, scripts.INSPECT, job, since))


def _about_one(cluster: Cluster, account: str, script: str, job: int, since: int) -> list[Section]:
    """Run a script that asks about one job: an array has as many lines as tasks, more than other answers have room for.

    Raises Malformed for an answer that was cut, and what `_run` raises.
    """
    limit = settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    answer = _run(cluster, account, script, [str(job), str(since)], limit=limit)
    if answer.truncated:
        raise Malformed(f"what was printed of job {job} is more than {limit} bytes")
    return answer.sections


@remote
def starts(cluster: Cluster, account: str, job: int, since: int, *, earliest: int, hosts: bool) -> Starts:
    """Return which tasks of `job` have started, and with `hosts` on which hosts.

    `since` as in `cancel`; rows before `earliest` (epoch) are of another job with this id. Raises Unreachable, Refused,
    TimedOut, Failed, Malformed; TooMuch where the job has too many tasks.
    """
    limit = settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    arguments = [str(job), str(since), "hosts" if hosts else ""]
    answer = _run(cluster, account, scripts.STARTS, arguments, limit=limit)
    if answer.truncated:
        raise TooMuch(f"SLURM tells more than {limit} bytes of the tasks of {job}")
    return parse_starts(job, answer.sections, earliest)


class Look:
    """One look at a cluster on one channel: first the controller's answer, then what else is worth asking."""

    def __init__(self, run: Run, timeout: float, limit: int) -> None:
        """`timeout` in seconds, `limit` in bytes: what `run` keeps of an answer."""
        self._run = run
        self._timeout = timeout
        self._limit = limit
        self.wait_statuses: dict[str, int] = {}

    def queue(self) -> Listing:
        """Return what the controller holds, active and just ended.

        Raises TimedOut, Refused, Failed, Malformed; an answer that was cut is Malformed or Failed, never a shorter one.
        """
        answer = self._run.answer(1, timeout=self._timeout)
        if any(section.status != 0 for section in answer.sections):
            # Its words on standard error may come after its end.
            answer = self._run.result(timeout=self._timeout, end=True)
        return slurm.parse_queue(_whole(answer, answer.sections, "squeue", self._limit))

    def history(self, jobs: Sequence[int], since: int, ended: Sequence[int] = ()) -> Listing:
        """Return what accounting holds of `jobs`, submitted at most `since` seconds ago, every record of an id.

        Before it `wait_statuses` becomes what the controller still has of the jobs `ended`, by squeue's names: that
        stands also where this raises, as `queue` does.
        """
        lines = [str(since), _joined(ended), _joined(jobs)]
        answer = self._run.result("\n".join(lines).encode(), timeout=self._timeout, end=True)
        self.wait_statuses = slurm.parse_exit_codes(answer.sections[1:2])
        return slurm.parse_history(_whole(answer, answer.sections[2:], "sacct", self._limit))


@contextmanager
def look(cluster: Cluster, account: str, *, everybody: bool) -> Iterator[Look]:
    """Look at everybody's jobs as `account`, or at its own. Raises Unreachable, Refused; and what `Look` raises.

    An account that speaks for itself alone gets little room: what it prints is its owner's choice.
    """
    limit = settings.POLL_ANSWER_LIMIT if everybody else settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    with call(cluster, "look"), _channel(cluster, account) as channel:
        script = _script(cluster, scripts.LOOK, "" if everybody else account)
        yield Look(script.start(channel, limit=limit), cluster.command_timeout, limit)


def _joined(ids: Sequence[int]) -> str:
    return ",".join(str(number) for number in ids)


@remote
def ping(cluster: Cluster, account: str) -> tuple[str, str]:
    """Return SLURM's version and what its controller answers. Raises Unreachable, Refused, TimedOut, Failed."""
    found = _run(cluster, account, scripts.PING, []).sections
    return slurm.checked(found, "sbatch").strip(), slurm.checked(found[1:], "scontrol ping").strip()


@remote
def greet(cluster: Cluster) -> str:
    """Connect and compare the host key, without logging in; return how the server names itself. Raises Unreachable."""
    return ssh.greet(cluster.endpoint)


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
        files.opened(transfer.current(), wanted, transfer.current) as file,
    ):
        yield file


def _run(
    cluster: Cluster,
    account: str,
    script: str,
    arguments: Sequence[str],
    *,
    stdin: bytes = b"",
    limit: int = 64 * 1024,
) -> Answer:
    with _channel(cluster, account) as channel:
        run = _script(cluster, script, *arguments).start(channel, limit=limit)
        return run.result(stdin, timeout=cluster.command_timeout)


def _script(cluster: Cluster, text: str, *arguments: str) -> Script:
    text = scripts.keeping(text, cluster.environment)
    return Script(text, (cluster.slurm_bin, *arguments), tuple(cluster.environment.items()))


@contextmanager
def _channel(cluster: Cluster, account: str) -> Iterator[paramiko.Channel]:
    with pool.current().channel(cluster.endpoint, account, timeout=cluster.command_timeout) as channel:
        yield channel


def _whole(answer: Answer, found: Sequence[Section], what: str, limit: int) -> str:
    if answer.truncated:
        raise Malformed(f"{what} printed more than {limit} bytes")
    return slurm.checked(found, what, answer.stderr)
