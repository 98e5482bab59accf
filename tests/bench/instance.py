"""An own instance of the service on the sandbox's first cluster: own processes, databases, login node and accounts."""

import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.accounts import POLLER
from sandbox.commands import run
from tests.bench import accounts, database
from tests.bench.relay import Relay
from tests.bench.target import CLUSTER, Place
from tests.bench.users import Users
from tests.harness.daemon import CHECKOUT, Daemon
from tests.harness.databases import Redis, free_port
from tests.harness.login_node import LoginNode

ACCOUNTS = 22
# Another checkout's run on the same machine has other accounts; the same one's finds what a killed run has left.
_PREFIX = f"plgb{zlib.crc32(bytes(CHECKOUT)):08x}"
FAR = "far.example.org"
ROUND_TRIP = 0.020  # seconds, added on the way to FAR


@dataclass(frozen=True)
class Instance:
    """What runs. `near` has a place for each account; `far` is the first account's, with the relay in front of sshd."""

    near: list[Place]
    far: Place
    environment: dict[str, str]
    slurm: dict[str, str]

    def cancel_all(self) -> None:
        """Cancel whatever the accounts have in the queue: what is measured next is not beside it."""
        for place in self.near:
            run(["scancel", "-Q", "-u", place.account], env=self.slurm)


@contextmanager
def running(ground: Place, prefix: str = _PREFIX, number: int = ACCOUNTS) -> Iterator[Instance]:
    """Start everything beside the sandbox's own service, `ground`; afterwards nothing of it is left.

    `prefix` begins the names of its `number` accounts, and tells its database from others.
    """
    slurm = {"SLURM_CONF": os.environ["ZEUS_SLURM_CONF"]}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        folder.chmod(0o755)  # sshd looks at the way to its files
        names = stack.enter_context(accounts.made(prefix, number, slurm))
        node = LoginNode(
            folder, Path(os.environ["ZEUS_HOST_KEY"]).with_name("sshd_config"), free_port(), [*names, POLLER]
        )
        stack.callback(node.stop)
        node.start()
        relay = stack.enter_context(Relay(node.port, ROUND_TRIP))
        users = Users.mint(folder, names)
        url = stack.enter_context(database.empty(f"submitter_{prefix}"))
        redis = Redis(_room(folder, "redis"))
        stack.callback(redis.daemon.stop)
        redis.daemon.start()
        environment = _environment(users, url) | {"REDIS_URL": redis.url}
        _prepare(environment, folder / "clusters.toml", {CLUSTER: node.port, FAR: relay.port}, node.host_key, slurm)
        port = stack.enter_context(_web(folder / "web.log", environment))
        stack.enter_context(_polling(folder, environment))
        here = replace(ground, port=port, ssh_port=node.port, host_key=node.host_key)
        places = [replace(here, account=name, proxy=users.proxies[name]) for name in names]
        yield Instance(places, places[0].at(FAR, relay.port), environment, slurm)


def _environment(users: Users, url: str) -> dict[str, str]:
    """Return in which settings it differs from the sandbox's service."""
    return {
        "DATABASE_URL": url,
        "TRUST_DIR": str(users.trust),
        "GRIDMAP": str(users.gridmap),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _prepare(
    environment: Mapping[str, str], file: Path, ports: Mapping[str, int], host_key: str, slurm: Mapping[str, str]
) -> None:
    """Make the tables, and register a cluster for each of `ports`, by name; `file` is written for that."""
    file.write_text("".join(_entry(host, port, host_key, slurm["SLURM_CONF"]) for host, port in ports.items()))
    for words in (["migrate", "--verbosity", "0"], ["loadclusters", str(file)]):
        run([sys.executable, "manage.py", *words], env=os.environ | environment, cwd=CHECKOUT, timeout=300)


@contextmanager
def _web(log: Path, environment: Mapping[str, str]) -> Iterator[int]:
    """Start gunicorn as the sandbox runs it, with its certificate; yield the port."""
    port, tls = free_port(), Path(os.environ["CLUSTERS_FILE"]).parent
    server = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "python:submitter.gunicorn.conf",
        "--bind",
        f"127.0.0.1:{port}",
    ]
    certificate = ["--certfile", str(tls / "tls.crt"), "--keyfile", str(tls / "tls.key"), "submitter.wsgi"]
    web = Daemon([*server, *certificate], log, environment, lambda: "Listening at" in log.read_text())
    try:
        web.start()
        yield port
    finally:
        web.stop()


@contextmanager
def _polling(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Start the worker and the beat as the sandbox runs them: what they do beside the callers belongs to the cost."""
    celery = [sys.executable, "-m", "celery", "-A", "submitter", "--quiet"]
    schedule = ["--schedule", str(folder / "schedule"), "--pidfile="]
    with ExitStack() as stack:
        for name, words in (("worker", []), ("beat", schedule)):
            log = folder / f"{name}.log"
            part = Daemon([*celery, name, "--loglevel", "INFO", *words], log, environment, log.exists)
            stack.callback(part.stop)
            part.start()
        yield


def _room(folder: Path, name: str) -> Path:
    room = folder / name
    room.mkdir()
    return room


def _entry(host: str, port: int, host_key: str, slurm_conf: str) -> str:
    return f"""[[cluster]]
name = "{host}"
address = "127.0.0.1"
port = {port}
host_keys = ["{host_key}"]
job_domain = "jobs.{host}"
poll_account = "{POLLER}"
[cluster.environment]
SLURM_CONF = "{slurm_conf}"
"""
