"""One submission: the request to an agent, and what its answer means, or what has come of it where that is late."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from clusters.calls import asking
from clusters.calls.counted import call
from clusters.errors import ClusterError, Interrupted, TimedOut
from clusters.remote import LONGEST_DIRECTORY, Request
from clusters.slurm import sbatch
from clusters.slurm.description import NewJob
from clusters.slurm.sbatch import Accepted, Rejected
from clusters.slurm.shell import decoded
from clusters.ssh.agent import Agent, Reply
from clusters.submitting.descriptions import ask_description, read_description
from clusters.submitting.slots import SubmissionSlot

_SBATCH_MARGIN = 7  # seconds between the end that is set to sbatch and ours: 5 to kill it, 2 to hear of it
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 4.0  # seconds between two looks at what a running sbatch has printed
_LAST_MOMENT = 0.1  # seconds for an answer that has come when the time is over
_LONGEST_COMPLAINT = 8_192  # characters; cd names the directory
_NOT_BEGUN = "nothing was submitted: the login node ended the submission with {}"
_NO_DIRECTORY = 1  # the status by which the agent says that a directory cannot be entered


@dataclass(frozen=True)
class WorkingDirectoryError:
    """A working directory that cannot be entered, in the shell's words; nothing was submitted."""

    message: str


@dataclass(frozen=True)
class SubmissionAnswer:
    """What became of a submission, and what the controller says of the job where it was asked at once.

    `sbatch_runs`: the job is there, and its sbatch has not ended (a user's `#SBATCH --wait`): nobody waits for that,
    and its traces stay for a day.
    """

    outcome: Accepted | Rejected | WorkingDirectoryError
    new: NewJob | None = None
    sbatch_runs: bool = False


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


under_way = _UnderWay()


def submit(slot: SubmissionSlot, directory: str, script: str) -> SubmissionAnswer:
    """Run sbatch in `directory` (absolute, or relative to the home; empty for the home itself).

    The slot's token names this submission in what SLURM and the account's home remember of it. Raises Unreachable or
    Refused (nothing was submitted), TimedOut, Interrupted or Malformed (a job may exist); ValueError for a directory
    that no system call takes.
    """
    with call(slot.cluster, "submit"), under_way, asking.agent(slot.cluster, slot.account) as agent:
        return _submit(agent, slot, directory, script)


def _submit(agent: Agent, slot: SubmissionSlot, directory: str, script: str) -> SubmissionAnswer:
    timeout = slot.cluster.command_timeout
    deadline = time.monotonic() + timeout
    agent.send(submission_request(slot, directory, script), timeout=timeout)
    printed = b""
    try:
        for pause in _pauses(deadline):
            if agent.has_replied(pause):
                break
            printed = _ask_progress(slot) or printed
            if answer := answer_while_running(slot, printed):
                agent.close()  # its sbatch goes on
                return answer
        reply = agent.reply(max(deadline, time.monotonic() + _LAST_MOMENT), timeout)
    except TimedOut as exc:
        exc.stdout = exc.stdout or printed
        raise
    outcome = _outcome(slot, reply, agent.marker)
    if slot.cluster.shows_file_urls and isinstance(outcome, Accepted):
        return SubmissionAnswer(outcome, read_description(outcome.job, reply.sections[2:]))
    return SubmissionAnswer(outcome)


def submission_request(slot: SubmissionSlot, directory: str, script: str) -> Request:
    """Return the request `submit`. Raises ValueError for a directory that no system call takes."""
    if len(directory.encode()) > LONGEST_DIRECTORY:
        raise ValueError(f"a directory's path has at most {LONGEST_DIRECTORY} bytes")
    seconds = max(1, slot.cluster.command_timeout - _SBATCH_MARGIN)
    describe = "yes" if slot.cluster.shows_file_urls else ""
    return Request("submit", (slot.token.hex, seconds, describe), directory, script)


def _pauses(deadline: float) -> Iterator[float]:
    """Yield how many seconds to wait before each look at an sbatch that runs, up to `deadline` (monotonic)."""
    pause = _FIRST_PAUSE
    while (left := deadline - time.monotonic()) > 0:
        yield min(pause, left)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _outcome(slot: SubmissionSlot, reply: Reply, marker: str) -> Accepted | Rejected | WorkingDirectoryError:
    """Return what became of a submission by its whole answer. Raises Interrupted or Malformed where that is open."""
    if not reply.sections and reply.ended and not reply.truncated:
        return Rejected(_exit_code(reply.ended), "", "", _NOT_BEGUN.format(reply.ended))
    if reply.ended or not reply.sections:
        raise Interrupted(f"the submission was given up on the cluster ({reply.ended or 'no answer'})")
    begun, *rest = reply.sections
    if begun.status == _NO_DIRECTORY:
        return WorkingDirectoryError(begun.text.replace(marker, "sh").strip()[:_LONGEST_COMPLAINT])
    if begun.status != 0:
        return Rejected(begun.status, "", "", _NOT_BEGUN.format(begun.status))
    return sbatch.parse_submission(slot.token.hex, rest)


def _exit_code(ended: str) -> int:
    """Return the exit code of an agent that has ended; -1 for one that a signal has ended."""
    return int(ended) if ended.isdigit() else -1


def _ask_progress(slot: SubmissionSlot) -> bytes:
    """Return what the sbatch of a submission has printed so far; nothing where that cannot be asked at once.

    Its own agent is in use. Where those of other submissions are as well, all of them would wait for each other.
    """
    try:
        request = Request("progress", (slot.token.hex,))
        [section] = asking.ask(slot.cluster, slot.account, request, patience=0).exactly(1)
    except ClusterError:
        return b""
    return section.output


def answer_while_running(slot: SubmissionSlot, printed: bytes) -> SubmissionAnswer | None:
    """Return the answer for an sbatch that has printed an id, and has not ended.

    None if it has printed none, or if SLURM has no job of this id and token.
    """
    jobs = sbatch.accepted(decoded(printed).rpartition("\n")[0])
    if len(jobs) != 1:
        return None
    try:
        sections = ask_description(slot.cluster, slot.account, jobs[0], patience=0)
        new = read_description(jobs[0].job, sections)
    except ClusterError:
        return None  # sbatch will end, or be ended
    has_token = any(slot.token.hex in section.text for section in sections)
    return SubmissionAnswer(jobs[0], new, sbatch_runs=True) if new and has_token else None
