"""An own instance of the whole service on the sandbox's cluster, of which every part may be broken."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from celery import Celery

from sandbox import grid
from sandbox.accounts import POLLER
from sandbox.commands import run
from sandbox.processes import Process
from submitter.gunicorn import conf
from tests.live.faults import accounts, census
from tests.live.faults.backing import Postgres, Redis, free_port
from tests.live.faults.census import Count
from tests.live.faults.client import Client, Posted
from tests.live.faults.controller import Controller
from tests.live.faults.daemon import CHECKOUT, Daemon
from tests.live.faults.ground import Sandbox
from tests.live.faults.lane import Lane
from tests.live.faults.loginnode import LoginNode
from tests.live.faults.registry import Registry
from tests.live.faults.relay import Relay
from tests.live.faults.waiting import eventually


class Instance:
    """Databases, web server, worker, beat, login node, accounts and `lanes`. Usable as a context manager, once."""

    def __init__(
        self, prefix: str, lanes: int, *, users: int = 2, environment: Mapping[str, str] | None = None
    ) -> None:
        """Prepare everything; `prefix` names its accounts, one for each of the sandbox's first `users`.

        `environment` overrules the settings that all instances have.
        """
        self.sandbox = Sandbox.from_environment()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-"))
        self.folder.chmod(0o755)  # accounts run the lanes' commands
        self.slurm = {"SLURM_CONF": self.sandbox.slurm_conf}
        self.accounts = accounts.group(prefix, self.slurm, users)
        self.postgres = Postgres(self._room("postgres"))
        self.registry = Registry(self.postgres)
        self.controller = Controller(self.sandbox, self.slurm)
        self.redis = Redis(self._room("redis"))
        names = [account.name for account in self.accounts]
        self.node = LoginNode(self._room("sshd"), self.sandbox.sshd_config, free_port(), [*names, POLLER])
        relays = [Relay(self.node.port) for _ in range(lanes)]
        self.lanes = [
            Lane(f"{prefix}-{number}", self.folder / "lanes" / str(number), relay, self.sandbox.slurm_conf)
            for number, relay in enumerate(relays)
        ]
        self.environment = {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "GRIDMAP": str(self._gridmap(names)),
            "POLL_INTERVAL": "2",
            "SECURE_SSL_REDIRECT": "false",  # its callers speak plain HTTP
            "PYTHONDONTWRITEBYTECODE": "1",
            **(environment or {}),
        }
        self.port = free_port()
        self.web = self.web_server(self.port, "submitter.wsgi")
        celery: list[str | Path] = [sys.executable, "-m", "celery", "-A", "submitter"]
        self.worker = self._part("worker", [*celery, "worker", "--loglevel", "INFO"])
        self.beat, self.second_beat = (
            self._part(
                name,
                [*celery, "beat", "--loglevel", "DEBUG", "--schedule", self._room(name) / "schedule", "--pidfile="],
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
            for lane in self.lanes:
                stack.callback(lane.relay.close)
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

    def enable(self, lane: Lane, **columns: object) -> None:
        """Let the service know `lane`'s cluster, with other values in some of its columns."""
        self.registry.change(lane.host, enabled=True, **columns)
        lane.relay.start()

    @contextmanager
    def lending(self, unused: list[Lane], **defaults: object) -> Iterator[Callable[..., Lane]]:
        """Lend lanes of `unused`, with `defaults` in their columns; at the end they are healed and no longer polled."""
        taken = []

        def take(**columns: object) -> Lane:
            lane = unused.pop()
            taken.append(lane)
            self.enable(lane, **defaults, **columns)
            return lane

        yield take
        for lane in taken:
            lane.relay.heal()
            lane.restore()
            self.registry.change(lane.host, enabled=False)

    def make_ready(self, lane: Lane) -> list[Posted]:
        """Submit until every web process has a connection to `lane`, and with it an agent there."""
        posts: list[Posted] = []

        def ready() -> bool:
            posts.extend(self.caller.post_many(lane, 8))
            return self._connected(lane) == conf.workers

        eventually(ready, f"{conf.workers} processes are connected to {lane.host}")
        return posts

    def _connected(self, lane: Lane) -> int:
        """Count the web processes that have a connection to `lane`."""
        sockets = {f"socket:[{inode}]" for inode in _connections_to(lane.relay.port)}
        return sum(bool(sockets & _open_files(process)) for process in self.web.family())

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

    def let_arrive(self, lanes: Sequence[Lane]) -> None:
        """Deliver what the relays hold back, and wait until nobody on the login node works for `lanes` any more."""
        for lane in lanes:
            lane.relay.heal()
        time.sleep(1)  # on loopback
        for lane in lanes:
            lane.relay.cut()  # agents that wait for requests end
        for lane in lanes:
            accounts.nothing_left_of(str(lane.bin), self.accounts)

    def send(self, task: str) -> None:
        """Order a task of the worker."""
        with Celery(broker=self.redis.url, set_as_current=False) as app:
            app.send_task(task)

    def count(self, posts: Sequence[Posted]) -> Count:
        """Count SLURM's jobs against the registry's and against the answers to `posts`."""
        told = {posted.tag: set[int]() for posted in posts}
        for posted in posts:
            if posted.code == HTTPStatus.CREATED:
                told[posted.tag].add(posted.slurm_id)
        jobs = census.slurm_jobs([account.name for account in self.accounts], self.slurm)
        return census.compare(told, self.registry.rows(told), jobs)

    def _keep_logs(self) -> None:
        if keep := os.environ.get("KEEP_FAULT_LOGS"):
            for log in self.folder.glob("**/*.log"):
                shutil.copy(log, keep)

    def _start(self) -> None:
        accounts.remove_abandoned(self.slurm)
        for account in self.accounts:
            account.make()
        self.postgres.daemon.start()
        self.redis.daemon.start()
        self.node.start()
        for lane in self.lanes:
            lane.furnish()
        file = self.folder / "clusters.toml"
        file.write_text("\n".join(lane.entry(self.node.host_key) for lane in self.lanes))
        settings = {name: value for name, value in os.environ.items() if name not in self.environment}
        for words in (["migrate", "--verbosity", "0"], ["loadclusters", file]):
            run([sys.executable, "manage.py", *words], env=settings | self.environment, cwd=CHECKOUT)
        parts = (self.web, self.worker, self.beat)
        for part in parts:
            part.start(wait=False)
        self.web.wait()

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

    def _part(self, name: str, command: list[str | Path]) -> Daemon:
        return Daemon(command, self.folder / f"{name}.log", self.environment, lambda: True)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _connections_to(port: int) -> list[str]:
    """Return the inodes of established connections to `port`: proc(5), /proc/net/tcp, where ports are hexadecimal."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    return [line[9] for line in lines if line[2].endswith(f":{port:04X}") and line[3] == "01"]


def _open_files(process: Process) -> set[str]:
    """Return what the open files of `process` are; nothing if it has just ended."""
    try:
        return {str(entry.readlink()) for entry in (process.directory / "fd").iterdir()}
    except FileNotFoundError:
        return set()
