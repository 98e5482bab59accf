"""PURE. What `scontrol show job` says of a job that was just submitted.

What is printed is the word of a login, read as in `clusters.slurm.listings`: within bounds, by scans of linear time.
Source: the manual page of scontrol; what SLURM 20.11 to 26.05 has printed.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clusters import bounds
from clusters.bounds import number
from clusters.errors import Malformed
from clusters.slurm import shown_paths
from clusters.slurm.columns import time_of
from clusters.slurm.filenames import NO_TASK
from clusters.slurm.shell import Section
from clusters.slurm.shown_paths import Filled, Shown

_PROMPT = "\nscontrol: "  # stands before what scontrol says to each command that it reads; some builds repeat that
_LONGEST_PATH = 4_096  # bytes; PATH_MAX (limits.h)
_MOST_TASKS = 8  # whose descriptions are read


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


def parse_new_job(job: int, sections: Iterable[Section]) -> NewJob | None:
    """Return what `scontrol show job` says of `job`, one `Key=value` a line; None where it was not asked, or failed."""
    own, others = next(
        filter(None, (_descriptions(job, section.text) for section in sections if section.status == 0)), ("", [])
    )
    if not own:
        return None
    fields = _fields(own)
    submitted = fields["SubmitTime"]
    submitted_at, complaint = None, ""
    try:
        submitted_at = time_of(submitted.partition(" ")[0])
    except ValueError:
        complaint = f"scontrol: SubmitTime={submitted[:40]!r}"
    shown = _shown(job, own, fields)
    tasks = [(values, _shown(job, other, values)) for other, values in ((other, _fields(other)) for other in others)]
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
    """Return the values of the lines `   Key=value` that count here."""
    fields = dict.fromkeys(("StdOut", "StdErr", "SubmitTime", "UserId", "WorkDir", "SubmitLine", "OverSubscribe"), "")
    for line in description.split("\n")[1:]:
        key, _, value = line.partition("=")
        if key.startswith("   ") and key[3:] in fields:
            fields[key[3:]] = value.strip(" ")
    return fields


def _shown(job: int, description: str, fields: dict[str, str]) -> Shown:
    """Return what the first line, `JobId=12 ArrayJobId=12 ArrayTaskId=3 JobName=NAME`, and `fields` say of a job."""
    numbers, _, name = description.partition("\n")[0].partition("JobName=")
    own, _, rest = numbers.partition(" ")
    task = ""
    if _is_of_array(job, numbers):
        task_id = rest.partition("ArrayTaskId=")[2].partition(" ")[0]
        task = task_id if task_id.isascii() and task_id.isdigit() else NO_TASK
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
    return shown_paths.pattern(path, shown, [(values[key], other) for values, other in tasks])
