"""Trying a cluster, in words for people: what `pingcluster` prints and the admin's connection test shows."""

import time

from clusters import gateway
from clusters.calls import login_limits
from clusters.errors import Failed
from clusters.models import Cluster


def ping(cluster: Cluster, account: str) -> str:
    """Ask SLURM as `account`, or as the poll account; without either, go as far as one can.

    Raises ClusterError: Failed also where SLURM calls the cluster otherwise than its row says.
    """
    account = account or cluster.poll_account
    return _as_account(cluster, account) if account else _greeting(cluster)


def _as_account(cluster: Cluster, account: str) -> str:
    login_limits.forget_refusals(cluster.endpoint, account)  # whoever tries may have mended it
    gateway.ping(cluster, account)  # connects
    begin = time.perf_counter()
    version, controller = gateway.ping(cluster, account)
    took = (time.perf_counter() - begin) * 1000
    return f"{version} answers {account} in {took:.1f} ms (two commands); {controller}; {_name(cluster, account)}"


def _name(cluster: Cluster, account: str) -> str:
    name = gateway.slurm_name(cluster, account)
    if cluster.slurm_name and not cluster.is_slurms(name):
        raise Failed(f"SLURM calls this cluster {name}, and its slurm_name here is {cluster.slurm_name}")
    known = cluster.is_slurms(name)
    return f"SLURM calls it {name}" if known else f"SLURM calls it {name}: enter that as its slurm_name"


def _greeting(cluster: Cluster) -> str:
    """The connection and the host key."""
    begin = time.perf_counter()
    gateway.check_host_key(cluster)
    took = (time.perf_counter() - begin) * 1000
    return f"the login node shows its pinned key within {took:.1f} ms; name an account to ask SLURM"
