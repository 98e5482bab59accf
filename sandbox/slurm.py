"""One SLURM cluster: its slurm.conf, its controller and its worker nodes."""

import functools
import os

from sandbox.clusters import CPUS, Cluster
from sandbox.commands import CommandFailed, run, succeeds
from sandbox.hostname import host
from sandbox.layout import Layout, own, write
from sandbox.programs import Program

USER = "slurm"
"""Made by Debian's package; slurmctld and slurmdbd run as it, slurmd must be root to become the jobs' owners."""

JOB_AGE_VARIABLE = "SANDBOX_MIN_JOB_AGE"
"""Set it for `up` to let the controllers forget ended jobs sooner (seconds; SLURM refuses less than 2)."""


def configuration(cluster: Cluster, layout: Layout, ports: dict[str, int]) -> str:
    """Return the cluster's slurm.conf (see slurm.conf(5))."""
    here = host()
    directory = cluster.directory(layout)
    return f"""# Made by `make up`, and made again at the next one.
ClusterName={cluster.name}
SlurmctldHost={here.name}({here.address})
SlurmctldPort={ports[f"{cluster.name}-slurmctld"]}
SlurmUser={USER}
AuthType=auth/munge
AuthInfo=socket={munge_socket(layout)}
CredType=cred/munge
StateSaveLocation={directory}/state
SlurmdSpoolDir={layout.spool}/%n
SlurmctldPidFile={directory}/state/slurmctld.pid
SlurmdPidFile={layout.spool}/%n.pid
# Without these the daemons listen on every address of the machine.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny

# Neither cgroups nor systemd, so that a container is enough.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
# A user's mail options are accepted, and no mail leaves the machine.
MailProg=/bin/true

SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
# The defaults think in minutes; people who watch a demo and tests do not.
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
MinJobAge={os.environ.get(JOB_AGE_VARIABLE, "300")}
FirstJobId={cluster.first_job}
MaxJobCount=200000
MaxArraySize=100001
KillWait=3
OverTimeLimit=0
ReturnToService=2
# A request that no partition can ever satisfy is refused by sbatch, not queued for good.
EnforcePartLimits=ALL
{"PrivateData=jobs" if cluster.private else "# Everybody sees everybody's jobs."}

AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={here.address}
AccountingStoragePort={ports["slurmdbd"]}
# SLURM's own way to say it: where munge's socket for slurmdbd is, AuthInfo being for the controller only.
AccountingStoragePass={munge_socket(layout)}
AccountingStorageEnforce=associations
AccountingStoreFlags=job_comment,job_script

# A node may claim more processors than the machine has. Jobs fill the first before they go to the second.
SlurmdParameters=config_overrides
{_nodes(cluster, ports)}
PartitionName=plgrid Nodes=ALL Default=YES DefaultTime=01:00:00 MaxTime=3-00:00:00 State=UP
"""


def _nodes(cluster: Cluster, ports: dict[str, int]) -> str:
    """Return the worker nodes' lines of slurm.conf; the lighter weight is filled first."""
    here = f"NodeHostname={host().name} NodeAddr={host().address}"
    size = f"CPUs={CPUS} Sockets=1 CoresPerSocket={CPUS} ThreadsPerCore=1 RealMemory={CPUS * 4096}"
    return "\n".join(
        f"NodeName={node} {here} Port={ports[process]} {size} Weight={weight} State=UNKNOWN"
        for weight, (process, node) in enumerate(cluster.workers.items(), start=1)
    )


def munge_socket(layout: Layout) -> str:
    """Return the path of munged's socket."""
    return str(layout.run / "munge" / "munge.sock")


def prepare(cluster: Cluster, layout: Layout, ports: dict[str, int]) -> None:
    """Make the cluster's directories and the files that every account may read: slurm.conf and its companion."""
    directory = own(cluster.directory(layout), USER, 0o755)
    own(directory / "state", USER, 0o700)
    own(layout.spool, "root", 0o755)
    write(cluster.slurm_conf(layout), configuration(cluster, layout, ports))
    # Nothing here uses cgroups, but left to itself slurmd looks for a version: it stops where none is mounted, and asks
    # systemd for a scope where version 2 is. The plugin of version 1 does nothing until it is asked to.
    write(directory / "cgroup.conf", "CgroupPlugin=cgroup/v1\n")


def controller(cluster: Cluster, layout: Layout) -> Program:
    """Return slurmctld's program."""
    conf = cluster.slurm_conf(layout)
    environment = cluster.environment(layout)
    return Program(
        name=f"{cluster.name}-slurmctld",
        command=("/usr/sbin/slurmctld", "-D", "-f", str(conf)),
        user=USER,
        ready=lambda: succeeds(["scontrol", "ping"], env=environment),
        environment=environment,
        inputs=(conf,),
        prefix=host().prefix,
    )


def workers(cluster: Cluster, layout: Layout) -> list[Program]:
    """Return the slurmd programs. Stopping one leaves its running jobs alone, as on a real node."""
    conf = cluster.slurm_conf(layout)
    environment = cluster.environment(layout)
    return [
        Program(
            name=process,
            command=("/usr/sbin/slurmd", "-D", "-N", node, "-f", str(conf)),
            user="root",
            ready=functools.partial(_takes_jobs, node, environment),
            environment=environment,
            inputs=(conf, conf.with_name("cgroup.conf")),
            prefix=host().prefix,
        )
        for process, node in cluster.workers.items()
    ]


def _takes_jobs(node: str, environment: dict[str, str]) -> bool:
    """Say whether the controller counts the node as usable; a `*` behind the state means that it does not answer."""
    try:
        state = run(["sinfo", "-h", "-N", "-n", node, "-o", "%T"], env=environment, timeout=10)
    except CommandFailed:
        return False
    return state.strip() in {"idle", "mixed", "allocated", "completing", "planned"}
