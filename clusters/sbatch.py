"""PURE. What becomes of a submission: what sbatch and the controller say of it, and what is found of it later.

What is printed is the word of a login, read as in `clusters.slurm`: within bounds, by scans of linear time.
Sources: the manual pages of sbatch, scontrol, squeue and sacct; what SLURM 20.11 to 26.05 has printed.
"""

import datetime as dt
import string
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from clusters import bounds
from clusters.bounds import number
from clusters.errors import Failed, Malformed
from clusters.shell import Section
from clusters.slurm import checked, moment

# How `timeout` ends what took too long (coreutils: 124, and 128 + SIGKILL where that was needed; 256 + that in ksh).
_ENDED_BY_US = {124, 137, 265}
# Errors of the way to the controller, which leave open whether it got the job (slurm_errno.h, "communication layer").
_UNSURE = (
    "timed out", "unable to contact", "connect failure", "zero bytes", "connection refused", "communication",
    "transport", "unexpected message", "send failure", "receive failure", "not responding",
)  # fmt: skip

_NO_TASK = "4294967294"  # stands where a task's number will be (NO_VAL in slurm.h)
_LONGEST_PATH = 4_096  # bytes; PATH_MAX (limits.h)


@dataclass(frozen=True)
class Accepted:
    """A submission that has a job."""

    job: int


@dataclass(frozen=True)
class NewJob:
    """What the controller says of a job just submitted.

    The paths are SLURM's own words, absolute, or empty where they are no paths; in those of a job array `%a` stands for
    the number of the task, and `%3a` for its number with three digits.
    """

    stdout_path: str
    stderr_path: str
    submitted_at: dt.datetime | None
    is_array: bool


@dataclass(frozen=True)
class Rejected:
    """A submission that sbatch refused, in its own words."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class NotSubmitted:
    """A submission that has no job and cannot get one any more, with sbatch's words if it said any."""

    stderr: str = ""


def parse_submission(token: str, found: list[Section]) -> Accepted | Rejected:
    """Read what sbatch printed, its errors if it failed, and what scontrol says if there was an id.

    Raises Malformed where the outcome cannot be told from that: there may be a job.
    """
    if not found:
        raise Malformed("sbatch did not end")
    sbatch, *rest = found
    ids = job_ids(sbatch.text)
    if sbatch.status == 0 and len(ids) == 1:
        return Accepted(ids[0])
    words = rest[0].text if rest else ""
    if len(ids) == 1 and len(rest) > 1 and token in rest[1].text:
        return Accepted(ids[0])  # whatever sbatch says, SLURM has a job of this token
    if not ids and sbatch.status not in _ENDED_BY_US and sbatch.status != 0 and not _unsure(sbatch.text + words):
        return Rejected(sbatch.status, *_streams(sbatch.text, words))
    raise Malformed(f"sbatch ended with {sbatch.status} and printed {sbatch.text[:300]!r}, {words[:300]!r}")


def job_ids(output: str) -> list[int]:
    """Return the ids of jobs in what `sbatch --parsable` has printed: lines `ID` or `ID;CLUSTER`."""
    ids = []
    for line in output.split("\n"):
        job, separator, cluster = line.partition(";")
        if not separator or cluster.split() == [cluster]:
            with suppress(ValueError):
                ids.append(number(job, bounds.ID, least=1))
    return ids


def may_name_a_job(output: str) -> bool:
    """Return whether SUBMIT has seen an id in what sbatch has printed: a line that begins with a digit."""
    lines = "\n" + output
    return any(f"\n{digit}" in lines for digit in string.digits)


def _unsure(words: str) -> bool:
    lowered = words.lower()
    return any(error in lowered for error in _UNSURE)


def _streams(output: str, words: str) -> tuple[str, str]:
    """Tell sbatch's output from its errors, which come together where no file could take the errors apart."""
    return (output.removesuffix("\n"), words) if words else ("", output)


def parse_new_job(job: int, found: Iterable[Section]) -> NewJob | None:
    """Read what `scontrol show job` prints of a job, one `Key=value` a line; None where it was not asked or failed.

    Raises Malformed for a time that is none.
    """
    description = next(filter(None, (_description(job, section.text) for section in found if section.status == 0)), "")
    if not description:
        return None
    fields = dict.fromkeys(("   StdOut", "   StdErr", "   SubmitTime"), "")
    first_line, *lines = description.split("\n")
    for line in lines:
        key, _, value = line.partition("=")
        if key in fields:
            fields[key] = value.strip(" ")
    stdout, stderr, submitted = fields.values()
    try:
        submitted_at = moment(submitted.partition(" ")[0])
    except ValueError as exc:
        raise Malformed(f"scontrol: SubmitTime={submitted[:300]!r}") from exc
    return NewJob(
        stdout_path=_path(stdout),
        stderr_path=_path(stderr or stdout),  # SLURM 26.05 leaves it empty where both go to one file
        submitted_at=submitted_at,
        is_array=_is_of_array(job, first_line),
    )


def _description(job: int, text: str) -> str:
    """Return the lines on `job`; empty where there are none.

    Of an array scontrol has a description of each task: the array's own id is that of the tasks that wait. Where there
    is none of that id any more, each of them tells of the array.
    """
    descriptions = ("\n" + text).split("\nJobId=")[1:]
    own = (each for each in descriptions if each.startswith(f"{job} "))
    tasks = (each for each in descriptions if _is_of_array(job, each.partition("\n")[0]))
    return next(own, "") or next(tasks, "")


def _is_of_array(job: int, first_line: str) -> bool:
    return f" ArrayJobId={job} " in first_line.partition("JobName=")[0]


def _path(text: str) -> str:
    """Return the path of an output file with `%a` where scontrol shows the number of a task that has none yet.

    `%3a` scontrol leaves as it found it. What is no path of a file is empty.
    """
    if not text.startswith("/") or len(text.encode()) > _LONGEST_PATH:
        return ""
    return text.replace(_NO_TASK, "%a")


def parse_lookup(
    tokens: Sequence[str], found: list[Section], *, sbatch_is_over: bool
) -> dict[str, Accepted | Rejected | NotSubmitted]:
    """Read what became of the submissions `tokens`; those of which nothing certain is known yet are left out.

    `sbatch_is_over` says that none of them can still be running. Raises Failed unless squeue and sacct both answered.
    """
    if len(found) != 2 * len(tokens) + 2:
        raise Failed("the search for lost submissions did not end")
    squeue, sacct = found[-2:]
    jobs = _remembered(tokens, checked([squeue], "squeue"), checked([sacct], "sacct"))
    traces = zip(found[:-2:2], found[1:-2:2], strict=True)
    outcomes = {
        token: Accepted(jobs[token])
        if token in jobs
        else _traced(token, trace.text, error.text, sbatch_is_over=sbatch_is_over)
        for token, (trace, error) in zip(tokens, traces, strict=True)
    }
    return {token: outcome for token, outcome in outcomes.items() if outcome}


def _remembered(tokens: Collection[str], *outputs: str) -> dict[str, int]:
    """Return the jobs that SLURM has of `tokens`: lines `ID|COMMAND`, with the token as a directory in the command.

    Raises Malformed for such a line whose id is none.
    """
    wanted, jobs = set(tokens), dict[str, int]()
    for line in (line for output in outputs for line in output.split("\n")):
        name, _, command = line.partition("|")
        digits = name[: len(name) - len(name.lstrip(string.digits))]
        for token in wanted.intersection(command.split("/")[1:-1]) if digits else ():
            try:
                jobs.setdefault(token, number(digits, bounds.ID, least=1))
            except ValueError as exc:
                raise Malformed(f"squeue or sacct: {line[:300]!r}") from exc
    return jobs


def _traced(token: str, trace: str, error: str, *, sbatch_is_over: bool) -> Accepted | Rejected | NotSubmitted | None:
    if trace.startswith("fenced"):
        return NotSubmitted()
    answered = job_ids(trace)
    status = _noted_status(token, trace)
    if len(answered) == 1 and status in {0, None}:
        return Accepted(answered[0])
    if status and not answered and status not in _ENDED_BY_US and not _unsure(error):
        return Rejected(status, "", error)
    return NotSubmitted(error) if sbatch_is_over else None


def _noted_status(token: str, trace: str) -> int | None:
    """Return the exit status of sbatch that SUBMIT has noted, in a line with its marker; None where it has not."""
    marker = f"--{token}-- "
    for line in trace.split("\n"):
        if line.startswith(marker):
            with suppress(ValueError):
                return number(line.removeprefix(marker), bounds.STATUS)
    return None
