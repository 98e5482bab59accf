"""A real gunicorn of the service's settings on loopback, and clients that misbehave."""

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

CHECKOUT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds that a client of these tests waits for an answer


@dataclass
class Server:
    """A running web server. `tls` is None where it speaks plain HTTP; `path` is that of its Unix socket, if any."""

    process: "subprocess.Popen[bytes]"
    log: Path
    port: int = 0
    path: str = ""
    tls: ssl.SSLContext | None = None
    clients: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def connect(self, *, greet: bool = True) -> socket.socket:
        """Return a connection to it, which is closed at the end of the test; with `greet` TLS has begun on it."""
        if self.path:
            raw = socket.socket(socket.AF_UNIX)
            raw.connect(self.path)
        else:
            raw = socket.create_connection(("127.0.0.1", self.port))
        raw.settimeout(PATIENCE)
        if self.tls and greet:
            raw = self.tls.wrap_socket(raw, server_hostname="localhost")
        return self.clients.enter_context(raw)

    def send(self, data: bytes) -> socket.socket:
        """Send `data` on a new connection."""
        client = self.connect()
        client.sendall(data)
        return client

    def ask(self, path: str = "/", **options: Any) -> httpx.Response:
        """Be somebody else, who calls as one should."""
        transport = httpx.HTTPTransport(uds=self.path or None, verify=False)
        base = "http://localhost" if self.path else self.url
        with httpx.Client(transport=transport, timeout=PATIENCE, base_url=base) as client:
            return client.request(options.pop("method", "GET"), path, **options)

    def answers(self) -> bool:
        """Say whether it is up."""
        if self.path and not Path(self.path).exists():
            return False
        try:
            return self.ask().is_success
        except httpx.TransportError:
            return False


def until(look: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Look again and again until it is so."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def everything(client: socket.socket) -> bytes:
    """Return what comes on a connection until its end, however that comes."""
    received = b""
    try:
        while data := client.recv(65536):
            received += data
    except ConnectionError:
        pass
    return received


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    crt, key = folder / "tls.crt", folder / "tls.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", crt], capture_output=True, timeout=60, check=True)
    return crt, key


@contextmanager
def running(
    folder: Path, *words: str, application: str = "tests.server.application:application", kind: str = "tcp",
    certificate: tuple[Path, Path] | None = None, prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:  # fmt: skip
    """Run gunicorn with `words` and `environment` beside its settings; `kind` is "tcp", "tls" or "unix[:{path}]"."""
    unix, _, named = kind.partition(":")
    port, path = (0, named or f"{folder}/web.sock") if unix == "unix" else (free_port(), "")
    command = [*prefix, sys.executable, "-m", "gunicorn", "--config", "python:submitter.gunicorn.conf", *words]
    tls = None
    if kind == "tls" and certificate:
        command += ["--certfile", str(certificate[0]), "--keyfile", str(certificate[1])]
        tls = ssl.create_default_context(cafile=str(certificate[0]))
        tls.check_hostname = False
    address = f"unix:{path}" if path else f"127.0.0.1:{port}"
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--bind", address, application], cwd=CHECKOUT, stdout=log, stderr=log,
            env=os.environ | {"WEB_WORKERS": "1", "WEB_THREADS": "4"} | dict(environment or {}),
        )  # fmt: skip
        server = Server(process, folder / "web.log", port, path, tls)
        try:
            until(server.answers, f"it is up, see {server.log}")
            yield server
        finally:
            server.clients.close()
            process.terminate()
            process.wait(120)


KINDS = [pytest.param(kind, marks=pytest.mark.xdist_group(f"server on {kind}")) for kind in ("tcp", "unix", "tls")]


@pytest.fixture(scope="module", params=KINDS)
def hurried(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> Iterator[Server]:
    """One that gives clients two seconds for everything."""
    short = {"WEB_HEAD_SECONDS": "2", "WEB_BODY_SECONDS": "2", "WEB_SEND_SECONDS": "2"}
    folder = tmp_path_factory.mktemp(request.param)
    with running(folder, kind=request.param, certificate=certificate, environment=short) as server:
        yield server


@pytest.fixture(scope="module", params=KINDS)
def patient(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> Iterator[Server]:
    """One whose deadlines no test sees."""
    long = {"WEB_HEAD_SECONDS": "300", "WEB_BODY_SECONDS": "300", "WEB_SEND_SECONDS": "300"}
    folder = tmp_path_factory.mktemp(request.param)
    with running(folder, kind=request.param, certificate=certificate, environment=long) as server:
        yield server


@pytest.fixture(autouse=True)
def clients_leave(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close the connections of a test at its end."""
    yield
    for name in {"hurried", "patient"} & set(request.fixturenames):
        request.getfixturevalue(name).clients.close()
