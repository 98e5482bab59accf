"""How a login node is asked: one request to an agent of the account, on a warm connection."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from clusters.calls import pool
from clusters.errors import Interrupted, Malformed, Silent
from clusters.models import Cluster
from clusters.remote import Request
from clusters.ssh.agent import LIMIT, Agent, AgentSettings, Reply

log = structlog.get_logger(__name__)

_SILENCE_BEFORE_PROBE = 5.0  # seconds without an answer, after which the connection has to show that it is alive


def setting(cluster: Cluster) -> AgentSettings:
    """Return what the agents of `cluster` are started with."""
    return AgentSettings(cluster.slurm_bin, tuple(cluster.environment.items()))


@contextmanager
def caller(cluster: Cluster, account: str) -> Iterator[None]:
    """Count a caller whose question may be part of another caller's request. Raises Busy where there are too many."""
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
    """Return the answer of an agent of `account` to `request`; of its bytes, `limit` are kept.

    Every verb but `submit` may be asked twice, and is where the connection was lost or the agent was ended: that may
    have happened earlier, unnoticed. `patience` and `counted`: as for `agent`. Raises Unreachable, Refused, TimedOut,
    Interrupted; Malformed where the agent ends instead.
    """
    try:
        return _ask_once(cluster, account, request, limit, patience=patience, counted=counted)
    except (Interrupted, Silent, _Ended) as exc:
        log.info("asked-again", verb=request.verb, cluster=cluster.name, account=account, error=str(exc))
    return _ask_once(cluster, account, request, limit, patience=patience, counted=counted)


class _Ended(Malformed):
    """The agent was ended before it had answered."""


def _ask_once(
    cluster: Cluster, account: str, request: Request, limit: int, *, patience: float | None, counted: bool
) -> Reply:
    timeout = cluster.command_timeout
    with agent(cluster, account, patience=patience, counted=counted) as lent:
        deadline = time.monotonic() + timeout
        lent.send(request, timeout=timeout, limit=limit)
        if not lent.has_replied(min(_SILENCE_BEFORE_PROBE, timeout)) and not lent.is_connected():
            raise Silent(f"the login node has said nothing for {_SILENCE_BEFORE_PROBE:g} s, and does not answer")
        reply = lent.reply(deadline, timeout)
    if reply.ended:
        raise _Ended(f"the agent on the login node was ended by {reply.ended} before it had answered")
    return reply
