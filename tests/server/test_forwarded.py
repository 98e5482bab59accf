"""Headers that only a front server may send: from anybody else they change nothing, over TCP and a Unix socket."""

import json
from collections.abc import Iterator

import pytest

from tests.server.conftest import Server, everything, running

pytestmark = pytest.mark.apart

APPLICATION = "tests.server.application:behind_front_servers"
ADDRESS = "192.0.2.1"
CLAIMS = {
    "SCRIPT_NAME": "/here", "Script-Name": "/here", "script_name": "/here", "X-Script-Name": "/here",
    "PATH_INFO": "/admin", "Path-Info": "/admin", "X-Original-URL": "/admin", "X-Rewrite-URL": "/admin",
    "REMOTE_ADDR": ADDRESS, "Remote-Addr": ADDRESS, "X-Real-IP": ADDRESS, "REMOTE_USER": "root",
    "X-Forwarded-For": ADDRESS, "X_FORWARDED_FOR": ADDRESS, "X-Forwarded-Host": "evil.example.org",
    "X-Forwarded-Proto": "https", "X_Forwarded_Proto": "https", "X-Forwarded-Protocol": "ssl", "X-Forwarded-Ssl": "on",
    "X-Forwarded-Prefix": "/here", "Forwarded": "proto=https", "wsgi.url_scheme": "https", "HTTPS": "on",
}  # fmt: skip
OWN = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/here/there",
    "SCRIPT_NAME": "",
    "QUERY_STRING": "",
    "wsgi.url_scheme": "http",
}


@pytest.fixture(scope="module", params=["tcp", "unix"])
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One without a front server."""
    nobody = {"REVERSE_PROXIES": "", "FORWARDED_ALLOW_IPS": "*"}  # the latter is gunicorn's own, and counts no more
    folder = tmp_path_factory.mktemp("alone")
    with running(folder, kind=request.param, application=APPLICATION, environment=nobody) as server:
        yield server


@pytest.fixture(scope="module", params=["tcp", "unix"])
def behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that believes whoever these tests are."""
    us = {"REVERSE_PROXIES": "unix" if request.param == "unix" else "127.0.0.1"}
    folder = tmp_path_factory.mktemp("behind")
    with running(folder, kind=request.param, application=APPLICATION, environment=us) as server:
        yield server


def seen(server: Server, claims: dict[str, str]) -> dict[str, str]:
    """Return what the application sees of a request with these headers."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in claims.items())
    answer = everything(server.send(f"GET /here/there HTTP/1.0\r\nHost: localhost\r\n{lines}\r\n".encode()))
    told: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return told


def own(server: Server) -> dict[str, str]:
    return OWN | {"REMOTE_ADDR": "" if server.path else "127.0.0.1"}


@pytest.mark.parametrize("name", CLAIMS)
def test_from_anybody_else_a_claim_changes_nothing(alone: Server, name: str) -> None:
    assert seen(alone, {name: CLAIMS[name]}) == own(alone)


def test_all_claims_at_once_change_nothing(alone: Server) -> None:
    assert seen(alone, CLAIMS) == own(alone)


def test_a_front_server_says_address_and_scheme_and_nothing_else(behind: Server) -> None:
    client = {"REMOTE_ADDR": "192.0.2.1", "wsgi.url_scheme": "https"}
    assert seen(behind, {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}) == OWN | client
    assert seen(behind, CLAIMS) == OWN | client


@pytest.mark.parametrize("name", sorted(set(CLAIMS) - {"X-Forwarded-For", "X-Forwarded-Proto"}))
def test_what_a_front_server_passes_on_of_its_client_changes_nothing(behind: Server, name: str) -> None:
    assert seen(behind, {name: CLAIMS[name], "X-Forwarded-For": "192.0.2.9"}) == OWN | {"REMOTE_ADDR": "192.0.2.9"}
