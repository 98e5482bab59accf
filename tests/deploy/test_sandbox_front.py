"""nginx as the sandbox starts it where the service is to be reached from other machines: a call through it."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox import databases, frontserver, service
from sandbox.accounts import SERVICE
from sandbox.commands import as_user
from sandbox.layout import Layout, own
from sandbox.machine import ports_from
from tests.harness.sandbox_env import eventually
from tests.server.conftest import free_port, running

pytestmark = pytest.mark.apart

ROOT = Path(__file__).parents[2]
SITE = (ROOT / "deploy" / "nginx" / "job-submitter.conf").read_text()


@pytest.fixture
def place() -> Iterator[Layout]:
    """A state directory that the service's account can enter, with the service's certificate."""
    folder = Path(tempfile.mkdtemp(prefix="front "))
    folder.chmod(0o755)
    layout = Layout(ROOT, folder)
    service._certify(own(layout.service, SERVICE, 0o755))
    yield layout
    shutil.rmtree(folder)


def test_nginx_passes_calls_on_to_the_web_server_and_says_whose_they_are(place: Layout, tmp_path: Path) -> None:
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    program = frontserver.program(place, "127.0.0.1", port, lambda: True)
    application, trust = "tests.server.application:behind_front_servers", {"REVERSE_PROXIES": frontserver.SOCKET}
    kind = f"unix:{frontserver.socket(place)}"
    with (
        running(tmp_path, kind=kind, application=application, environment=trust),
        subprocess.Popen(as_user(program.user, program.command)) as nginx,
    ):
        try:
            eventually(lambda: up(url), "nginx answers")
            claims = {"SCRIPT_NAME": "/here", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}
            told = httpx.get(f"{url}/here", headers=claims, verify=False).json()  # noqa: S501 - a loopback
            assert told["SCRIPT_NAME"] == ""
            assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"], told["PATH_INFO"]) == ("127.0.0.1", "https", "/here")
        finally:
            nginx.terminate()


def up(url: str) -> bool:
    try:
        return httpx.get(url, verify=False).is_success  # noqa: S501 - a loopback
    except httpx.TransportError:
        return False


def test_an_example_that_has_changed_is_noticed(place: Layout) -> None:
    assert "listen 0.0.0.0:1 ssl" in frontserver.configuration(SITE, place, "0.0.0.0:1")
    with pytest.raises(ValueError, match="error"):
        frontserver.configuration(SITE.replace("job-submitter.error.log", "other.log"), place, "0.0.0.0:1")


def test_the_web_server_is_reached_from_elsewhere_through_nginx_alone(
    place: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "database_url", lambda *_: "postgres://localhost/none")
    monkeypatch.setattr(databases, "redis_url", lambda *_: "redis://localhost")
    ports = ports_from(20_000)

    def commands() -> dict[str, str]:
        return {one.name: " ".join(one.command) for one in service.programs(place, ports, ROOT)}

    assert "nginx" not in commands()
    assert f"--bind 127.0.0.1:{ports['web']}" in commands()["web"]
    monkeypatch.setenv(service.ADDRESS_VARIABLE, "0.0.0.0")  # noqa: S104 - what is tested
    assert f"--bind unix:{frontserver.socket(place)}" in commands()["web"]
    assert "nginx.conf" in commands()["nginx"]
    assert f"listen 0.0.0.0:{ports['web']} ssl" in (place.service / "nginx.conf").read_text()
