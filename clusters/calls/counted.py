"""What every call of a cluster passes through: it holds no database connection while it waits, and it is counted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from clusters import metrics
from clusters.database import release_connection
from clusters.models import Cluster

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def call(cluster: Cluster, verb: str) -> Iterator[None]:
    """Give the thread's database connection to others, and count one call of `cluster` for as long as the block takes.

    A cluster may take as long as its time-outs allow; whoever waits for it must not keep others from the database.
    """
    release_connection()
    with metrics.counted(cluster.name, verb):
        yield


def remote(verb: Callable[Concatenate[Cluster, P], T]) -> Callable[Concatenate[Cluster, P], T]:
    """Have each call of `verb`, whose first argument is the cluster, pass through `call` under the verb's name."""

    @wraps(verb)
    def calling(cluster: Cluster, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with call(cluster, verb.__name__):
            return verb(cluster, *args, **kwargs)

    return calling
