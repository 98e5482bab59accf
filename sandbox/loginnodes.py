"""The clusters' login nodes: one sshd each, which trusts certificates of the service's own CA and nothing else."""

import socket
from pathlib import Path

from sandbox.accounts import OWNERS, POLLER, SERVICE
from sandbox.clusters import Cluster
from sandbox.commands import run
from sandbox.layout import Layout, own, write
from sandbox.programs import Program


def authority(layout: Layout) -> Path:
    """Return the service's key that signs user certificates, made at the first call. Only the service reads it."""
    key = own(layout.service, SERVICE, 0o755) / "ssh_ca"
    if not key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "job submitter", "-f", key])
        run(["chown", f"{SERVICE}:{SERVICE}", key, f"{key}.pub"])
    return key


def host_key(cluster: Cluster, layout: Layout) -> str:
    """Return the login node's public key as `ssh-ed25519 AAAA...`, made at the first call."""
    key = own(layout.sshd / cluster.name, "root", 0o755) / "host_key"
    if not key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", cluster.host, "-f", key])
    kind, text, _ = key.with_suffix(".pub").read_text().split()
    return f"{kind} {text}"


def login_node(cluster: Cluster, layout: Layout, ports: dict[str, int]) -> Program:
    """Write the login node's configuration and return sshd's program (see sshd_config(5))."""
    host_key(cluster, layout)
    directory = layout.sshd / cluster.name
    port = ports[f"{cluster.name}-sshd"]
    variables = " ".join(f"{name}={value}" for name, value in cluster.environment(layout).items())
    text = f"""# Made by `make up`, and made again at the next one.
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host_key
PidFile none
TrustedUserCAKeys {authority(layout)}.pub
AuthorizedKeysFile none
AllowUsers {" ".join((*OWNERS, POLLER))}
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
# Works without PAM's configuration, and without the daemons that it may ask.
UsePAM no
PermitRootLogin no
AllowTcpForwarding no
X11Forwarding no
PrintMotd no
# Shows the certificate's key id, by which a login is traced back to a request.
LogLevel VERBOSE
# What a site's profile does: a plain `sbatch` talks to this node's cluster, in its time zone.
SetEnv {variables}
Subsystem sftp {cluster.sftp}
"""
    conf = write(directory / "sshd_config", text)
    # sshd shuts itself into this directory before a login; Debian makes it when the system's own sshd starts.
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return Program(
        name=f"{cluster.name}-sshd",
        command=("/usr/sbin/sshd", "-D", "-e", "-f", str(conf)),
        user="root",
        ready=lambda: _greets(port),
        inputs=(conf, directory / "host_key"),
    )


def _greets(port: int) -> bool:
    """Say whether an SSH server sends its banner (RFC 4253, section 4.2)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
