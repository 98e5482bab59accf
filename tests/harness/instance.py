"""An own instance of the whole service on the sandbox's cluster, of which every part may be broken."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from celery import Celery
from django.conf import settings

from sandbox import grid
from sandbox.accounts import POLLER
from sandbox.commands import run
from submitter.gunicorn import conf
from tests.harness import abandoned, accounts, connections, job_audit
from tests.harness.client import Client, Posted
from tests.harness.controller import Controller
from tests.harness.daemon import CHECKOUT, Daemon
from tests.harness.databases import Postgres, Redis, free_port
from tests.harness.fault_cluster import FaultCluster
from tests.harness.job_audit import Count
from tests.harness.login_node import LoginNode
from tests.harness.registry import Registry
from tests.harness.relay import Relay
from tests.harness.sandbox_paths import Sandbox
from tests.harness.waiting import eventually

INTERVAL = 1  # seconds between two polls of a cluster, at least


class Instance:
    """Databases, web server, worker, beat, login node, accounts and `clusters`. Usable as a context manager, once."""

    def __init__(
        self,
        prefix: str,
        *,
        users: int = 2,
        environment: Mapping[str, str] | None = None,
        migrated: Path | None = None,
    ) -> None:
        """Prepare everything; `prefix` names its accounts, one for each of the sandbox's first `users`.

        `environment` overrules the settings that all instances have. `migrated` is a database to copy.
        """
        self.sandbox = Sandbox.from_environment()
        self.folder = abandoned.folder(prefix)
        self.folder.chmod(0o755)  # accounts run the clusters' commands
        self.slurm = {"SLURM_CONF": self.sandbox.slurm_conf}
        self.accounts = accounts.group(prefix, self.slurm, users)
        self.is_migrated = migrated is not None
        self.postgres = Postgres(self._room("postgres"), migrated)
        self.registry = Registry(self.postgres)
        self.controller = Controller(self.folder, self.slurm)
        self.redis = Redis(self._room("redis"))
        names = [account.name for account in self.accounts]
        self.node = LoginNode(self._room("sshd"), self.sandbox.sshd_config, free_port(), [*names, POLLER])
        self.clusters: list[FaultCluster] = []
        self._prefix = prefix
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "submitter.settings",
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "TMPDIR": str(self.folder),  # and so every part mentions it
            "GRIDMAP": str(self._gridmap(names)),
            "POLL_INTERVAL": str(INTERVAL),
            "SECURE_SSL_REDIRECT": "false",  # its callers speak plain HTTP
            "PYTHONDONTWRITEBYTECODE": "1",
            **(environment or {}),
        }
        self.port = free_port()
        self.web = self.web_server(self.port, "submitter.wsgi")
        celery: list[str | Path] = [sys.executable, "-m", "celery", "-A", "submitter"]
        self.worker = self._part("worker", [*celery, "worker", "--loglevel", "INFO"], b" ready.")
        self.beat, self.second_beat = (
            self._part(
                name,
                [*celery, "beat", "--loglevel", "DEBUG", "--schedule", self._room(name) / "schedule", "--pidfile="],
                b"beat: Starting",
            )
            for name in ("beat", "second-beat")
        )
        self.caller, self.bob = self.clients(self.port)

    def __enter__(self) -> Self:
        """Start everything."""
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """End everything and leave nothing behind."""
        self.close()

    def close(self) -> None:
        """End everything and leave nothing behind; the logs stay if KEEP_FAULT_LOGS names a directory for them."""
        with ExitStack() as stack:  # from the last to the first, whatever fails
            stack.callback(shutil.rmtree, self.folder)
            stack.callback(self._keep_logs)
            for account in self.accounts:
                stack.callback(account.remove)
            stack.callback(self.node.stop)
            stack.callback(self.controller.relay.close)
            for cluster in self.clusters:
                stack.callback(cluster.relay.close)
            for daemon in (self.postgres.daemon, self.redis.daemon, self.web, self.worker, self.beat):
                stack.callback(daemon.kill)
            for client in (self.caller, self.bob):
                stack.callback(client.close)

    def clients(self, port: int) -> tuple[Client, Client]:
        """Return two users who call the web server at `port`."""
        first, second = (Client(f"http://127.0.0.1:{port}", proxy) for proxy in self.sandbox.proxies[:2])
        return first, second

    def web_server(self, port: int, application: str, **environment: str) -> Daemon:
        """Return a web server of this instance, not yet started."""
        address = ["--bind", f"127.0.0.1:{port}"]
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "--config",
            "python:submitter.gunicorn.conf",
            *address,
            application,
        ]
        return Daemon(command, self.folder / f"web-{port}.log", self.environment | environment, lambda: _answers(port))

    def new_cluster(self, **columns: object) -> FaultCluster:
        """Make another cluster that the service knows, with other values in some of its columns."""
        cluster = self._cluster(f"{self._prefix}-{len(self.clusters)}")
        self.clusters.append(cluster)
        cluster.relay.start()
        row = {
            "name": cluster.host,
            "port": cluster.relay.port,
            "job_domain": cluster.job_domain,
            "slurm_bin": str(cluster.bin),
        }
        self.registry.copy_cluster(self._model, **row, enabled=True, **columns)
        return cluster

    @property
    def _model(self) -> str:
        """The name of the cluster of which the others are copies; it is never used."""
        return f"{self._prefix}-model"

    def _cluster(self, name: str) -> FaultCluster:
        cluster = FaultCluster(
            name, self.folder / "clusters" / name, Relay(self.node.port), str(self.controller.slurm_conf)
        )
        cluster.furnish()
        return cluster

    @contextmanager
    def lending(self, **defaults: object) -> Iterator[Callable[..., FaultCluster]]:
        """Lend fresh clusters with `defaults` in their columns; at the end they are healed and no longer polled."""
        taken = []

        def take(**columns: object) -> FaultCluster:
            cluster = self.new_cluster(**defaults, **columns)
            taken.append(cluster)
            return cluster

        yield take
        for cluster in taken:
            cluster.relay.heal()
            cluster.restore()
            self.registry.change(cluster.host, enabled=False)

    def make_ready(self, cluster: FaultCluster) -> list[Posted]:
        """Submit until every web process has a connection to `cluster`, and with it an agent there."""
        posts: list[Posted] = []

        def ready() -> bool:
            posts.extend(self.caller.post_many(cluster, 8))
            return connections.processes_with(cluster.relay.port, self.web.family()) == conf.workers

        eventually(ready, f"{conf.workers} processes are connected to {cluster.host}")
        return posts

    def recover(self, posts: Sequence[Posted], *, seconds: float = 60) -> None:
        """Have the worker find out, as if minutes had passed already, what became of `posts`; wait until it has.

        Only once sbatch can no longer be running: that is what the minutes are for.
        """
        tags = [posted.tag for posted in posts]
        self.registry.age(tags)

        def look() -> bool:
            if self.registry.pending(tags) == 0:
                return True
            for part in (self.worker, self.beat):
                part.revive()
            self.send("jobs.tasks.recover_submissions")
            try:
                return eventually(lambda: self.registry.pending(tags) == 0, "resolved", seconds=3)
            except AssertionError:
                return False

        eventually(look, f"nothing is pending of {tags}", seconds=seconds)

    def let_arrive(self, clusters: Sequence[FaultCluster]) -> None:
        """Deliver what the relays hold back, and wait until nobody on the login node works for `clusters` any more."""
        for cluster in clusters:
            cluster.relay.heal()
        time.sleep(1)  # on loopback
        for cluster in clusters:
            cluster.relay.shut()  # agents that wait for requests end, and no poll starts another
        for cluster in clusters:
            accounts.nothing_left_of(str(cluster.bin), self.accounts)
            cluster.relay.heal()

    def send(self, task: str) -> None:
        """Order a task of the worker, in the queue of what looks at the database alone."""
        with Celery(broker=self.redis.url, set_as_current=False) as app:
            app.send_task(task, queue=settings.CELERY_TASK_DEFAULT_QUEUE)

    def count(self, posts: Sequence[Posted]) -> Count:
        """Count SLURM's jobs against the registry's and against the answers to `posts`."""
        told = {posted.tag: set[int]() for posted in posts}
        for posted in posts:
            if posted.code == HTTPStatus.CREATED:
                told[posted.tag].add(posted.slurm_id)
        jobs = job_audit.slurm_jobs([account.name for account in self.accounts], self.slurm)
        return job_audit.compare(told, self.registry.rows(told), jobs)

    def _keep_logs(self) -> None:
        if keep := os.environ.get("KEEP_FAULT_LOGS"):
            for log in self.folder.glob("**/*.log"):
                shutil.copy(log, Path(keep) / f"{self.folder.name}-{log.name}")

    def _start(self) -> None:
        abandoned.remove(self.slurm)
        for account in self.accounts:
            account.make()
        self.postgres.daemon.start()
        self.redis.daemon.start()
        self.node.start()
        self.controller.relay.start()
        if not self.is_migrated:
            self._manage("migrate", "--verbosity", "0")
        self._load_model()
        parts = (self.web, self.worker, self.beat)
        for part in parts:
            part.start(wait=False)
        for part in parts:
            part.wait()

    def _load_model(self) -> None:
        model = self._cluster(self._model)
        file = self.folder / "clusters.toml"
        file.write_text(model.entry(self.node.host_key))
        model.relay.close()
        self._manage("loadclusters", file)

    def _manage(self, *words: str | Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in self.environment}
        run([sys.executable, "manage.py", *words], env=inherited | self.environment, cwd=CHECKOUT)

    def _room(self, name: str) -> Path:
        room = self.folder / name
        room.mkdir()
        return room

    def _gridmap(self, names: Sequence[str]) -> Path:
        """Map the sandbox's users to the accounts of this instance."""
        users = zip(grid.USERS, names, strict=False)
        file = self.folder / "grid-mapfile"
        file.write_text("".join(f'"{grid.ORGANISATION}/CN={user}" {name}\n' for user, name in users))
        return file

    def _part(self, name: str, command: list[str | Path], sign: bytes) -> Daemon:
        """Return a part that is ready when it has written `sign`."""
        part = Daemon(command, self.folder / f"{name}.log", self.environment, lambda: sign in part.output)
        return part


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False
