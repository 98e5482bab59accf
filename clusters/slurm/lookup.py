"""PURE. What became of submissions whose answer was lost: the traces in the account's home, and SLURM's own memory."""

from collections.abc import Collection, Sequence
from contextlib import suppress

from clusters import bounds
from clusters.bounds import number
from clusters.errors import Failed
from clusters.slurm.listings import checked
from clusters.slurm.sbatch import (
    NO_JOB,
    Accepted,
    NotSubmitted,
    Rejected,
    accepted,
    is_open,
    jobs_of_tokens,
    jobs_of_tokens_elsewhere,
    lines_by_cluster,
    was_ended,
)
from clusters.slurm.shell import Section


def parse_lookup(
    tokens: Sequence[str], sections: list[Section], *, sbatch_is_over: bool
) -> dict[str, Accepted | Rejected | NotSubmitted]:
    """Return what became of the submissions `tokens` by the agent's answer to `look_up`.

    Those of which nothing is certain yet are left out. `sbatch_is_over`: none of them can still be running sbatch.
    Raises Failed unless squeue and sacct have both answered.
    """
    if len(sections) != 2 * len(tokens) + 2:
        raise Failed("the search for lost submissions did not end")
    squeue, sacct = sections[-2:]
    jobs = jobs_of_tokens(tokens, checked([squeue], "squeue"), checked([sacct], "sacct"))
    traces = zip(sections[:-2:2], sections[1:-2:2], strict=True)
    outcomes = {
        token: Accepted(jobs[token])
        if token in jobs
        else _outcome(token, trace.text, error.text, sbatch_is_over=sbatch_is_over)
        for token, (trace, error) in zip(tokens, traces, strict=True)
    }
    return {token: outcome for token, outcome in outcomes.items() if outcome}


def parse_lookup_elsewhere(tokens: Collection[str], sections: Sequence[Section]) -> dict[str, Accepted]:
    """Return the jobs of `tokens` that controllers of all clusters, or accounting, know. Raises Failed, Malformed."""
    by_cluster = lines_by_cluster(checked(sections, "squeue -M all"))
    for line in checked(sections[1:], "sacct -L").split("\n"):
        cluster, _, rest = line.partition("|")
        by_cluster.setdefault(cluster, []).append(rest)
    return jobs_of_tokens_elsewhere(tokens, by_cluster)


def _outcome(token: str, trace: str, error: str, *, sbatch_is_over: bool) -> Accepted | Rejected | NotSubmitted | None:
    """Return the outcome of a submission that SLURM does not know; None where it is open.

    `trace`: `fenced`, `claimed` or `nowhere`, and what sbatch has printed. `error`: its errors.
    """
    if trace.startswith("fenced"):
        return NotSubmitted()
    jobs = accepted(trace)
    status = _noted_status(token, trace)
    if len(jobs) == 1 and status in {0, None}:
        return jobs[0]
    if status and not jobs and error and not was_ended(status) and not is_open(error):
        return Rejected(status, "", error)
    if not sbatch_is_over:
        return None
    return Rejected(0, "", error, NO_JOB) if status == 0 and not jobs else NotSubmitted(error)


def _noted_status(token: str, trace: str) -> int | None:
    """Return the exit status of sbatch that the agent has noted, in a line with its marker; None where it has not."""
    marker = f"--{token}-- "
    for line in trace.split("\n"):
        if line.startswith(marker):
            with suppress(ValueError):
                return number(line.removeprefix(marker), bounds.STATUS)
    return None
