"""nginx with the configuration of deploy/ in front of a web server of the service: real calls through both."""

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness.caller import Caller, script
from tests.harness.contract import error
from tests.harness.sandbox_env import Cluster, eventually, variable

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deploy" / "nginx" / "job-submitter.conf"


@dataclass(frozen=True)
class Front:
    """A running nginx: its addresses, its files, and what runs it."""

    https: str
    http: str
    folder: Path
    command: list[str]


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def installed(folder: Path, https: int, http: int) -> list[str]:
    """Write the site's configuration with this folder's files and these ports; return the command that runs nginx."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=submit.example.org",
    ]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.pem")]
    subprocess.run([*command, *files], capture_output=True, timeout=60, check=True)
    text = CONFIGURATION.read_text()
    for old, new in {
        "/etc/ssl/certs/submit.example.org.pem": f"{folder}/tls.pem",
        "/etc/ssl/private/submit.example.org.key": f"{folder}/tls.key",
        "/var/log/nginx": str(folder),
        "/run/job-submitter.sock": f"{folder}/web.sock",
        "listen 443": f"listen 127.0.0.1:{https}",
        "listen 80": f"listen 127.0.0.1:{http}",
        "listen [::]:443": f"listen [::1]:{https}",
        "listen [::]:80": f"listen [::1]:{http}",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "site.conf").write_text(text)
    main = f"pid {folder}/nginx.pid; daemon off; user root; worker_processes 1; events {{}} "
    places = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"{main} http {{ {places} include {folder}/site.conf; }}\n")
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "Debian's package nginx-light has it"
    return [program, "-e", str(folder / "start.log"), "-c", str(folder / "nginx.conf")]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The service's web server on a Unix socket, and nginx in front of it."""
    folder = tmp_path_factory.mktemp("front")
    https, http = free_ports()
    nginx = installed(folder, https, http)
    gunicorn = [sys.executable, "-m", "gunicorn", "--config", "python:submitter.gunicorn.conf", "submitter.wsgi"]
    environment = os.environ | {"REVERSE_PROXIES": "unix", "WEB_WORKERS": "1", "ALLOWED_HOSTS": "127.0.0.1,localhost"}
    with (folder / "web.log").open("wb") as log:
        web = subprocess.Popen(
            [*gunicorn, "--bind", f"unix:{folder}/web.sock"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        served = subprocess.Popen(nginx, stdout=log, stderr=log)
        try:
            one = Front(f"https://127.0.0.1:{https}", f"http://127.0.0.1:{http}", folder, nginx)
            eventually(lambda: answers(one), f"nginx and gunicorn answer; see {folder}")
            yield one
        finally:
            for process in (served, web):
                process.terminate()
                process.wait(timeout=30)


def answers(front: Front) -> bool:
    try:
        return httpx.get(f"{front.https}/healthz", verify=False).status_code == 200  # noqa: S501 - a loopback
    except httpx.TransportError:
        return False


@pytest.fixture
def caller(front: Front) -> Iterator[Caller]:
    """Alice, through nginx."""
    proxy = Path(variable("ALICE_PROXY")).read_bytes()
    with httpx.Client(base_url=front.https, verify=False, timeout=90) as client:  # noqa: S501 - a loopback
        one = Caller(client, proxy)
        yield one
        one.clear_up()


def test_nginx_understands_every_line(tmp_path: Path) -> None:
    command = installed(tmp_path, *free_ports())
    done = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "warn" in done.stderr) == (0, False), done.stderr


def test_nothing_is_in_it_that_some_versions_of_nginx_warn_of_or_refuse() -> None:
    """HTTP/2 is a word behind `listen` before nginx 1.25.1, which deprecates that for a directive of its own."""
    rules = [line.partition("#")[0] for line in CONFIGURATION.read_text().splitlines()]
    assert [rule for rule in rules if "http2" in rule] == []


def test_a_job_is_submitted_and_read_through_nginx(caller: Caller, front: Front, zeus: Cluster) -> None:
    job = caller.submit(zeus, "echo through nginx", working_directory="/tmp")  # noqa: S108 - a cluster's directory
    assert caller.job(job["job_id"])["job_id"] == job["job_id"]
    assert job["stdout_path"].startswith(f"{front.https}/api/jobs/")
    assert job["job_id"] in [one["job_id"] for one in caller.call("GET", "/api/jobs").json()]


def test_the_service_sees_the_client_s_address_and_no_other_that_it_claims(caller: Caller, front: Front) -> None:
    caller.call("GET", "/api/jobs", headers={"X-Forwarded-For": "192.0.2.66"})
    lines = [json.loads(line) for line in (front.folder / "web.log").read_text().splitlines() if line.startswith("{")]
    clients = {line["client"] for line in lines if line.get("event") == "proxy accepted"}
    assert clients == {"127.0.0.1"}


@pytest.mark.parametrize("kib", [9, 32, 48])
def test_a_large_proxy_reaches_the_service(caller: Caller, kib: int) -> None:
    answer = caller.client.get("/api/jobs", headers={"PROXY": "A" * kib * 1024})
    assert answer.status_code == 401
    error(answer, 401)


def test_what_nginx_refuses_itself_has_the_form_of_every_error(caller: Caller) -> None:
    error(caller.client.get("/api/jobs", headers={"PROXY": "A" * 70_000}), 431)
    error(caller.client.post("/api/jobs", headers=caller.headers, content=b"x" * (27 * 1024 * 1024)), 413)
    error(caller.client.get("/api/jobs", headers={"Host": "a b"}), 400)
    error(caller.client.get(f"/api/jobs?tag={'a' * 62_000}", headers={"X-Long": "a" * 60_000}), 414)
    error(caller.client.request("TRACE", "/api/jobs"), 405)


@pytest.mark.parametrize("path", ["/api", "/API/jobs", "//api/jobs/x/y", "/api//jobs/x/y", "/x", "/static/nothing"])
def test_a_misspelt_address_has_the_form_of_every_error(caller: Caller, path: str) -> None:
    error(caller.call("GET", path), 404)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n ", "\r\n "])
def test_a_proxy_on_several_lines_is_told_how_to_send_it_on_one(front: Front, caller: Caller, end: str) -> None:
    lines = base64.encodebytes(caller.proxy or b"").decode().strip().replace("\n", end)
    start = "GET /api/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close"
    told = raw(front, f"{start}\r\nPROXY: {lines}\r\n\r\n".encode())
    assert told.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 "))
    assert "base64 -w0" in json.loads(told.partition(b"\r\n\r\n")[2])["error_message"]


def test_a_misspelt_filter_is_refused_through_nginx(caller: Caller) -> None:
    assert "tga: unknown" in error(caller.call("GET", "/api/jobs?tga=x"), 422)["error_message"]


def test_a_proxy_in_the_clear_is_not_redirected(front: Front, caller: Caller) -> None:
    told = error(httpx.get(f"{front.http}/api/jobs", headers=caller.headers), 403)
    assert "should not be used any more" in told["error_message"]
    page = httpx.get(f"{front.http}/")
    assert (page.status_code, page.headers["Location"]) == (301, "https://127.0.0.1/")


def test_nothing_of_a_proxy_is_in_nginx_s_logs(caller: Caller, front: Front) -> None:
    value = caller.headers["PROXY"]
    caller.call("GET", "/api/jobs")
    caller.client.get("/api/jobs", headers={"PROXY": value * 20})
    eventually(
        lambda: [line["status"] for line in access_log(front) if line["path"] == "/api/jobs"][-2:] == ["200", "431"],
        "both are logged",
    )
    written = "".join(log.read_text() for log in front.folder.glob("*.log"))
    assert not [start for start in range(0, len(value) - 24, 24) if value[start : start + 24] in written]


def access_log(front: Front) -> list[dict[str, Any]]:
    """Return the lines of nginx's log of requests. Raises ValueError where one is no JSON."""
    return [json.loads(line) for line in (front.folder / "job-submitter.access.log").read_text().splitlines()]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/a%0a%7b%22forged%22%7d?secret", "/a%0a%7b%22forged%22%7d"),
        (b'/a"\\', '/a"\\'),
        (b"/\xff", "unprintable"),
        (b"/za\xc5\xbc", "unprintable"),
    ],
)
def test_each_request_is_one_line_of_json_in_nginx_s_log(front: Front, target: bytes, path: str) -> None:
    before = len(access_log(front))
    raw(front, b"GET " + target + b" HTTP/1.0\r\nHost: localhost\r\n\r\n")
    [line] = eventually(lambda: access_log(front)[before:], "it is logged")
    assert (line["path"], line["method"], line["address"]) == (path, "GET", "127.0.0.1")
    assert "secret" not in (front.folder / "job-submitter.access.log").read_text()


@pytest.mark.parametrize(
    "head", [b"GET /\r\n", b"secret\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /\x1b[31m HTTP/1.0\r\n\r\n"]
)
def test_what_is_no_request_is_a_line_of_json_too(front: Front, head: bytes) -> None:
    before = len(access_log(front))
    raw(front, head)
    eventually(lambda: access_log(front)[before:], "it is logged")


def raw(front: Front, head: bytes) -> bytes:
    """Send bytes through TLS and return what comes."""
    context = ssl._create_unverified_context()  # noqa: S323 - a loopback
    port = int(front.https.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(head)
        return b"".join(iter(lambda: client.recv(65536), b""))


CLAIMS = {
    "SCRIPT_NAME": "/here", "Script-Name": "/here", "PATH_INFO": "/api/nowhere", "X-Forwarded-Proto": "http",
    "X-Forwarded-Protocol": "http", "X-Forwarded-Ssl": "off", "X-Forwarded-Host": "evil.example.org",
    "X-Forwarded-Prefix": "/here", "X_FORWARDED_FOR": "192.0.2.1", "X-Real-IP": "192.0.2.1",
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_a_client_behind_nginx_changes_no_path_scheme_or_name_of_the_service(
    caller: Caller, front: Front, name: str
) -> None:
    answer = caller.call("GET", "/api/jobs?limit=1", headers={name: CLAIMS[name]})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Link"].startswith(f"<{front.https}/api/jobs?")


def test_an_absent_service_is_said_so_in_json(tmp_path: Path) -> None:
    https, http = free_ports()
    command = installed(tmp_path, https, http)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as served:
        try:
            context = ssl._create_unverified_context()  # noqa: S323 - a loopback

            def look() -> httpx.Response | None:
                try:
                    return httpx.get(f"https://127.0.0.1:{https}/api/jobs", verify=context)
                except httpx.TransportError:
                    return None

            answer = eventually(look, "nginx answers")
        finally:
            served.terminate()
    error(answer, 503)
    assert answer.headers["Retry-After"] == "30"


def test_a_script_in_the_form_of_the_seed_s_sample_call_gets_through(caller: Caller, zeus: Cluster) -> None:
    body = json.dumps({"host": zeus.host, "script": script("true"), "working_directory": "/tmp"})  # noqa: S108 - as above
    answer = caller.call("POST", "/api/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text
    caller.submitted.append(answer.json()["job_id"])
