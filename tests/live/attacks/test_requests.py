"""Requests with odd headers and paths: each gets the API's own answer, and no line of the log is theirs to write."""

import itertools
import json
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.harness.databases import free_port
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.live.attacks.attacker import ADDRESS, Attacker

_FIELDS = {"status", "exit_code", "standard_output", "error_output", "error_message", "tag"}

_CHARSETS = [
    *("nonsense", "", "\xff", "a" * 5000, "utf-7", "utf-16", "idna", "punycode", "undefined", "unicode_escape"),
    *("base64", "hex", "rot13", "zlib", "uu", "quopri", "mbcs", "oem", '"utf-8', "utf-8;charset=hex", "*=x''hex"),
]
_TYPES = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=\xff", "text/plain"]
_API = ["/api/jobs", "/api/jobs/1.x", "/api/nowhere"]
_PAGES = [*_API, "/admin/login/", "/healthz", "/api/schema", "/jobs/", "/"]

_FORGED = '{"event":"forged","level":"info"}'
_OF_FRONT_SERVERS = [
    "SCRIPT_NAME",
    "SCRIPT-NAME",
    "Script_Name",
    "PATH_INFO",
    "PATH-INFO",
    "REMOTE_USER",
    "REMOTE_ADDR",
]
_LINES = [
    f"GET /api/jobs/x%0a{_FORGED}%0a HTTP/1.1",
    f"GET /api/jobs/x%0d%0a{_FORGED} HTTP/1.1",
    "GET /api/jobs/%1b[2J%1b]0;owned%07 HTTP/1.1",
    "GET /api/jobs/\x1b[2J\x07 HTTP/1.1",
    'GET /api/jobs/"%22"%20200%201%201us HTTP/1.1',
    "GET /api/jobs/%e2%80%a8%c2%85%00 HTTP/1.1",
    "GET /api/jobs/%ff%fe\xff HTTP/1.1",
    f"{_FORGED.replace(' ', '')} /api/jobs HTTP/1.1",
    f"GET /api/jobs{_FORGED} HTTP/9.9",
    f"\n{_FORGED}\n",
    "\x16\x03\x01\x02",
]


def exchange(port: int, request: bytes, address: str = ADDRESS) -> tuple[int, bytes]:
    """Send `request` as it is; return the status code, 0 where there is no answer, and the body."""
    with closing(socket.create_connection(("127.0.0.1", port), 10, (address, 0))) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head.startswith(b"HTTP/") else 0), body


@contextmanager
def another_web_server(instance: Instance) -> Iterator[tuple[int, Path]]:
    """Run another web server of the instance meanwhile; give its port and its log, which is whole afterwards."""
    port = free_port()
    web = instance.web_server(port, "submitter.wsgi")
    web.start()
    try:
        yield port, web.log
    finally:
        web.stop(signal.SIGTERM)


@pytest.mark.parametrize("proxy", [False, True], ids=["anonymous", "with a proxy"])
def test_content_type_with_an_odd_charset_is_no_fault_of_the_service(
    instance: Instance, attacker: Attacker, proxy: bool
) -> None:
    faults = []
    for kind, charset, page in itertools.product(_TYPES, _CHARSETS, _PAGES):
        for method in ("GET", "POST"):
            request = attacker.request(method, f"{page}?tag=%41%ff", b"a=%41%ff", proxy=proxy)
            odd = f"{kind}; charset={charset}".encode("latin-1")
            code, body = exchange(instance.port, request.replace(b"application/json", odd))
            is_ours = page not in _API or code < 400 or content(body).keys() >= _FIELDS
            if not 0 < code < 500 or not is_ours:
                faults.append((method, page, odd[:80], code, body[:200]))
    assert not faults, "\n".join(map(str, faults[:30]))


def test_log_line_is_one_line_of_json_whatever_came(instance: Instance, attacker: Attacker) -> None:
    with another_web_server(instance) as (port, log):
        for line in _LINES:
            for more in ("", f"PROXY: {_FORGED}\r\n", f"User-Agent: \x1b[2J\r\nReferer: {_FORGED}\r\n"):
                exchange(port, f"{line}\r\nHost: 127.0.0.1\r\nConnection: close\r\n{more}\r\n".encode("latin-1"))
        named = exchange(port, attacker.request("GET", f"/api/jobs/x%0a{_FORGED}%0a"))
        assert named[0] == 404
    lines = log.read_text().splitlines()
    assert len(lines) > len(_LINES)
    entries = [json.loads(line) for line in lines]
    assert not [entry for entry in entries if entry["event"] == "forged"]


def test_header_that_only_a_front_server_may_send_changes_no_answer(
    instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster]
) -> None:
    path = f"/api/jobs/{attacker.hold(clusters[0])}"
    usual = exchange(instance.port, attacker.request("GET", path))
    values = ["/api", "/evil", path, "//evil.example.org", ""]
    changed = []
    for name, value, address in itertools.product(_OF_FRONT_SERVERS, values, [ADDRESS, "127.0.0.1"]):
        answer = exchange(instance.port, attacker.request("GET", path, headers={name: value}), address)
        if answer[0] not in {200, 400} or (answer[0] == 200 and paths(answer[1]) != paths(usual[1])):
            changed.append((name, value, answer))
    assert not changed, "\n".join(map(str, changed))


def paths(body: bytes) -> list[object]:
    """Return what a job's answer says of where things are."""
    job = content(body)
    return [job.get(name) for name in ("job_id", "stdout_path", "stderr_path")]


def content(body: bytes) -> dict[str, object]:
    """Return the object that an answer holds, nothing for any other answer."""
    try:
        found: dict[str, object] = json.loads(body)
    except ValueError:
        return {}
    return found
