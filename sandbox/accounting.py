"""What both clusters share: munge, slurmdbd, and the associations that let users submit."""

from pathlib import Path

from sandbox.accounts import OWNERS, POLLER
from sandbox.clusters import BOTH, ZEUS
from sandbox.commands import run, succeeds
from sandbox.databases import ACCOUNTING
from sandbox.hostname import host
from sandbox.layout import Layout, own, write
from sandbox.passwords import password
from sandbox.programs import Program
from sandbox.slurm import USER, munge_socket

GRANT = "plgtest"
"""The SLURM account that stands for a grant: `#SBATCH -A plgtest`."""


def munge(layout: Layout) -> Program:
    """Make munge's key if there is none, and return its program."""
    data = own(layout.data / "munge", "munge", 0o700)
    sockets = own(layout.run / "munge", "munge", 0o755)
    key = data / "munge.key"
    if not key.exists():
        run(["mungekey", "--create", f"--keyfile={key}"], user="munge")
    files = {"key-file": key, "seed-file": data / "munge.seed", "pid-file": sockets / "munged.pid"}
    socket = munge_socket(layout)
    return Program(
        name="munge",
        command=("/usr/sbin/munged", "--foreground", f"--socket={socket}", *(f"--{k}={v}" for k, v in files.items())),
        user="munge",
        ready=lambda: succeeds(["munge", "--no-input", f"--socket={socket}"]),
    )


def slurmdbd(layout: Layout, ports: dict[str, int]) -> Program:
    """Write slurmdbd.conf and return the program. It is looked for beside SLURM_CONF, 0600, owned by SlurmUser."""
    directory = own(layout.slurm / "dbd", USER, 0o755)
    here = host()
    text = f"""# Made by `make up`, and made again at the next one.
AuthType=auth/munge
AuthInfo=socket={munge_socket(layout)}
DbdHost={here.name}
DbdAddr={here.address}
# Understood here as in slurm.conf: without it slurmdbd listens on every address of the machine.
CommunicationParameters=NoInAddrAny
DbdPort={ports["slurmdbd"]}
SlurmUser={USER}
PidFile={directory}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports["mariadb"]}
StorageUser={ACCOUNTING}
StoragePass={password(layout, "mariadb")}
StorageLoc={ACCOUNTING}
# In sacct, as in squeue of a private cluster, users see their own jobs; operators see all.
PrivateData=jobs
"""
    conf = write(directory / "slurmdbd.conf", text, account=USER, mode=0o600)
    return Program(
        name="slurmdbd",
        command=("/usr/sbin/slurmdbd", "-D"),
        user=USER,
        ready=lambda: succeeds(["sacctmgr", "-n", "show", "cluster"], env=ZEUS.environment(layout)),
        environment={"SLURM_CONF": str(directory / "slurm.conf")},
        inputs=(conf,),
        prefix=here.prefix,
    )


def associate(layout: Layout) -> None:
    """Make the clusters, the grant and the users' associations that are missing in the accounting."""
    known = set(_sacctmgr(layout, "-nP", "show", "cluster", "format=cluster").split())
    for cluster in BOTH:
        if cluster.name not in known:
            _sacctmgr(layout, "-i", "add", "cluster", cluster.name)
    present = set(_sacctmgr(layout, "-nP", "show", "associations", "format=cluster,account,user").splitlines())
    names = ",".join(cluster.name for cluster in BOTH)
    if any(f"{cluster.name}|{GRANT}|" not in present for cluster in BOTH):
        _sacctmgr(layout, "-i", "add", "account", GRANT, f"cluster={names}", "description=test", "organization=test")
    for user in (*OWNERS, POLLER):
        if any(f"{cluster.name}|{GRANT}|{user}" not in present for cluster in BOTH):
            _sacctmgr(layout, "-i", "add", "user", user, f"account={GRANT}", f"cluster={names}")
    if f"{POLLER}|Operator" not in _sacctmgr(layout, "-nP", "show", "user", "format=user,adminlevel"):
        _sacctmgr(layout, "-i", "modify", "user", POLLER, "set", "adminlevel=Operator")


def _sacctmgr(layout: Layout, *words: str | Path) -> str:
    return run(["sacctmgr", *words], env=ZEUS.environment(layout))
