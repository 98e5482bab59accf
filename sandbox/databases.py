"""PostgreSQL and Redis, which the service uses, and MariaDB, where SLURM keeps its accounting."""

import socket
from pathlib import Path

from sandbox.commands import CommandFailed, run, succeeds
from sandbox.layout import Layout, own, write
from sandbox.passwords import password
from sandbox.programs import Program

ROLE = DATABASE = "submitter"
ACCOUNTING = "slurm"


def database_url(layout: Layout, ports: dict[str, int]) -> str:
    """Return the service's database as a URL with its password."""
    return f"postgres://{ROLE}:{password(layout, 'postgres')}@127.0.0.1:{ports['postgres']}/{DATABASE}"


def redis_url(layout: Layout, ports: dict[str, int]) -> str:
    """Return the service's broker as a URL with its password: local users must not be able to send tasks."""
    return f"redis://:{password(layout, 'redis')}@127.0.0.1:{ports['redis']}/0"


def postgres(layout: Layout, ports: dict[str, int]) -> Program:
    """Initialise PostgreSQL's directory if there is none, and return its program."""
    data = layout.data / "postgres"
    sockets = own(layout.run / "postgres", "postgres", 0o755)
    if not (data / "PG_VERSION").exists():
        own(data, "postgres", 0o700)
        authentication = ["--auth-local=peer", "--auth-host=scram-sha-256", "--username=postgres"]
        run(
            [_postgres_programs() / "initdb", "-D", data, "-E", "UTF8", "--locale=C.UTF-8", *authentication],
            user="postgres",
        )
    binaries = _postgres_programs((data / "PG_VERSION").read_text().strip())
    settings = {"listen_addresses": "127.0.0.1", "port": ports["postgres"], "unix_socket_directories": sockets}
    return Program(
        name="postgres",
        command=(str(binaries / "postgres"), "-D", str(data), *_flags(settings)),
        user="postgres",
        ready=lambda: succeeds([binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(ports["postgres"])]),
        stop_signal="INT",  # ends open connections; TERM would wait for them
    )


def grant_postgres(layout: Layout, ports: dict[str, int]) -> None:
    """Make the service's role and database where they are missing. The role may make databases: the tests do."""
    if ROLE not in _query(layout, ports, "select rolname from pg_roles").split():
        _query(layout, ports, f"create role {ROLE} login createdb password '{password(layout, 'postgres')}'")
    if DATABASE not in _query(layout, ports, "select datname from pg_database").split():
        _query(layout, ports, f"create database {DATABASE} owner {ROLE}")


def redis(layout: Layout, ports: dict[str, int]) -> Program:
    """Write Redis's configuration and return its program."""
    data = own(layout.data / "redis", "redis", 0o700)
    settings = f"""
bind 127.0.0.1
port {ports["redis"]}
dir {data}
requirepass {password(layout, "redis")}
# A broker and nothing more: what it holds may be lost at any moment, PostgreSQL knows the truth.
save ""
appendonly no
daemonize no
"""
    file = write(own(layout.state / "redis", "redis", 0o700) / "redis.conf", settings, account="redis", mode=0o600)
    return Program(
        name="redis",
        command=("/usr/bin/redis-server", str(file)),
        user="redis",
        ready=lambda: _redis_answers(layout, ports),
        inputs=(file,),
    )


def mariadb(layout: Layout, ports: dict[str, int]) -> Program:
    """Initialise MariaDB's directory if there is none, and return its program."""
    data = own(layout.data / "mariadb", "mysql", 0o700)
    sockets = own(layout.run / "mariadb", "mysql", 0o755)
    if not (data / "mysql").exists():
        authentication = "--auth-root-authentication-method=socket"
        run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={data}",
                "--user=mysql",
                "--skip-test-db",
                authentication,
            ]
        )
    settings = {
        "datadir": data,
        "socket": sockets / "mariadb.sock",
        "pid-file": sockets / "mariadb.pid",
        "bind-address": "127.0.0.1",
        "port": ports["mariadb"],
        # As slurmdbd's documentation asks, but for the pool: this one is small, and slurmdbd only mentions it.
        "innodb-buffer-pool-size": "256M",
        "innodb-log-file-size": "64M",
        "innodb-lock-wait-timeout": "900",
    }
    return Program(
        name="mariadb",
        command=("/usr/sbin/mariadbd", "--no-defaults", *(f"--{key}={value}" for key, value in settings.items())),
        user="mysql",
        ready=lambda: succeeds(["mariadb-admin", "--no-defaults", f"--socket={sockets / 'mariadb.sock'}", "ping"]),
    )


def grant_mariadb(layout: Layout) -> None:
    """Make SLURM's database and user, or bring the user's password up to date."""
    user = f"'{ACCOUNTING}'@'127.0.0.1'"
    statements = f"""
create database if not exists {ACCOUNTING};
create user if not exists {user};
alter user {user} identified by '{password(layout, "mariadb")}';
grant all on {ACCOUNTING}.* to {user};
"""
    run(["mariadb", "--no-defaults", f"--socket={layout.run / 'mariadb' / 'mariadb.sock'}"], stdin=statements)


def _postgres_programs(version: str = "") -> Path:
    """Return the directory with PostgreSQL's programs: of `version`, else of the newest one installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"{version or '*'}/bin"), key=lambda path: int(path.parent.name))
    if not found:
        raise CommandFailed(f"no PostgreSQL {version} below /usr/lib/postgresql")
    return found[-1]


def _flags(settings: dict[str, object]) -> tuple[str, ...]:
    return tuple(word for key, value in settings.items() for word in ("-c", f"{key}={value}"))


def _query(layout: Layout, ports: dict[str, int], statement: str) -> str:
    """Run one statement as PostgreSQL's superuser and return its bare answer."""
    where: list[str | Path] = ["-h", layout.run / "postgres", "-p", str(ports["postgres"]), "-d", "postgres"]
    # From standard input: a password must not stand on a command line.
    return run(
        ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where], user="postgres", stdin=statement
    ).strip()


def ask_redis(layout: Layout, ports: dict[str, int], question: str) -> str:
    """Return Redis's raw answer to one inline command (RESP), without the end line. Raises OSError."""
    with socket.create_connection(("127.0.0.1", ports["redis"]), timeout=5) as connection:
        # QUIT lets Redis close the connection, so that the answer's end needs no parsing.
        connection.sendall(f"AUTH {password(layout, 'redis')}\r\n{question}\r\nQUIT\r\n".encode())
        with connection.makefile("rb") as answer:
            return answer.read().decode()


def _redis_answers(layout: Layout, ports: dict[str, int]) -> bool:
    try:
        return "+PONG" in ask_redis(layout, ports, "PING")
    except OSError:
        return False
