"""PURE. What becomes of a submission: what sbatch and the controller say of it, and what is found of it later.

Sources: the manual pages of sbatch, scontrol, squeue and sacct; what SLURM 20.11 to 26.05 has printed.
"""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clusters.errors import Failed, Malformed
from clusters.shell import Section
from clusters.slurm import checked, moment

# How `timeout` ends what took too long (coreutils: 124, and 128 + SIGKILL where that was needed).
_ENDED_BY_US = {124, 137}
# Errors of the way to the controller, which leave open whether it got the job (slurm_errno.h, "communication layer").
_UNSURE = re.compile(
    r"timed out|Unable to contact|connect failure|Zero Bytes|Connection refused|Communication|Transport|"
    r"Unexpected message|(send|receive) failure|not responding",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Accepted:
    """A submission that has a job."""

    job: int


@dataclass(frozen=True)
class NewJob:
    """What the controller says of a job just submitted.

    The paths are SLURM's own words, absolute; in those of a job array `%a` stands for the number of the task.
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
    sbatch, *rest = found
    ids = re.findall(r"^([0-9]+)(?:;\S+)?$", sbatch.text, re.MULTILINE)
    if sbatch.status == 0 and len(ids) == 1:
        return Accepted(int(ids[0]))
    words = rest[0].text if rest else ""
    if len(ids) == 1 and len(rest) > 1 and token in rest[1].text:
        return Accepted(int(ids[0]))  # whatever sbatch says, SLURM has a job of this token
    if not ids and sbatch.status not in _ENDED_BY_US and sbatch.status != 0 and not _UNSURE.search(sbatch.text + words):
        return Rejected(sbatch.status, *_streams(sbatch.text, words))
    raise Malformed(f"sbatch ended with {sbatch.status} and printed {sbatch.text[:300]!r}, {words[:300]!r}")


def _streams(output: str, words: str) -> tuple[str, str]:
    """Tell sbatch's output from its errors, which come together where no file could take the errors apart."""
    return (output.removesuffix("\n"), words) if words else ("", output)


def parse_new_job(job: int, found: Iterable[Section]) -> NewJob | None:
    """Read what `scontrol show job` prints of a job, one `Key=value` a line; None where it was not asked or failed."""
    text = next((section.text for section in found if section.status == 0 and f"JobId={job} " in section.text), "")
    # Of an array one description a task; its own id is that of the tasks that wait.
    text = next((part for part in re.split(r"^(?=JobId=)", text, flags=re.MULTILINE) if f"JobId={job} " in part), "")
    fields = dict(re.findall(r"^   (StdOut|StdErr|SubmitTime)=(\S.*?) *$", text, re.MULTILINE))
    if not text:
        return None
    stdout = _task_placeholder(fields.get("StdOut", ""))
    return NewJob(
        stdout_path=stdout,
        # SLURM 26.05 leaves it empty where both go to one file.
        stderr_path=_task_placeholder(fields.get("StdErr", "")) or stdout,
        submitted_at=moment(fields.get("SubmitTime", "").split(" ")[0]),
        is_array=f" ArrayJobId={job} " in text,
    )


def _task_placeholder(path: str) -> str:
    """Put `%a` where scontrol shows the number of a task that has none yet, or leaves `%3a` as it found it."""
    return re.sub(r"4294967294|%[0-9]+a", "%a", path)


def parse_lookup(
    tokens: Sequence[str], found: list[Section], *, sbatch_is_over: bool
) -> dict[str, Accepted | Rejected | NotSubmitted]:
    """Read what became of the submissions `tokens`; those of which nothing certain is known yet are left out.

    `sbatch_is_over` says that none of them can still be running. Raises Failed unless squeue and sacct both answered.
    """
    if len(found) != 2 * len(tokens) + 2:
        raise Failed("the search for lost submissions did not end")
    squeue, sacct = found[-2:]
    remembered = checked([squeue], "squeue") + checked([sacct], "sacct")
    traces = zip(found[:-2:2], found[1:-2:2], strict=True)
    outcomes = {
        token: _traced(token, trace.text, error.text, remembered, sbatch_is_over=sbatch_is_over)
        for token, (trace, error) in zip(tokens, traces, strict=True)
    }
    return {token: outcome for token, outcome in outcomes.items() if outcome}


def _traced(
    token: str, trace: str, error: str, remembered: str, *, sbatch_is_over: bool
) -> Accepted | Rejected | NotSubmitted | None:
    ids = re.findall(rf"^([0-9]+)[^|\n]*\|.*/{token}/", remembered, re.MULTILINE)
    if ids:
        return Accepted(int(ids[0]))
    if trace.startswith("fenced"):
        return NotSubmitted()
    answered = re.findall(r"^([0-9]+)(?:;\S+)?$", trace, re.MULTILINE)
    ended = re.search(r"^--[0-9a-f]{32}-- ([0-9]+)$", trace, re.MULTILINE)
    status = int(ended[1]) if ended else None
    if len(answered) == 1 and status in {0, None}:
        return Accepted(int(answered[0]))
    if status and not answered and status not in _ENDED_BY_US and not _UNSURE.search(error):
        return Rejected(status, "", error)
    return NotSubmitted(error) if sbatch_is_over else None
