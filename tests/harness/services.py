"""Runs a command with PostgreSQL and Redis of its own: `python -m tests.harness.services COMMAND [ARGUMENT...]`.

Needs no root: their programs are found in PATH or where distributions put them, and what they store lies in a temporary
directory. They end with the command, and if this process is killed, the kernel ends them (prctl(2), PR_SET_PDEATHSIG).
Where DATABASE_URL or REDIS_URL is set, the command uses that service instead.
"""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import redis
from psycopg import sql

PATIENCE = 60.0  # seconds in which a service answers after its start
ELSEWHERE = ["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"]
SUPERUSER = "tests superuser"  # no account is called so
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
# What is stored is thrown away, so it need not survive a crash of the machine.
POSTGRESQL = {
    "listen_addresses": "", "max_connections": 300,
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
}  # fmt: skip


class Unavailable(Exception):
    """A service cannot be started; the message says why."""


def main(command: Sequence[str]) -> int:
    """Run `command`, and return its exit code as a shell tells it."""
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _leave)
    environment = dict(os.environ)
    with ExitStack() as ending:
        room = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="tests-", ignore_cleanup_errors=True)))
        for variable, start in {"DATABASE_URL": postgresql, "REDIS_URL": redis_server}.items():
            if not (environment.get(variable) or environment.get(f"{variable}_FILE")):
                environment[variable] = ending.enter_context(start(room))
        return _run(command, environment)


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


@contextmanager
def postgresql(room: Path) -> Iterator[str]:
    """Have PostgreSQL run in the directory `room` meanwhile, on a Unix socket there; yield the URL of a database."""
    programs, account = _postgresql_programs(), _account(room)
    options = ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--no-sync", f"--username={SUPERUSER}"]
    made = subprocess.run(
        [programs / "initdb", "-D", room / "data", *options], user=account, cwd=room, capture_output=True, check=False
    )
    if made.returncode:
        raise Unavailable(f"initdb: {made.stderr.decode(errors='replace').strip()}")
    settings = [f"--{name}={value}" for name, value in {**POSTGRESQL, "unix_socket_directories": room}.items()]
    ready = [str(programs / "pg_isready"), "-q", "-h", str(room)]
    command = [str(programs / "postgres"), "-D", str(room / "data"), *settings]
    with _service(command, room, _succeeds(ready), ends_by=signal.SIGQUIT, account=account):
        _make_role(room)
        yield f"postgres:///{room}/postgres"


def _make_role(room: Path) -> None:
    """Make the role that libpq takes where none is named. As the service's it may make databases, and nothing else."""
    with psycopg.connect(host=str(room), user=SUPERUSER, dbname="postgres", autocommit=True) as session:
        role = sql.Identifier(pwd.getpwuid(os.geteuid()).pw_name)
        session.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(role))


@contextmanager
def redis_server(room: Path) -> Iterator[str]:
    """Have Redis run meanwhile, on a port of loopback that the kernel has chosen; yield its URL."""
    program = shutil.which("redis-server") or shutil.which("valkey-server", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        raise Unavailable("redis-server is not in PATH: install your distribution's package redis")
    port, password = _free_port(), secrets.token_hex(16)
    configuration = f'bind 127.0.0.1\nport {port}\ndir {room}\nrequirepass {password}\nsave ""\ndatabases 64\n'
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    with _service([program, "-"], room, lambda: _answers(url), ends_by=signal.SIGKILL, stdin=configuration):
        yield url


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    with _child(command, signal.SIGTERM, env=environment) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:  # has reached it as well
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            raise
        finally:
            process.terminate()
    return code if code >= 0 else 128 - code


@contextmanager
def _service(
    command: Sequence[str],
    room: Path,
    ready: Callable[[], bool],
    *,
    ends_by: signal.Signals,
    account: int | None = None,
    stdin: str = "",
) -> Iterator[None]:
    """Have `command` run meanwhile, with `stdin`, out of reach of the keyboard. Raises Unavailable."""
    name = Path(command[0]).name
    log = room / f"{name}.log"
    with log.open("wb") as output, tempfile.TemporaryFile() as text:
        text.write(stdin.encode())
        text.seek(0)
        streams = {"stdin": text, "stdout": output, "stderr": subprocess.STDOUT}
        with _child(command, ends_by, **streams, cwd=room, user=account, start_new_session=True) as process:
            try:
                _wait_until(ready, process, lambda: f"{name}: {log.read_text(errors='replace').strip()}")
                yield
            finally:
                process.send_signal(ends_by)


def _child(command: Sequence[str], dies_by: signal.Signals, **options: Any) -> subprocess.Popen[bytes]:
    """Start `command`, which gets the signal `dies_by` when this process dies."""

    def bind_to_parent() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(dies_by))

    return subprocess.Popen(command, preexec_fn=bind_to_parent, **options)  # noqa: PLW1509 - there are no threads


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], explain: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(explain())
        time.sleep(0.05)


def _succeeds(command: Sequence[str]) -> Callable[[], bool]:
    return lambda: subprocess.run(command, check=False).returncode == 0


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _postgresql_programs() -> Path:
    """Return the directory of PostgreSQL's programs: that in PATH, else the newest of those in usual places."""
    pathed = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    others = [found for pattern in ELSEWHERE for found in Path("/").glob(pattern.lstrip("/"))]
    newest_first = sorted(others, key=lambda found: [int(part) for part in _numbers(found)], reverse=True)
    for directory in [*pathed, *newest_first]:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise Unavailable("PostgreSQL's server is neither in PATH nor below /usr/lib/postgresql: install its package")


def _numbers(directory: Path) -> list[str]:
    return "".join(each if each.isdigit() else " " for each in str(directory)).split()


def _account(room: Path) -> int | None:
    """Return the user id for PostgreSQL, which refuses to be run by root, and give it `room`; None: the caller's."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    account = names.get("postgres", names["nobody"])
    os.chown(room, account, -1)
    return account


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Unavailable as error:
        sys.exit(f"The tests' services cannot be started. {error}")
