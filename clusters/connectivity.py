"""The connection test of a cluster: what `pingcluster` prints and the admin shows."""

import time

from clusters import gateway
from clusters.calls import login_limits
from clusters.errors import Failed
from clusters.models import Cluster


def ping(cluster: Cluster, account: str) -> str:
    """Ask SLURM as `account`, or else as the poll account, and return a sentence; without either, compare the host key.

    Raises ClusterError; Failed also where SLURM's name of the cluster is not the one that its row has.
    """
    account = account or cluster.poll_account
    return _ping_as(cluster, account) if account else _check_host_key(cluster)


def _ping_as(cluster: Cluster, account: str) -> str:
    login_limits.forget_refusals(cluster.endpoint, account)  # whoever tries may have mended it
    gateway.ping(cluster, account)  # connects
    begin = time.perf_counter()
    version, controller = gateway.ping(cluster, account)
    milliseconds = (time.perf_counter() - begin) * 1000
    name = _check_name(cluster, account)
    return f"{version} answers {account} in {milliseconds:.1f} ms (two commands); {controller}; {name}"


def _check_name(cluster: Cluster, account: str) -> str:
    name = gateway.slurm_name(cluster, account)
    if cluster.slurm_name and not cluster.is_slurms(name):
        raise Failed(f"SLURM calls this cluster {name}, and its slurm_name here is {cluster.slurm_name}")
    known = cluster.is_slurms(name)
    return f"SLURM calls it {name}" if known else f"SLURM calls it {name}: enter that as its slurm_name"


def _check_host_key(cluster: Cluster) -> str:
    begin = time.perf_counter()
    gateway.check_host_key(cluster)
    milliseconds = (time.perf_counter() - begin) * 1000
    return f"the login node shows its pinned key within {milliseconds:.1f} ms; name an account to ask SLURM"
