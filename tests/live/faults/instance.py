"""An own instance of the whole service on the sandbox's cluster, of which every part may be broken."""

import os
import pwd
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from celery import Celery

from sandbox import processes
from sandbox.commands import run
from tests.live.faults import accounts, census
from tests.live.faults.backing import Postgres, Redis, free_port
from tests.live.faults.census import Count, Row
from tests.live.faults.client import Client, Posted
from tests.live.faults.daemon import CHECKOUT, Daemon
from tests.live.faults.lane import Lane
from tests.live.faults.loginnode import LoginNode
from tests.live.faults.relay import Relay
from tests.live.faults.waiting import eventually

_USERS = ("ALICE", "BOB")


@dataclass(frozen=True)
class Sandbox:
    """What of the sandbox is used: SLURM, the users' proxies, the trust in them, the SSH CA."""

    slurm_conf: str
    sshd_config: Path
    gridmap: Path
    proxies: tuple[Path, ...]
    supervisorctl: tuple[str, ...]

    @classmethod
    def from_environment(cls) -> "Sandbox":
        """Read it from the variables that `make up` has written. Raises LookupError with the one that is missing."""
        try:
            return cls(
                slurm_conf=os.environ["ZEUS_SLURM_CONF"],
                sshd_config=Path(os.environ["ZEUS_HOST_KEY"]).with_name("sshd_config"),
                gridmap=Path(os.environ["GRIDMAP"]),
                proxies=tuple(Path(os.environ[f"{user}_PROXY"]) for user in _USERS),
                supervisorctl=tuple(shlex.split(os.environ["SUPERVISORCTL"])),
            )
        except KeyError as exc:
            raise LookupError(f"{exc.args[0]} is not set: run `make up`, then `. .local/sandbox.env`") from exc


class Instance:
    """Databases, web server, worker, beat, login node, accounts and `lanes`. Usable as a context manager, once."""

    def __init__(self, prefix: str, lanes: int) -> None:
        """Prepare everything; `prefix` names its accounts."""
        self.sandbox = Sandbox.from_environment()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-"))
        self.folder.chmod(0o755)  # accounts run the lanes' commands
        self.slurm = {"SLURM_CONF": self.sandbox.slurm_conf}
        self.accounts = accounts.pair(prefix, self.slurm)
        self.postgres = Postgres(self._room("postgres"))
        self.redis = Redis(self._room("redis"))
        names = [account.name for account in self.accounts]
        self.node = LoginNode(self._room("sshd"), self.sandbox.sshd_config, free_port(), names)
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
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.port = free_port()
        self.web = self.web_server(self.port, "submitter.wsgi")
        celery = [sys.executable, "-m", "celery", "-A", "submitter"]
        self.worker = self._part("worker", [*celery, "worker", "--concurrency", "2", "--loglevel", "INFO"])
        schedule = ["--schedule", self._room("beat") / "schedule", "--pidfile="]
        self.beat = self._part("beat", [*celery, "beat", "--loglevel", "INFO", *schedule])
        self.alice, self.bob = self.clients(self.port)

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
            for client in (self.alice, self.bob):
                stack.callback(client.close)

    def clients(self, port: int) -> tuple[Client, Client]:
        """Return two users who call the web server at `port`."""
        first, second = (Client(f"http://127.0.0.1:{port}", proxy) for proxy in self.sandbox.proxies)
        return first, second

    def web_server(self, port: int, application: str) -> Daemon:
        """Return a web server of this instance, not yet started."""
        address = ["--bind", f"127.0.0.1:{port}"]
        command = [sys.executable, "-m", "gunicorn", "--config", "python:submitter.server", *address, application]
        return Daemon(command, self.folder / f"web-{port}.log", self.environment, lambda: _answers(port))

    def enable(self, lane: Lane, **columns: object) -> None:
        """Let the service know `lane`'s cluster, with other values in some of its columns."""
        self.change(lane, enabled=True, **columns)
        lane.relay.start()

    def change(self, lane: Lane, **columns: object) -> None:
        """Change the row of `lane`'s cluster."""
        assignments = ", ".join(f"{column} = %s" for column in columns)
        self.execute(f"UPDATE clusters_cluster SET {assignments} WHERE name = %s", *columns.values(), lane.host)

    def execute(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Run one statement on the service's database and return the rows, if it has any."""
        with self.postgres.connect() as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def rows(self, tags: Iterable[str]) -> dict[str, list[Row]]:
        """Return what the registry says of submissions, by tag."""
        found: dict[str, list[Row]] = {}
        query = "SELECT tag, id::text, submission, slurm_id FROM jobs_job WHERE tag = ANY(%s)"
        for tag, submission, state, slurm_id in self.execute(query, list(tags)):
            job = None if slurm_id is None else int(str(slurm_id))
            found.setdefault(str(tag), []).append(Row(str(submission), str(state), job))
        return found

    @contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """Let nobody write a job meanwhile; what it yields waits until somebody tries."""
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'jobs_job'::regclass AND NOT granted"

        def blocked() -> None:
            eventually(lambda: self.execute(waiting) != [(0,)], "somebody waits to write a job")

        with self.postgres.connect() as connection, connection.transaction():
            connection.execute("LOCK TABLE jobs_job IN EXCLUSIVE MODE")
            yield blocked

    @contextmanager
    def stopped_node(self) -> Iterator[None]:
        """Freeze the login node meanwhile: it accepts connections and answers nothing."""
        self.node.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.node.send(signal.SIGCONT)

    @contextmanager
    def frozen_controller(self) -> Iterator[None]:
        """Freeze the sandbox's slurmctld meanwhile: it accepts connections and answers nothing."""
        pid = int(run([*self.sandbox.supervisorctl, "pid", "zeus-slurmctld"]))
        members = processes.family(pid)
        try:
            for process in members:
                os.kill(process.pid, signal.SIGSTOP)
            yield
        finally:
            for process in processes.alive(members):
                os.kill(process.pid, signal.SIGCONT)

    def nothing_left_of(self, words: str) -> None:
        """Wait until no process of the accounts runs a command line with `words`."""
        uids = {pwd.getpwnam(account.name).pw_uid for account in self.accounts}

        def none() -> bool:
            running = [process for uid in uids for process in processes.of_account(uid)]
            return not any(words in _command_line(process) for process in running)

        eventually(none, f"nobody runs {words}", seconds=20)

    def active(self, jobs: Sequence[int]) -> list[str]:
        """Return SLURM's words for those of the jobs that have not ended."""
        wanted = {str(job) for job in jobs}
        lines = run(["squeue", "-h", "-o", "%A %T"], env=self.slurm).splitlines()
        return [line for line in lines if line.split()[0] in wanted]

    def release(self, jobs: Sequence[int]) -> None:
        """Let held jobs run."""
        run(["scontrol", "release", ",".join(str(job) for job in jobs)], env=self.slurm)

    def ended(self, job: int) -> str:
        """Wait until `job` has ended, and return the controller's word for how."""

        def look() -> str:
            state = run(["squeue", "-h", "-t", "all", "-j", str(job), "-o", "%T"], env=self.slurm).strip()
            return state if state in {"COMPLETED", "CANCELLED"} else ""

        return eventually(look, f"job {job} ends")

    def recover(self, posts: Sequence[Posted], *, seconds: float = 60) -> None:
        """Have the worker find out, as if minutes had passed already, what became of `posts`; wait until it has.

        Only once sbatch can no longer be running: that is what the minutes are for.
        """
        self.age(posts)
        tags = [posted.tag for posted in posts]

        def look() -> bool:
            if self.pending(tags) == 0:
                return True
            for part in (self.worker, self.beat):
                part.revive()
            self.send("jobs.tasks.recover_submissions")
            try:
                return eventually(lambda: self.pending(tags) == 0, "resolved", seconds=3)
            except AssertionError:
                return False

        eventually(look, f"nothing is pending of {tags}", seconds=seconds)

    def age(self, posts: Sequence[Posted]) -> None:
        """Make those of `posts` that have no known outcome four minutes older."""
        self.execute(
            "UPDATE jobs_job SET created_at = created_at - interval '4 minutes' "
            "WHERE submission = 'PENDING' AND tag = ANY(%s)", [posted.tag for posted in posts],
        )  # fmt: skip

    def pending(self, tags: Sequence[str]) -> int:
        """Return how many of these submissions have no known outcome."""
        [(number,)] = self.execute(
            "SELECT count(*) FROM jobs_job WHERE submission = 'PENDING' AND tag = ANY(%s)", list(tags)
        )
        return int(str(number))

    def send(self, task: str) -> None:
        """Order a task of the worker."""
        with Celery(broker=self.redis.url, set_as_current=False) as app:
            app.send_task(task)

    def count(self, posts: Sequence[Posted]) -> Count:
        """Count SLURM's jobs against the registry's and against the answers to `posts`."""
        told = {posted.tag: posted.slurm_id if posted.code == 201 else None for posted in posts}  # noqa: PLR2004 - Created
        jobs = census.slurm_jobs([account.name for account in self.accounts], self.slurm)
        return census.compare(told, self.rows(told), jobs)

    def _keep_logs(self) -> None:
        if keep := os.environ.get("KEEP_FAULT_LOGS"):
            for log in self.folder.glob("**/*.log"):
                shutil.copy(log, keep)

    def _start(self) -> None:
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
        text = self.sandbox.gridmap.read_text()
        for user, name in zip(("plgalice", "plgbob"), names, strict=True):
            text = text.replace(f'" {user}\n', f'" {name}\n')
        file = self.folder / "grid-mapfile"
        file.write_text(text)
        return file

    def _part(self, name: str, command: list[str | Path]) -> Daemon:
        return Daemon(command, self.folder / f"{name}.log", self.environment, lambda: True)


def _command_line(process: processes.Process) -> str:
    try:
        return (process.directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has just ended


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False
