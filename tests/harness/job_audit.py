"""Counts SLURM's jobs against the registry's: what is lost, doubled or unknown."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.commands import CommandFailed, run
from tests.harness.waiting import eventually


@dataclass(frozen=True)
class Row:
    """What the registry says of one submission."""

    submission: str
    state: str  # PENDING, SUBMITTED, FAILED
    slurm_id: int | None


@dataclass
class Count:
    """Sentences on what is wrong. Lost: somebody was told of a job that SLURM does not have. Unknown: the reverse."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.lost or self.doubled or self.unknown)


def slurm_jobs(users: Iterable[str], slurm: Mapping[str, str]) -> dict[str, set[int]]:
    """Return SLURM's ids by the comment of the job, of all jobs of `users` that the controller or accounting knows."""
    names = ",".join(users)
    queue = run(["squeue", "-h", "-t", "all", "-u", names, "-o", "%A|%k"], env=slurm)
    since = ["-S", "now-2hours", "-u", names]
    history = eventually(lambda: _history(since, slurm), "accounting answers", seconds=60)
    found: dict[str, set[int]] = defaultdict(set)
    for line in queue.splitlines() + history.splitlines()[1:]:
        job, _, comment = line.partition("|")
        found[comment].add(int(job))
    return found


def _history(since: Sequence[str], slurm: Mapping[str, str]) -> str:
    """Return accounting's lines, nothing while it is away; never nothing otherwise, there being a header."""
    try:
        return run(["sacct", "-X", "-P", "-D", *since, "-o", "JobID,Comment"], env=slurm)
    except CommandFailed:
        return ""


def compare(told: Mapping[str, set[int]], rows: Mapping[str, list[Row]], jobs: Mapping[str, set[int]]) -> Count:
    """Compare, by tag: what callers were told (the ids of each 201), the registry, and SLURM."""
    count = Count()
    for tag, answered in told.items():
        held = jobs.get(tag, set())
        registered = {row.slurm_id for row in rows.get(tag, []) if row.state == "SUBMITTED"}
        if len(held) > 1:
            count.doubled.append(f"{tag}: {sorted(held)}")
        count.lost += [f"{tag}: {job} is not in SLURM" for job in registered - held if job]
        if answered - (held & registered):
            count.lost.append(f"{tag}: the answers said {answered}, SLURM has {held}, the registry {registered}")
        count.unknown += [f"{tag}: {job}, the registry has {rows.get(tag)}" for job in held - registered]
    return count
