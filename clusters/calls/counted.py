"""What every call of a cluster passes through: it gives its database connection back, and it is counted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from clusters.calls.database import release_connection
from clusters.models import Cluster
from clusters.ssh import metrics

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def call(cluster: Cluster, verb: str) -> Iterator[None]:
    """Give the thread's database connection back, and count one call of `cluster`, which lasts as long as the block.

    A cluster may take as long as its time-outs allow; whoever waits for it must not keep others from the database.
    """
    release_connection()
    with metrics.counted(cluster.name, verb):
        yield


def remote(verb: str) -> Callable[[Callable[Concatenate[Cluster, P], T]], Callable[Concatenate[Cluster, P], T]]:
    """Decorate a function whose first argument is the cluster: each call of it passes through `call` as `verb`.

    The name is the label of the metrics and stays when the function is renamed.
    """

    def decorated(function: Callable[Concatenate[Cluster, P], T]) -> Callable[Concatenate[Cluster, P], T]:
        @wraps(function)
        def calling(cluster: Cluster, /, *args: P.args, **kwargs: P.kwargs) -> T:
            with call(cluster, verb):
                return function(cluster, *args, **kwargs)

        return calling

    return decorated
