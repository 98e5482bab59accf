"""Trying a cluster, in words for people: what `pingcluster` prints and the admin's connection test shows."""

import time

from clusters import gateway, logins
from clusters.models import Cluster


def ping(cluster: Cluster, account: str) -> str:
    """Ask SLURM as `account`, or as the poll account; without either, go as far as one can. Raises ClusterError."""
    account = account or cluster.poll_account
    return _as_account(cluster, account) if account else _greeting(cluster)


def _as_account(cluster: Cluster, account: str) -> str:
    logins.forget(cluster.endpoint, account)  # whoever tries may have mended it
    gateway.ping(cluster, account)  # connects
    begin = time.perf_counter()
    version, controller = gateway.ping(cluster, account)
    took = (time.perf_counter() - begin) * 1000
    return f"{version} answers {account} in {took:.1f} ms (two commands); {controller}"


def _greeting(cluster: Cluster) -> str:
    """The connection and the host key."""
    begin = time.perf_counter()
    gateway.greet(cluster)
    took = (time.perf_counter() - begin) * 1000
    return f"the login node shows its pinned key within {took:.1f} ms; name an account to ask SLURM"
