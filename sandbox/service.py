"""The service itself: its configuration, its preparation, and its three processes."""

import hashlib
import json
import os
import shutil
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from sandbox import databases, frontserver, loginnodes
from sandbox.accounts import SERVICE
from sandbox.clusters import BOTH, Cluster
from sandbox.commands import CommandFailed, run, succeeds
from sandbox.layout import Layout, own, write
from sandbox.passwords import password
from sandbox.programs import Program

ADMIN = "admin"
ADDRESS_VARIABLE = "SANDBOX_WEB_ADDRESS"
"""Set it for `up` to have the service listen elsewhere than on loopback, behind nginx: in a container, for instance."""
SOURCES = ("manage.py", "submitter", "jobs", "clusters", "proxyauth", "audit", "adminkit", "templates")
"""What the service consists of; anything else in the checkout is not needed to run it."""


def is_in_a_container() -> bool:
    """Say whether the service is to be reached from elsewhere, as docker-compose.yml has it."""
    return bool(os.environ.get(ADDRESS_VARIABLE))


def base_url(ports: dict[str, int]) -> str:
    """Return the service's address, without a slash at its end."""
    return f"https://127.0.0.1:{ports['web']}"


def environment(layout: Layout, ports: dict[str, int]) -> dict[str, str]:
    """Return the service's settings, which are environment variables."""
    return {
        "SECRET_KEY_FILE": str(layout.service / "secret_key"),
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        # Every test and benchmark calls from one address and as few accounts, many to be refused, as fast as it can.
        "PROXY_REFUSALS_PER_MINUTE": "100000",
        "THROTTLE_PER_ACCOUNT": "1000000",
        "THROTTLE_PER_ADDRESS": "1000000",
        "REQUESTS_PER_ACCOUNT": "64",
        # Tests lose the answers of submissions, and wait until these are found again.
        "RECOVERY_INTERVAL": "2",
        "CSRF_TRUSTED_ORIGINS": base_url(ports),
        # People run commands here as root, and one role of the database migrates and serves.
        "DOCTOR_ACCEPTS": "submitter.W001,audit-log-role",
        "DATABASE_URL": databases.database_url(layout, ports),
        "REDIS_URL": databases.redis_url(layout, ports),
        "TRUST_DIR": str(layout.grid / "trust"),
        "GRIDMAP": str(layout.grid / "grid-mapfile"),
        "SSH_CA_KEY": str(layout.service / "ssh_ca"),
        "STATIC_ROOT": str(layout.service / "static"),
    }


def furnish(layout: Layout, ports: dict[str, int]) -> None:
    """Make the service's keys, its TLS certificate and its list of clusters."""
    home = own(layout.service, SERVICE, 0o755)
    own(home / "static", SERVICE, 0o755)
    write(home / "secret_key", password(layout, "django"), account=SERVICE, mode=0o600)
    loginnodes.authority(layout)
    _certify(home)
    entries = [cluster_entry(cluster, layout, ports) for cluster in BOTH]
    write(home / "clusters.toml", "\n".join(entries))


def cluster_entry(cluster: Cluster, layout: Layout, ports: dict[str, int]) -> str:
    """Return one cluster as the service's command `loadclusters` reads it (TOML)."""
    poller = f"poll_account = {json.dumps(cluster.poller)}\n" if cluster.poller else ""
    return f"""[[cluster]]
name = {json.dumps(cluster.host)}
aliases = [{json.dumps(cluster.name)}]
address = "127.0.0.1"
port = {ports[f"{cluster.name}-sshd"]}
host_keys = [{json.dumps(loginnodes.host_key(cluster, layout))}]
job_domain = {json.dumps(cluster.job_domain)}
time_zone = {json.dumps(cluster.time_zone)}
slurm_bin = "/usr/bin"
slurm_name = {json.dumps(cluster.name)}
{poller}[cluster.environment]
SLURM_CONF = {json.dumps(str(cluster.slurm_conf(layout)))}
"""


def home_of_code(layout: Layout) -> Path:
    """Return the directory to run from: the checkout if the service's account can read it, else an up-to-date copy."""
    if _is_readable(layout.checkout):
        return layout.checkout
    fresh, app = layout.state / "app.new", layout.state / "app"
    shutil.rmtree(fresh, ignore_errors=True)
    for source in _sources(layout.checkout):
        target = fresh / source.relative_to(layout.checkout)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    shutil.rmtree(app, ignore_errors=True)
    fresh.rename(app)
    run(["chmod", "--recursive", "u=rwX,go=rX", app])
    return app


def prepare(layout: Layout, ports: dict[str, int], code: Path) -> None:
    """Bring the database, the static files, the clusters and the admin's login up to date."""
    manage(layout, ports, code, "migrate", "--noinput", "--verbosity", "0")
    manage(layout, ports, code, "collectstatic", "--noinput", "--verbosity", "0")
    manage(layout, ports, code, "loadclusters", str(layout.service / "clusters.toml"))
    _make_admin(layout, ports, code)


def manage(layout: Layout, ports: dict[str, int], code: Path, *words: str, **more: str) -> str:
    """Run one of the service's commands as its account and return what it printed."""
    argv: list[str | Path] = [layout.venv / "bin" / "python", "-B", "manage.py", *words]
    return run(argv, user=SERVICE, env={**environment(layout, ports), **more}, cwd=code, timeout=300)


def programs(layout: Layout, ports: dict[str, int], code: Path) -> list[Program]:
    """Return the web server, the worker and the beat; each restarts when the code or the Python packages changed."""
    version = digest([layout.checkout / "requirements.txt", *_sources(layout.checkout)])
    front = {"REVERSE_PROXIES": frontserver.SOCKET} if is_in_a_container() else {}
    python_settings = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    settings = environment(layout, ports) | front | python_settings
    python = layout.venv / "bin"
    celery = (str(python / "celery"), "-A", "submitter", "--quiet")
    schedule = own(layout.data / "beat", SERVICE, 0o700) / "schedule"
    gunicorn = (str(python / "gunicorn"), "--config", "python:submitter.gunicorn.conf")
    commands = {
        "web": (*gunicorn, *_where(layout, ports), "submitter.wsgi"),
        "worker": (*celery, "worker", "--loglevel", "INFO"),
        "beat": (*celery, "beat", "--loglevel", "INFO", "--schedule", str(schedule), "--pidfile="),
    }
    ready = {
        "web": lambda: _is_healthy(base_url(ports)),
        "worker": lambda: _listens(layout, ports),
        "beat": lambda: True,
    }
    own_programs = [
        Program(
            name, _from_an_empty_directory(command), SERVICE, ready[name], settings | _metrics(layout, name), code,
            version=version,
        )
        for name, command in commands.items()
    ]  # fmt: skip
    return [*own_programs, *_front_servers(layout, ports)]


def _metrics(layout: Layout, name: str) -> dict[str, str]:
    """Return where the program counts for /metrics. Not in `environment`: who else starts a web server counts apart."""
    own(layout.data / "metrics", SERVICE, 0o700)
    return {"PROMETHEUS_MULTIPROC_DIR": str(own(layout.data / "metrics" / name, SERVICE, 0o700))}


def _from_an_empty_directory(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return `command` with the files of earlier processes removed first, as RuntimeDirectory= does for the units."""
    return ("/bin/sh", "-c", 'rm -f "$PROMETHEUS_MULTIPROC_DIR"/*.db && exec "$@"', "sh", *command)


def _where(layout: Layout, ports: dict[str, int]) -> tuple[str, ...]:
    """Return where gunicorn listens: alone on loopback, with TLS, or on a Unix socket behind nginx."""
    if is_in_a_container():
        return ("--bind", f"unix:{frontserver.socket(layout)}")
    tls = ("--certfile", str(layout.service / "tls.crt"), "--keyfile", str(layout.service / "tls.key"))
    return (*tls, "--bind", f"127.0.0.1:{ports['web']}")


def _front_servers(layout: Layout, ports: dict[str, int]) -> list[Program]:
    """Return nginx, if the service is to be reached from elsewhere."""
    address = os.environ.get(ADDRESS_VARIABLE)
    if not address:
        return []
    return [frontserver.program(layout, address, ports["web"], lambda: _is_healthy(base_url(ports)))]


def digest(files: list[Path]) -> str:
    """Return one digest of the files' names and contents."""
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _sources(checkout: Path) -> list[Path]:
    """Return the service's files."""
    return [path for name in SOURCES for path in _files(checkout / name) if "__pycache__" not in path.parts]


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [below for below in path.rglob("*") if below.is_file()]


def _is_readable(checkout: Path) -> bool:
    """Say whether the service's account can read the checkout, its first and its last file (they share a umask)."""
    sources = _sources(checkout)
    return all(succeeds(["test", "-r", path], user=SERVICE) for path in (sources[0], sources[-1]))


def ca_file(layout: Layout) -> Path:
    """Return what callers trust: the CA of the service's certificate."""
    return layout.service / "tls.crt"


def _certify(home: Path) -> None:
    """Make a self-signed TLS certificate for ten years, which is its own CA."""
    if not (home / "tls.crt").exists():
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        files: list[str | Path] = ["-keyout", home / "tls.key", "-out", home / "tls.crt"]
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", *names, *files], user=SERVICE)
        (home / "tls.key").chmod(0o600)


def _make_admin(layout: Layout, ports: dict[str, int], code: Path) -> None:
    """Make the admin's login unless it exists; a password changed by hand stays."""
    login = {"DJANGO_SUPERUSER_USERNAME": ADMIN, "DJANGO_SUPERUSER_EMAIL": f"{ADMIN}@localhost"}
    secret = {"DJANGO_SUPERUSER_PASSWORD": password(layout, "admin")}
    try:
        manage(layout, ports, code, "createsuperuser", "--noinput", **login, **secret)
    except CommandFailed as refused:
        if "already taken" not in str(refused):
            raise


def _is_healthy(url: str) -> bool:
    """Say whether the service answers its health check with 200; its certificate is self-signed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5, context=context) as answer:  # noqa: S310 - https, own
            return bool(answer.status == 200)  # noqa: PLR2004 - the code's own name
    except (urllib.error.URLError, OSError):
        return False


def _listens(layout: Layout, ports: dict[str, int]) -> bool:
    """Say whether a Celery worker waits for tasks: its connection to Redis hangs in a blocking pop of the queues."""
    return "cmd=brpop" in databases.ask_redis(layout, ports, "CLIENT LIST")
