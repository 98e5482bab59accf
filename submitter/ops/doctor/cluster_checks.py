"""Each cluster, tried as the service uses it: connection, host key, login, sbatch, squeue, sacct."""

import re
from collections.abc import Iterator
from functools import partial

from clusters import gateway
from clusters.connectivity import ping
from clusters.errors import ClusterError, Refused, TimedOut, Unreachable
from clusters.models import Cluster
from submitter.ops.doctor.finding import Finding, Level, tried

_OPENSSH = re.compile(r"SSH-2\.0-OpenSSH_([0-9]{1,3})\.([0-9]{1,3})")
_WITH_PENALTIES = (9, 8)

_REMEDIES: dict[type[ClusterError], str] = {
    Unreachable: "compare address, port and host keys with the cluster's page in the admin; is a firewall in between?",
    Refused: "the login node needs the SSH CA in TrustedUserCAKeys, and has to know the account",
    TimedOut: "is the login node overloaded? command_timeout of the cluster may be too short",
    ClusterError: "compare slurm_bin and environment (SLURM_CONF) of the cluster with its login node",
}


def look() -> Iterator[Finding]:
    """Try every cluster that is enabled."""
    clusters = list(Cluster.objects.all())
    if not clusters:
        remedy = "register one in the admin, or with `manage.py loadclusters FILE`"
        yield Finding(Level.FAIL, "clusters", "none is registered", remedy)
    for cluster in clusters:
        yield from tried(f"cluster {cluster}", partial(_try, cluster)) if cluster.enabled else [_disabled(cluster)]


def _disabled(cluster: Cluster) -> Finding:
    message = f"disabled: {cluster.disabled_message or 'users are told that the host is not known'}"
    return Finding(Level.NOTE, f"cluster {cluster}", message, "enable it in the admin when it is back")


def _try(cluster: Cluster) -> Iterator[Finding]:
    name = f"cluster {cluster}"
    try:
        yield Finding(Level.OK, name, ping(cluster, ""))
        yield from _penalties(name, gateway.check_host_key(cluster))
        if cluster.poll_account:
            yield Finding(Level.OK, name, _ask(cluster))
    except ClusterError as exc:
        remedy = next(advice for kind, advice in _REMEDIES.items() if isinstance(exc, kind))
        yield Finding(Level.FAIL, name, f"{type(exc).__name__}: {exc}", remedy)


def _penalties(name: str, server: str) -> Iterator[Finding]:
    """Tell of a server that drops addresses from which logins fail: whether it exempts this one, it alone knows."""
    version = _OPENSSH.match(server)
    if version and (int(version[1]), int(version[2])) >= _WITH_PENALTIES:
        message = f"its server is OpenSSH {version[1]}.{version[2]}, which drops addresses from which logins fail"
        remedy = "name this machine in PerSourcePenaltyExemptList in the sshd_config of the login node"
        yield Finding(Level.NOTE, name, message, remedy)


def _ask(cluster: Cluster) -> str:
    """Ask the controller and accounting, as a poll does. Raises ClusterError."""
    with gateway.poll_session(cluster, cluster.poll_account, everybody=True) as session:
        jobs = session.queue()
        history = session.history([1], 60)
    if history.error:
        raise history.error
    count = len(jobs.records)
    return f"squeue tells {cluster.poll_account} of {count} job{'s' * (count != 1)}, sacct answers"
