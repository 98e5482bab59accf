"""PURE. What becomes of a submission: what sbatch and the controller say of it, and what is found of it later.

What is printed is the word of a login, read as in `clusters.slurm.listings`: within bounds, by scans of linear time.
Sources: the manual pages of sbatch, scontrol, squeue and sacct; what SLURM 20.11 to 26.05 has printed.
"""

import datetime as dt
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from clusters import bounds
from clusters.bounds import number
from clusters.errors import Failed, Malformed
from clusters.slurm import shown_paths
from clusters.slurm.columns import moment
from clusters.slurm.filenames import NO_TASK
from clusters.slurm.listings import checked
from clusters.slurm.shell import Section
from clusters.slurm.shown_paths import Filled, Shown

_TIMED_OUT = 124  # coreutils' timeout, timeout(1)
# 128 and the number of a signal (signal(7)), in ksh 256 and that. sbatch itself ends with up to 255.
_BY_A_SIGNAL = (range(129, 193), range(257, 321))
_LISTINGS = 2  # of jobs: the login node's own cluster's, and everybody's
# Errors of the way to the controller, which leave open whether it got the job (slurm_errno.h, "communication layer").
_UNSURE = (
    "timed out", "unable to contact", "connect failure", "zero bytes", "connection refused", "communication",
    "transport", "unexpected message", "send failure", "receive failure", "not responding",
)  # fmt: skip

_PROMPT = "\nscontrol: "  # stands before what scontrol says to each command that it reads; some builds repeat that
_CLUSTER = "CLUSTER: "  # stands before a cluster's name in what squeue prints of several
_OF_NAMES = frozenset(string.ascii_letters + string.digits + "._-")
_LONGEST_NAME = 64  # characters of a cluster's name; SLURM takes 40

_NO_JOB = "sbatch ended without submitting a job"

_LONGEST_PATH = 4_096  # bytes; PATH_MAX (limits.h)
_MOST_TASKS = 8  # whose descriptions are read


@dataclass(frozen=True)
class Accepted:
    """A submission that has a job: on `cluster` (SLURM's name), or where that is empty on the login node's own."""

    job: int
    cluster: str = ""


@dataclass(frozen=True)
class NewJob:
    """What the controller says of a job just submitted.

    The paths are absolute patterns (`clusters.slurm.filenames`), or empty where they are no paths. `complaint` shows a
    time that could not be read.
    """

    stdout_path: str
    stderr_path: str
    submitted_at: dt.datetime | None
    is_array: bool
    complaint: str = ""


@dataclass(frozen=True)
class Rejected:
    """A submission that has no job and will have none, and why: mostly sbatch refused it, in its own words."""

    exit_code: int
    stdout: str
    stderr: str
    message: str = "sbatch refused the job"


@dataclass(frozen=True)
class NotSubmitted:
    """A submission that has no job and cannot get one any more, with sbatch's words if it said any."""

    stderr: str = ""


def parse_submission(token: str, found: list[Section]) -> Accepted | Rejected:
    """Read what sbatch printed, its errors if it failed or told no id, and what SLURM says if there was one.

    Where sbatch ended well without an id, two listings of the account's jobs follow: those of the login node's own
    cluster, and those of every cluster. Raises Malformed where the outcome cannot be told from that: there may be a
    job.
    """
    if not found:
        raise Malformed("sbatch did not end")
    sbatch, *rest = found
    jobs = accepted(sbatch.text)
    if sbatch.status == 0 and len(jobs) == 1:
        return jobs[0]
    words = rest[0].text if rest else ""
    if len(jobs) == 1 and len(rest) > 1 and token in rest[1].text:
        return jobs[0]  # whatever sbatch says, SLURM has a job of this token
    if (sbatch.status == 0 and not may_name_a_job(sbatch.text)) or (len(rest) == 1 + _LISTINGS and not jobs):
        return _without_id(token, sbatch, words, rest[1:])
    if not jobs and sbatch.status != 0 and not _was_ended(sbatch.status) and not _unsure(sbatch.text + words):
        return Rejected(sbatch.status, *_streams(sbatch.text, words))
    raise Malformed(f"sbatch ended with {sbatch.status} and printed {sbatch.text[:300]!r}, {words[:300]!r}")


def _without_id(token: str, sbatch: Section, words: str, listings: list[Section]) -> Accepted | Rejected:
    """Tell what became of a submission of which sbatch told neither an id nor an error: the controllers know."""
    if len(listings) != _LISTINGS or any(listing.status != 0 for listing in listings):
        raise Malformed(f"sbatch told no id, and the controllers did not answer: {words[:300]!r}")
    own, of_all = listings
    if jobs := _remembered([token], own.text):
        return Accepted(jobs[token])
    if elsewhere := _remembered_by_clusters([token], _by_cluster(of_all.text)):
        return elsewhere[token]
    if _was_ended(sbatch.status):
        raise Malformed(f"sbatch was ended with {sbatch.status}, and may have reached the controller")
    return Rejected(sbatch.status, *_streams(sbatch.text, words), _NO_JOB)


def _was_ended(status: int) -> bool:
    """Return whether `timeout`, or a signal, has ended a command: it may have done its work, and could not say so."""
    return status == _TIMED_OUT or any(status in numbers for numbers in _BY_A_SIGNAL)


def accepted(output: str) -> list[Accepted]:
    """Return the jobs in what `sbatch --parsable` has printed: lines `ID` or `ID;CLUSTER`."""
    jobs = []
    for line in output.split("\n"):
        job, separator, cluster = line.partition(";")
        if is_name(cluster) if separator else True:
            with suppress(ValueError):
                jobs.append(Accepted(number(job, bounds.ID, least=1), cluster))
    return jobs


def is_name(text: str) -> bool:
    """Return whether `text` may be SLURM's name of a cluster: a command takes it as an argument."""
    return 0 < len(text) <= _LONGEST_NAME and _OF_NAMES.issuperset(text) and not text.startswith("-")


def parse_name(found: Iterable[Section]) -> str:
    """Read what `scontrol show config` says the cluster is called. Raises Failed, Malformed."""
    for line in checked(found, "scontrol").split("\n"):
        key, _, value = line.partition("=")
        if key.strip(" ") == "ClusterName" and is_name(name := value.strip(" ")):
            return name
    raise Malformed("scontrol show config tells no ClusterName")


def may_name_a_job(output: str) -> bool:
    """Return whether the agent has seen an id in what sbatch has printed: a line that begins with a digit."""
    lines = "\n" + output
    return any(f"\n{digit}" in lines for digit in string.digits)


def _unsure(words: str) -> bool:
    lowered = words.lower()
    return any(error in lowered for error in _UNSURE)


def _streams(output: str, words: str) -> tuple[str, str]:
    """Tell sbatch's output from its errors, which come together where no file could take the errors apart."""
    return (output.removesuffix("\n"), words) if words else ("", output)


def parse_new_job(job: int, found: Iterable[Section]) -> NewJob | None:
    """Read what `scontrol show job` prints of a job, one `Key=value` a line; None where it was not asked or failed."""
    own, others = next(
        filter(None, (_descriptions(job, section.text) for section in found if section.status == 0)), ("", [])
    )
    if not own:
        return None
    fields = _fields(own)
    submitted = fields["SubmitTime"]
    submitted_at, complaint = None, ""
    try:
        submitted_at = moment(submitted.partition(" ")[0])
    except ValueError:
        complaint = f"scontrol: SubmitTime={submitted[:40]!r}"
    shown = _shown(job, own, fields)
    tasks = [(told, _shown(job, other, told)) for other, told in ((other, _fields(other)) for other in others)]
    return NewJob(
        stdout_path=_pattern(fields, "StdOut", shown, tasks),
        # SLURM 26.05 leaves it empty where both go to one file.
        stderr_path=_pattern(fields, "StdErr" if fields["StdErr"] else "StdOut", shown, tasks),
        submitted_at=submitted_at,
        is_array=_is_of_array(job, own.partition("\n")[0]),
        complaint=complaint,
    )


def _descriptions(job: int, text: str) -> tuple[str, list[str]] | None:
    """Return the lines on `job`, and some of further tasks of the array that it is; None where there are none.

    Of an array scontrol has a description of each task: the array's own id is that of the tasks that wait. Where there
    is none of that id any more, each of them tells of the array.
    """
    own, tasks = "", list[str]()
    for each in ("\n" + text).replace(_PROMPT, "\n").split("\nJobId=")[1:]:
        if not own and each.startswith(f"{job} "):
            own = each
        elif len(tasks) < _MOST_TASKS and _is_of_array(job, each.partition("\n")[0]):
            tasks.append(each)
    if own:
        return own, tasks
    return (tasks[0], tasks[1:]) if tasks else None


def _is_of_array(job: int, first_line: str) -> bool:
    return f" ArrayJobId={job} " in first_line.partition("JobName=")[0]


def _fields(description: str) -> dict[str, str]:
    """Return what is told in the lines `   Key=value` that count here."""
    fields = dict.fromkeys(("StdOut", "StdErr", "SubmitTime", "UserId", "WorkDir", "SubmitLine", "OverSubscribe"), "")
    for line in description.split("\n")[1:]:
        key, _, value = line.partition("=")
        if key.startswith("   ") and key[3:] in fields:
            fields[key[3:]] = value.strip(" ")
    return fields


def _shown(job: int, description: str, fields: dict[str, str]) -> Shown:
    """Return what is told in the first line, `JobId=12 ArrayJobId=12 ArrayTaskId=3 JobName=NAME`, and in `fields`."""
    numbers, _, name = description.partition("\n")[0].partition("JobName=")
    own, _, rest = numbers.partition(" ")
    task = ""
    if _is_of_array(job, numbers):
        told = rest.partition("ArrayTaskId=")[2].partition(" ")[0]
        task = told if told.isascii() and told.isdigit() else NO_TASK
    try:
        own_id = number(own, bounds.ID, least=1)
    except ValueError as exc:
        raise Malformed(f"scontrol: JobId={own[:300]!r}") from exc
    return Shown(
        own_id,
        job if task else own_id,
        task,
        fields["UserId"].partition("(")[0],
        name.strip(" "),
        fields["WorkDir"],
        _filled(fields),
    )


def _filled(fields: dict[str, str]) -> Filled:
    """Return what this version of scontrol fills in, by what else it shows."""
    if not fields["SubmitLine"]:
        return Filled.SOME
    return Filled.ALL if " Exclusive=" in fields["OverSubscribe"] else Filled.MOST


def _pattern(fields: dict[str, str], key: str, shown: Shown, tasks: Sequence[tuple[dict[str, str], Shown]]) -> str:
    """Return the pattern of an output file's path; empty where it is none of a file."""
    path = fields[key]
    if not path.startswith("/") or len(path.encode()) > _LONGEST_PATH:
        return ""
    return shown_paths.pattern(path, shown, [(told[key], other) for told, other in tasks])


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


def parse_lookup_elsewhere(tokens: Collection[str], found: Sequence[Section]) -> dict[str, Accepted]:
    """Read which of `tokens` the controllers of all clusters, and accounting, have. Raises Failed, Malformed."""
    by_cluster = _by_cluster(checked(found, "squeue -M all"))
    for line in checked(found[1:], "sacct -L").split("\n"):
        cluster, _, rest = line.partition("|")
        by_cluster.setdefault(cluster, []).append(rest)
    return _remembered_by_clusters(tokens, by_cluster)


def _by_cluster(text: str) -> dict[str, list[str]]:
    """Return squeue's lines of each cluster, which come after one with its name."""
    lines: dict[str, list[str]] = {}
    cluster = ""
    for line in text.split("\n"):
        if line.startswith(_CLUSTER):
            cluster = line.removeprefix(_CLUSTER)
        else:
            lines.setdefault(cluster, []).append(line)
    return lines


def _remembered_by_clusters(tokens: Collection[str], by_cluster: Mapping[str, list[str]]) -> dict[str, Accepted]:
    """Return the jobs of `tokens`, as `_remembered` finds them in the lines of each cluster that has a name."""
    return {
        token: Accepted(job, cluster)
        for cluster, lines in by_cluster.items()
        if is_name(cluster)
        for token, job in _remembered(tokens, "\n".join(lines)).items()
    }


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
    answered = accepted(trace)
    status = _noted_status(token, trace)
    if len(answered) == 1 and status in {0, None}:
        return answered[0]
    if status and not answered and error and not _was_ended(status) and not _unsure(error):
        return Rejected(status, "", error)
    if not sbatch_is_over:
        return None
    return Rejected(0, "", error, _NO_JOB) if status == 0 and not answered else NotSubmitted(error)


def _noted_status(token: str, trace: str) -> int | None:
    """Return the exit status of sbatch that the agent has noted, in a line with its marker; None where it has not."""
    marker = f"--{token}-- "
    for line in trace.split("\n"):
        if line.startswith(marker):
            with suppress(ValueError):
                return number(line.removeprefix(marker), bounds.STATUS)
    return None
