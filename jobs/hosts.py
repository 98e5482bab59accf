"""The clusters by the names that callers give, kept in memory, and checked when a submission is registered.

Each submission names a cluster, and clusters change about once a month. Reading the row took half a millisecond of each
POST. Now the statement that registers a submission checks that the row is still the one that was read.
"""

from dataclasses import dataclass

from django.db import connection

from clusters.models import Cluster

_MOST = 256  # names; a caller may write one in many ways, as in ZEUS and Zeus
_VERSIONS = "SELECT id, ctid::text, xmin::text FROM clusters_cluster"


class Changed(Exception):
    """The row of a cluster has changed or is gone; it is no longer kept in memory."""


@dataclass(frozen=True)
class Host:
    """A cluster as its row was, and which version of it (PostgreSQL's manual, 5.5 System Columns).

    `ctid` and `xmin` together identify one version: each change of a row makes a new one at another place, and what is
    written there later has another transaction's number.
    """

    cluster: Cluster
    ctid: str
    xmin: str


_known: dict[str, Host] = {}


def get_host(name: str) -> Host | None:
    """Return the cluster of that name or alias, in any case, or None. Its row may have changed since."""
    if host := _known.get(name):
        return host
    with connection.cursor() as cursor:
        cursor.execute(_VERSIONS)  # before the rows: a version that is too old is noticed, a too new one would not be
        versions = {pk: version for pk, *version in cursor.fetchall()}
    cluster = Cluster.named(name)
    if cluster is None or cluster.pk not in versions:
        return None
    host = Host(cluster, *versions[cluster.pk])
    if cluster.enabled:  # for a disabled one nothing is registered, which would notice that it is enabled again
        if len(_known) >= _MOST:
            _known.clear()
        _known[name] = host
    return host


def forget(host: Host) -> None:
    """Forget the row of `host` under each of its names: it is read again when it is asked for next."""
    for name, known in [*_known.items()]:
        if known.cluster.pk == host.cluster.pk:
            _known.pop(name, None)
