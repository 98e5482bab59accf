"""What is counted for monitoring: each call of a cluster, and those that failed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Histogram

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


@contextmanager
def counted(cluster: str, verb: str) -> Iterator[None]:
    """Count one call of the cluster called `cluster`, for as long as the block takes."""
    began = time.perf_counter()
    try:
        yield
    except ClusterError as exc:
        _FAILURES.labels(cluster, verb, type(exc).__name__).inc()
        raise
    finally:
        _CALLS.labels(cluster, verb).observe(time.perf_counter() - began)
