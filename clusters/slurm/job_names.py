"""PURE. How SLURM names jobs, the tasks of job arrays and the parts of heterogeneous jobs.

Source: the manual pages of squeue and sbatch.
"""

import string

from clusters import bounds
from clusters.bounds import number

_LONGEST_TASKS = 131_072  # characters of `[1,3,5-9]`; no longer list fits into an argument of sbatch (execve(2))
_OF_TASKS = frozenset(string.digits + "[],-:%.")


def split(name: str) -> tuple[int, str | None]:
    """Split `1080_5`, `1080_[5-9%2]` (job arrays) and `93+1` (heterogeneous jobs) into the job's id and the rest.

    Raises ValueError for what is none of these.
    """
    job, separator, task = name.partition("_")
    if not separator:
        job, separator, task = name.partition("+")
    if not separator:
        return number(job, bounds.ID, least=1), None
    if len(task) > _LONGEST_TASKS or not _OF_TASKS.issuperset(task):
        raise ValueError("not a task, nor a list of tasks")
    count(task)
    return number(job, bounds.ID, least=1), task


def count(tasks: str) -> int | None:
    """Count the tasks of `5` or `[1,3,5-9,20-30:2%4]`; None where that is cut with `...`. Raises ValueError."""
    if not tasks.startswith("["):
        number(tasks, bounds.ID)
        return 1
    total = 0
    for part in tasks.strip("[]").partition("%")[0].split(","):
        if "..." in part:
            return None
        total += _count_range(part)
    if total > bounds.COUNT:
        raise ValueError("more tasks than an array can have")
    return total


def _count_range(text: str) -> int:
    """Count the tasks of `5`, `5-9` or `20-30:2`. Raises ValueError."""
    begin, dash, rest = text.partition("-")
    end, colon, step = rest.partition(":")
    first = number(begin, bounds.ID)
    last = number(end, bounds.ID, least=first) if dash else first
    return (last - first) // (number(step, bounds.ID, least=1) if colon else 1) + 1
