"""PostgreSQL and Redis of these tests alone, which may be killed, stopped and emptied."""

import itertools
import os
import secrets
import socket
from pathlib import Path

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox.commands import as_user, run
from tests.harness.daemon import Daemon

# Below the ports that the kernel gives to outgoing connections, which may take a free one at any moment.
_PORTS = itertools.count(22000 + os.getpid() % 100 * 50)


def free_port() -> int:
    """Return a port of loopback that nobody listens on; never the same one twice."""
    for port in itertools.islice(_PORTS, 1000):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue  # somebody listens there
        return port
    raise LookupError("no free port")


class Postgres:
    """An own PostgreSQL server; `url` is that of a database in it."""

    def __init__(self, folder: Path, origin: Path | None = None) -> None:
        """Make it in `folder`; `origin` is the folder of another one, which does not run, to be a copy of."""
        self._programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self._folder = folder
        run(["chown", "postgres:", folder])
        if origin:
            run(["cp", "--archive", origin / "data", origin / "password", folder])
        else:
            self._initialise()
        data, password, port = folder / "data", (folder / "password").read_text(), free_port()
        self.url = f"postgres://postgres:{password}@127.0.0.1:{port}/postgres"
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": folder,
            "fsync": "off",  # what is killed here is a process, not the machine
            "max_connections": 200,
        }
        flags = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        command = as_user("postgres", [str(self._programs / "postgres"), "-D", str(data), *flags])
        self.daemon = Daemon(command, folder.parent / "postgres.log", {}, self._answers)

    def _initialise(self) -> None:
        word = self._folder / "password"
        word.touch(mode=0o600)
        word.write_text(secrets.token_hex(16))
        run(["chown", "postgres:", word])
        login: list[str | Path] = ["-U", "postgres", "-A", "scram-sha-256", "--pwfile", word]
        command = [self._programs / "initdb", "-D", self._folder / "data", *login, "-E", "UTF8", "--no-sync"]
        run(command, user="postgres")

    def connect(self) -> psycopg.Connection:
        """Return a new connection in autocommit mode."""
        return psycopg.connect(self.url, autocommit=True, connect_timeout=10)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


class Redis:
    """An own Redis server, a broker and nothing more."""

    def __init__(self, folder: Path) -> None:
        port, password = free_port(), secrets.token_hex(16)
        self.url = f"redis://:{password}@127.0.0.1:{port}/0"
        conf = folder / "redis.conf"
        conf.touch(mode=0o600)
        conf.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\ndir {folder}\n')
        self.daemon = Daemon(["redis-server", conf], folder.parent / "redis.log", {}, self._answers)

    def flush(self) -> None:
        """Empty it."""
        with self._client() as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0))
