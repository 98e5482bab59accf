"""Submissions whose answer was lost: what became of them, and that none which is missing can still be made."""

from collections.abc import Sequence

from django.conf import settings

from clusters.calls import asking
from clusters.calls.counted import remote
from clusters.errors import Malformed
from clusters.models import Cluster
from clusters.remote import Request
from clusters.slurm import lookup
from clusters.slurm.sbatch import Accepted, NotSubmitted, Rejected
from clusters.slurm.shell import Section


@remote("lookup")
def find_lost_submissions(
    cluster: Cluster, account: str, tokens: Sequence[str], since: int, *, sbatch_is_over: bool
) -> dict[str, Accepted | Rejected | NotSubmitted]:
    """Return what became of submissions of `account`, begun at most `since` seconds ago, by their `tokens`.

    Those of which nothing is certain yet are left out, and what is found missing cannot be submitted later.
    `sbatch_is_over`: none of them can still be running sbatch. Raises Unreachable, Refused, TimedOut, Failed,
    Malformed.
    """
    sections = _ask(cluster, account, Request("look_up", (since, account), " ".join(tokens)))
    outcomes = lookup.parse_lookup(tokens, sections, sbatch_is_over=sbatch_is_over)
    missing = [token for token, outcome in outcomes.items() if not isinstance(outcome, Accepted)]
    return outcomes | _find_elsewhere(cluster, account, missing, since)


def _find_elsewhere(cluster: Cluster, account: str, tokens: Sequence[str], since: int) -> dict[str, Accepted]:
    """Return the jobs, of submissions that this cluster does not know, which sbatch has given to another cluster."""
    if not tokens:
        return {}
    sections = _ask(cluster, account, Request("look_up_elsewhere", (since, account)))
    return lookup.parse_lookup_elsewhere(tokens, sections)


def _ask(cluster: Cluster, account: str, request: Request) -> list[Section]:
    limit = settings.POLL_ANSWER_LIMIT_PER_ACCOUNT
    reply = asking.ask(cluster, account, request, limit=limit)
    if reply.truncated:
        raise Malformed(f"the search for lost submissions printed more than {limit} bytes")
    return reply.sections
