"""An own instance of the service on the sandbox's first cluster: own web server, database, login node and accounts."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psycopg

from sandbox.commands import run
from tests.bench import accounts
from tests.bench.place import CLUSTER, Place
from tests.bench.relay import Relay
from tests.bench.users import Users
from tests.live.faults.backing import free_port
from tests.live.faults.daemon import CHECKOUT, Daemon
from tests.live.faults.loginnode import LoginNode

ACCOUNTS = 20
FAR = "far.example.org"
ROUND_TRIP = 0.020  # seconds, added on the way to FAR

# The same each time, so that a run finds what a killed one has left behind.
_DATABASE = "submitter_bench"


@dataclass(frozen=True)
class Instance:
    """What runs. `near` has a place for each account; `far` is the first account's, with the relay in front of sshd."""

    near: list[Place]
    far: Place
    environment: dict[str, str]
    slurm: dict[str, str]

    def jobs(self, name: str) -> int:
        """Return how many active jobs called `name` SLURM has."""
        return len(run(["squeue", "-h", "-r", "-n", name], env=self.slurm).split("\n")) - 1

    def manage(self, *words: str) -> None:
        """Run a Python module with `words` in the service's environment."""
        _python(self.environment, *words)


@contextmanager
def running(ground: Place) -> Iterator[Instance]:
    """Start everything beside the sandbox's own service, `ground`; afterwards nothing of it is left."""
    slurm = {"SLURM_CONF": os.environ["ZEUS_SLURM_CONF"]}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        folder.chmod(0o755)  # sshd looks at the way to its files
        names = stack.enter_context(accounts.made(ACCOUNTS, slurm))
        node = LoginNode(folder, Path(os.environ["ZEUS_HOST_KEY"]).with_name("sshd_config"), free_port(), names)
        stack.callback(node.stop)
        node.start()
        relay = stack.enter_context(Relay(node.port, ROUND_TRIP))
        users = Users.mint(folder, names)
        environment = {
            "DATABASE_URL": stack.enter_context(_database(os.environ["DATABASE_URL"])),
            "TRUST_DIR": str(users.trust),
            "GRIDMAP": str(users.gridmap),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        clusters = folder / "clusters.toml"
        ports = {CLUSTER: node.port, FAR: relay.port}
        clusters.write_text("".join(_entry(*each, node.host_key, slurm["SLURM_CONF"]) for each in ports.items()))
        _python(environment, "manage.py", "migrate", "--verbosity", "0")
        _python(environment, "manage.py", "loadclusters", str(clusters))
        port = free_port()
        web = _web(port, folder / "web.log", environment)
        stack.callback(web.stop)
        web.start()
        places = [
            Place(
                address="127.0.0.1", port=port, proxy=users.proxies[name], ssh_port=node.port, host_key=node.host_key,
                ca_key=ground.ca_key, account=name,
            )
            for name in names
        ]  # fmt: skip
        yield Instance(places, places[0].at(FAR, relay.port), environment, slurm)


def _web(port: int, log: Path, environment: Mapping[str, str]) -> Daemon:
    """Return gunicorn as the sandbox runs it, with its certificate."""
    tls = Path(os.environ["CLUSTERS_FILE"]).parent
    server = [sys.executable, "-m", "gunicorn", "--config", "python:submitter.server", "--bind", f"127.0.0.1:{port}"]
    certificate = ["--certfile", str(tls / "tls.crt"), "--keyfile", str(tls / "tls.key")]
    return Daemon(
        [*server, *certificate, "submitter.wsgi"], log, environment, lambda: "Listening at" in log.read_text()
    )


@contextmanager
def _database(url: str) -> Iterator[str]:
    """Make an empty database on the server of `url`, with the same durability; yield its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        drop = f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)".encode()
        connection.execute(drop)
        connection.execute(f"CREATE DATABASE {_DATABASE}".encode())
        try:
            yield urlsplit(url)._replace(path=f"/{_DATABASE}").geturl()
        finally:
            connection.execute(drop)


def _entry(host: str, port: int, host_key: str, slurm_conf: str) -> str:
    return f"""[[cluster]]
name = "{host}"
address = "127.0.0.1"
port = {port}
host_keys = ["{host_key}"]
job_domain = "jobs.{host}"
[cluster.environment]
SLURM_CONF = "{slurm_conf}"
"""


def _python(environment: Mapping[str, str], *words: str) -> None:
    run([sys.executable, *words], env=os.environ | environment, cwd=CHECKOUT, timeout=300)
