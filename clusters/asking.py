"""How a login node is asked: one request to an agent of the account, on a warm connection."""

from collections.abc import Iterator
from contextlib import contextmanager

from clusters import pool
from clusters.agent import LIMIT, Agent, Reply, Setting
from clusters.errors import Interrupted, Silent
from clusters.models import Cluster
from clusters.remote import Request


def setting(cluster: Cluster) -> Setting:
    """Return what the agents of `cluster` are started with."""
    return Setting(cluster.slurm_bin, tuple(cluster.environment.items()))


@contextmanager
def caller(cluster: Cluster, account: str) -> Iterator[None]:
    """Count a caller whose question may be asked in the request of another one. Raises Busy."""
    with pool.current().caller(cluster.endpoint, account):
        yield


@contextmanager
def agent(cluster: Cluster, account: str, *, patience: float | None = None, counted: bool = False) -> Iterator[Agent]:
    """Lend an agent of `account` on the login node of `cluster`. Raises Unreachable or Refused: nothing was asked.

    `patience`: seconds in which one of the account's channels has to be free; by default those of a command. `counted`:
    for a `caller`.
    """
    with pool.current().agent(
        cluster.endpoint,
        account,
        setting(cluster),
        timeout=cluster.command_timeout,
        patience=patience,
        counted=counted,
    ) as lent:
        yield lent


def ask(
    cluster: Cluster,
    account: str,
    request: Request,
    *,
    limit: int = LIMIT,
    patience: float | None = None,
    counted: bool = False,
) -> Reply:
    """Have an agent of `account` answer `request`, whose whole answer is at most `limit` bytes, or is cut.

    `patience` and `counted`: as for `agent`. Where the connection turns out to be dead, or the agent ends, the request
    is made once more: only requests that may be made twice come here. Raises Unreachable, Refused, TimedOut,
    Interrupted, Malformed.
    """
    try:
        return _asked(cluster, account, request, limit, patience, counted=counted)
    except (Silent, Interrupted):
        return _asked(cluster, account, request, limit, patience, counted=counted)


def _asked(
    cluster: Cluster, account: str, request: Request, limit: int, patience: float | None, *, counted: bool
) -> Reply:
    with agent(cluster, account, patience=patience, counted=counted) as lent:
        reply = lent.ask(request, timeout=cluster.command_timeout, limit=limit)
    if reply.ended:
        raise Interrupted(f"the agent on the login node was ended by {reply.ended} before it had answered")
    return reply
