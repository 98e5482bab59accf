"""PURE. What became of a submission, by what sbatch has printed and by what SLURM says of its token.

What is printed is the word of a login, read as in `clusters.slurm.listings`: within bounds, by scans of linear time.
Sources: the manual pages of sbatch, scontrol, squeue and sacct; what SLURM 20.11 to 26.05 has printed.
"""

import string
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from clusters import bounds
from clusters.bounds import number
from clusters.errors import Malformed
from clusters.slurm.listings import checked
from clusters.slurm.shell import Section

_TIMED_OUT = 124  # exit status of timeout(1) of coreutils
# 128 and the number of a signal (signal(7)), in ksh 256 and that. sbatch itself ends with up to 255.
_BY_A_SIGNAL = (range(129, 193), range(257, 321))
_LISTINGS = 2  # of the account's jobs: on the login node's own cluster, and on all clusters
# Errors of communication with the controller, which leave open whether it got the job (slurm_errno.h).
_OPEN_ERRORS = (
    "timed out", "unable to contact", "connect failure", "zero bytes", "connection refused", "communication",
    "transport", "unexpected message", "send failure", "receive failure", "not responding",
)  # fmt: skip

_CLUSTER = "CLUSTER: "  # stands before a cluster's name in what squeue prints of several
_NAME_CHARACTERS = frozenset(string.ascii_letters + string.digits + "._-")
_LONGEST_NAME = 64  # characters of a cluster's name; SLURM takes 40

NO_JOB = "sbatch ended without submitting a job"


@dataclass(frozen=True)
class Accepted:
    """A submission that has a job: on `cluster` (SLURM's name), or where that is empty on the login node's own."""

    job: int
    cluster: str = ""


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


def parse_submission(token: str, sections: list[Section]) -> Accepted | Rejected:
    """Return the outcome of the submission `token` by the agent's `sections` behind the one that says that it began.

    These are: what sbatch has printed, which may be all; its errors; if it told an id, what scontrol says of that job;
    if it told none and no error, two listings of the account's jobs, those of the login node's own cluster and those of
    every cluster. Raises Malformed where the outcome cannot be told from that: there may be a job.
    """
    if not sections:
        raise Malformed("sbatch did not end")
    sbatch, *rest = sections
    jobs = accepted(sbatch.text)
    if sbatch.status == 0 and len(jobs) == 1:
        return jobs[0]
    errors = rest[0].text if rest else ""
    if len(jobs) == 1 and len(rest) > 1 and token in rest[1].text:
        return jobs[0]  # whatever sbatch says, SLURM has a job of this token
    if (sbatch.status == 0 and not may_name_a_job(sbatch.text)) or (len(rest) == 1 + _LISTINGS and not jobs):
        return _by_listings(token, sbatch, errors, rest[1:])
    if not jobs and sbatch.status != 0 and not was_ended(sbatch.status) and not is_open(sbatch.text + errors):
        return Rejected(sbatch.status, *_streams(sbatch.text, errors))
    raise Malformed(f"sbatch ended with {sbatch.status} and printed {sbatch.text[:300]!r}, {errors[:300]!r}")


def _by_listings(token: str, sbatch: Section, errors: str, listings: list[Section]) -> Accepted | Rejected:
    """Return the outcome of a submission of which sbatch told neither an id nor an error: the controllers know it."""
    if len(listings) != _LISTINGS or any(listing.status != 0 for listing in listings):
        raise Malformed(f"sbatch told no id, and the controllers did not answer: {errors[:300]!r}")
    own_cluster, all_clusters = listings
    if jobs := jobs_of_tokens([token], own_cluster.text):
        return Accepted(jobs[token])
    if elsewhere := jobs_of_tokens_elsewhere([token], lines_by_cluster(all_clusters.text)):
        return elsewhere[token]
    if was_ended(sbatch.status):
        raise Malformed(f"sbatch was ended with {sbatch.status}, and may have reached the controller")
    return Rejected(sbatch.status, *_streams(sbatch.text, errors), NO_JOB)


def was_ended(status: int) -> bool:
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
    return 0 < len(text) <= _LONGEST_NAME and _NAME_CHARACTERS.issuperset(text) and not text.startswith("-")


def parse_name(sections: Iterable[Section]) -> str:
    """Return what `scontrol show config` says the cluster is called. Raises Failed, Malformed."""
    for line in checked(sections, "scontrol").split("\n"):
        key, _, value = line.partition("=")
        if key.strip(" ") == "ClusterName" and is_name(name := value.strip(" ")):
            return name
    raise Malformed("scontrol show config tells no ClusterName")


def may_name_a_job(output: str) -> bool:
    """Return whether the agent has seen an id in what sbatch has printed: a line that begins with a digit."""
    lines = "\n" + output
    return any(f"\n{digit}" in lines for digit in string.digits)


def is_open(errors: str) -> bool:
    """Return whether sbatch's `errors` leave open whether there is a job: those of communication do."""
    lowered = errors.lower()
    return any(error in lowered for error in _OPEN_ERRORS)


def _streams(output: str, errors: str) -> tuple[str, str]:
    """Return sbatch's output and its errors, which come together where no file could take the errors apart."""
    return (output.removesuffix("\n"), errors) if errors else ("", output)


def lines_by_cluster(text: str) -> dict[str, list[str]]:
    """Return squeue's lines by their cluster, whose name is on a line before them."""
    lines: dict[str, list[str]] = {}
    cluster = ""
    for line in text.split("\n"):
        if line.startswith(_CLUSTER):
            cluster = line.removeprefix(_CLUSTER)
        else:
            lines.setdefault(cluster, []).append(line)
    return lines


def jobs_of_tokens_elsewhere(tokens: Collection[str], by_cluster: Mapping[str, list[str]]) -> dict[str, Accepted]:
    """Return the jobs of `tokens`, by `jobs_of_tokens`, in the lines of each cluster that has a name."""
    return {
        token: Accepted(job, cluster)
        for cluster, lines in by_cluster.items()
        if is_name(cluster)
        for token, job in jobs_of_tokens(tokens, "\n".join(lines)).items()
    }


def jobs_of_tokens(tokens: Collection[str], *outputs: str) -> dict[str, int]:
    """Return the ids of the jobs that SLURM has of `tokens`.

    `outputs` have lines `ID|COMMAND`, and a token is a directory in the command's path. Raises Malformed where the id
    of such a line is none.
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
