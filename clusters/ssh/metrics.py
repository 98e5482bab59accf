"""What is counted for monitoring: each call of a cluster and its failures, and the SSH connections of this process.

The gauges of all living processes are added up.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

from clusters.errors import ClusterError

_CALLS = Histogram(
    "submitter_cluster_call_seconds",
    "Calls of a cluster over SSH, answered or not",
    ["cluster", "verb"],
    buckets=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60],
)
_FAILURES = Counter(
    "submitter_cluster_call_failures",
    "Calls of a cluster that failed: Unreachable, Refused, TimedOut, ...",
    ["cluster", "verb", "kind"],
)

SESSIONS = Gauge("submitter_ssh_sessions", "Sessions kept, one for each account and node", multiprocess_mode="livesum")
BUSY = Gauge("submitter_ssh_sessions_busy", "Sessions with a caller, the others are idle", multiprocess_mode="livesum")
CALLERS = Gauge("submitter_ssh_callers", "Callers at work or waiting", multiprocess_mode="livesum")
STANDBY = Gauge("submitter_ssh_standby", "Agents that wait for a request", multiprocess_mode="livesum")
WAITS = Histogram(
    "submitter_ssh_wait_seconds",
    "How long callers waited for an agent or a channel",
    buckets=[0.001, 0.005, 0.02, 0.1, 0.5, 1, 5, 10, 30],
)


def count_failure(cluster: str, verb: str, error: ClusterError) -> None:
    """Count a call of the cluster called `cluster` that has failed by `error`."""
    _FAILURES.labels(cluster, verb, type(error).__name__).inc()


@contextmanager
def counted(cluster: str, verb: str) -> Iterator[None]:
    """Count one call of the cluster called `cluster`, for as long as the block takes."""
    began = time.perf_counter()
    try:
        yield
    except ClusterError as exc:
        count_failure(cluster, verb, exc)
        raise
    finally:
        _CALLS.labels(cluster, verb).observe(time.perf_counter() - began)


def entered(sessions: int, callers: int) -> None:
    """Count a caller in, who is one of `callers` of a session; there are `sessions` now."""
    SESSIONS.set(sessions)
    CALLERS.inc()
    if callers == 1:
        BUSY.inc()


def left(callers: int) -> None:
    """Count a caller out; `callers` of its session are left."""
    CALLERS.dec()
    if callers == 0:
        BUSY.dec()
