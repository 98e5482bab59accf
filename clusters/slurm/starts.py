"""PURE. Which tasks of a job have started, and where: what squeue, sacct and sinfo say, read within bounds.

Sources: the manual pages of squeue, sacct and sinfo (SLURM 20.11 to 26.05 have these fields).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clusters import bounds
from clusters.bounds import number
from clusters.errors import Failed, Malformed
from clusters.slurm import job_names, listings
from clusters.slurm.columns import is_allocated, time_of
from clusters.slurm.filenames import Task
from clusters.slurm.shell import Section

_LONGEST_HOST = 255  # characters; HOST_NAME_MAX (limits.h) is 64


@dataclass(frozen=True)
class Starts:
    """The tasks that have started, in the order of their numbers; `known`: SLURM still has something of the job."""

    known: bool
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class _Row:
    """A job or task, or tasks that wait (`number` is None for these and for a job that is no array)."""

    job: int
    number: int | None
    nodes: str


def parse_starts(job: int, sections: Sequence[Section], earliest: int) -> Starts:
    """Return which tasks of `job` have started, by the answer to `starts`; rows before `earliest` (epoch) do not count.

    Raises Failed where sacct, or sinfo if that was asked, failed; Malformed.
    """
    if len(sections) < 2:  # noqa: PLR2004 - squeue and sacct
        raise Failed("the search for a job's tasks did not end")
    squeue, sacct, *sinfo = sections
    if squeue.status != 0 and listings.UNKNOWN_JOB not in squeue.text:
        listings.checked([squeue], "squeue")
    outputs = [listings.checked([sacct], "sacct"), squeue.text if squeue.status == 0 else ""]
    rows = [row for text in outputs for row in _rows(job, text, earliest)]
    hosts = _hosts(listings.checked(sinfo, "sinfo")) if sinfo else {}
    started = {row.number: row for row in rows if is_allocated(row.nodes)}  # the last one counts
    in_order = sorted(started.values(), key=lambda row: -1 if row.number is None else row.number)
    return Starts(bool(rows), tuple(Task(row.job, job, row.number, _host(row.nodes, hosts)) for row in in_order))


def _rows(job: int, text: str, earliest: int) -> Iterator[_Row]:
    """Read the lines `NAME|ID|SUBMITTED|NODES`. Raises Malformed."""
    for line in filter(None, text.split("\n")):
        try:
            name, own, submitted, nodes = line.split("|")
            of, task = job_names.split(name)
            at = time_of(submitted)
            if of != job or (at and at.timestamp() < earliest) or ("+" in name and task != "0"):
                continue
            plain = task is None or "+" in name
            waits = not plain and not (task or "").isdigit()
            yield _Row(
                number(own, bounds.ID, least=1),
                None if plain or waits else number(task or "", bounds.ID),
                "" if waits else nodes.strip(),
            )
        except ValueError as exc:
            raise Malformed(f"a job's tasks: {line[:300]!r}") from exc


def _hosts(text: str) -> dict[str, str]:
    """Return the names of nodes' hosts by the nodes' own: lines `NODE|HOST`."""
    pairs = (line.partition("|") for line in text.split("\n"))
    return {node.strip(): host.strip() for node, separator, host in pairs if separator}


def _host(nodes: str, hosts: Mapping[str, str]) -> str | None:
    """Return the short name of the first node's host, where the batch script runs; None for what is no name."""
    node = _first(nodes)
    host = hosts.get(node, node).partition(".")[0]
    return host if 0 < len(host) <= _LONGEST_HOST and host.isprintable() and "/" not in host else None


def _first(nodes: str) -> str:
    """Return the first of `n[01-03,7],login2`: in each pair of brackets the first number stands first."""
    first, rest = "", nodes[: 4 * _LONGEST_HOST]
    while rest:
        before, bracket, inside = rest.partition("[")
        name, comma, _others = before.partition(",")
        first += name
        if comma or not bracket:
            return first
        numbers, _, rest = inside.partition("]")
        first += numbers.partition(",")[0].partition("-")[0]
    return first
