"""Writes `.local/sandbox.env`, by which tests, benchmarks and people find everything."""

import shlex
from pathlib import Path

from sandbox import grid, service
from sandbox.clusters import PROMETHEUS, ZEUS
from sandbox.layout import Layout, write
from sandbox.passwords import password


def variables(layout: Layout, ports: dict[str, int], control_command: str) -> dict[str, str]:
    """Return what the file exports: the sandbox's own names, then the service's settings."""
    return {
        "BASE_URL": service.base_url(ports),
        "CA_FILE": str(service.ca_file(layout)),
        "ALICE_PROXY": str(grid.proxy(layout, "plgalice")),
        "BOB_PROXY": str(grid.proxy(layout, "plgbob")),
        "CAROL_PROXY": str(grid.proxy(layout, "plgcarol")),
        "USER_CERTIFICATES": str(layout.grid / "users"),
        "SIMPLE_CA_DIR": str(layout.grid / "simpleca" / "ca"),
        "SIMPLE_CA_PASS": password(layout, "simpleca"),
        "ZEUS_SLURM_CONF": str(ZEUS.slurm_conf(layout)),
        "PROMETHEUS_SLURM_CONF": str(PROMETHEUS.slurm_conf(layout)),
        "ZEUS_SSH_PORT": str(ports["zeus-sshd"]),
        "PROMETHEUS_SSH_PORT": str(ports["prometheus-sshd"]),
        "ZEUS_HOST_KEY": str(layout.sshd / "zeus" / "host_key.pub"),
        "PROMETHEUS_HOST_KEY": str(layout.sshd / "prometheus" / "host_key.pub"),
        "SUPERVISORCTL": control_command,
        "SANDBOX_LOGS": str(layout.log),
        "CLUSTERS_FILE": str(layout.service / "clusters.toml"),
        "ADMIN_USER": service.ADMIN,
        "ADMIN_PASSWORD_FILE": str(layout.secrets / "admin"),
        **service.environment(layout, ports),
    }


def publish(layout: Layout, ports: dict[str, int], control_command: str) -> Path:
    """Write the shell file; only root may read it, for it holds passwords."""
    exported = variables(layout, ports, control_command)
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exported.items()]
    return write(layout.state / "sandbox.env", "".join(lines), mode=0o600)
