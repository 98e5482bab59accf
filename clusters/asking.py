"""How a login node is asked: one request to an agent of the account, on a warm connection."""

from collections.abc import Iterator
from contextlib import contextmanager

from clusters import pool
from clusters.agent import LIMIT, Agent, Reply, Setting
from clusters.errors import Malformed
from clusters.models import Cluster
from clusters.remote import Request


def setting(cluster: Cluster) -> Setting:
    """Return what the agents of `cluster` are started with."""
    return Setting(cluster.slurm_bin, tuple(cluster.environment.items()))


@contextmanager
def agent(cluster: Cluster, account: str) -> Iterator[Agent]:
    """Lend an agent of `account` on the login node of `cluster`. Raises Unreachable or Refused: nothing was asked."""
    timeout = cluster.command_timeout
    with pool.current().agent(cluster.endpoint, account, setting(cluster), timeout=timeout) as lent:
        yield lent


def ask(cluster: Cluster, account: str, request: Request, *, limit: int = LIMIT) -> Reply:
    """Have an agent of `account` answer `request`, whose whole answer is at most `limit` bytes, or is cut.

    Raises Unreachable, Refused, TimedOut, Interrupted; Malformed where the agent ends instead.
    """
    with agent(cluster, account) as lent:
        reply = lent.ask(request, timeout=cluster.command_timeout, limit=limit)
    if reply.ended:
        raise Malformed(f"the agent on the login node was ended by {reply.ended} before it had answered")
    return reply
