"""What is counted here for monitoring: each call of a cluster, and the SSH sessions of this process."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from prometheus_client import Counter, Histogram

from clusters.errors import ClusterError
from clusters.models import Cluster

P = ParamSpec("P")
T = TypeVar("T")

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


@contextmanager
def call(cluster: Cluster, verb: str) -> Iterator[None]:
    """Count one call, for as long as the block takes."""
    began = time.perf_counter()
    try:
        yield
    except ClusterError as exc:
        _FAILURES.labels(cluster.name, verb, type(exc).__name__).inc()
        raise
    finally:
        _CALLS.labels(cluster.name, verb).observe(time.perf_counter() - began)


def counted(verb: Callable[Concatenate[Cluster, P], T]) -> Callable[Concatenate[Cluster, P], T]:
    """Count each call of `verb`, under its name."""

    @wraps(verb)
    def counting(cluster: Cluster, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with call(cluster, verb.__name__):
            return verb(cluster, *args, **kwargs)

    return counting
