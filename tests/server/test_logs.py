"""Each line that the processes write is one line of valid JSON, whatever comes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import CHECKOUT, Server, everything, running, until

pytestmark = pytest.mark.apart

NOWHERE = {
    "SECRET_KEY": "x" * 60, "DATABASE_URL": "postgres://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0",
}  # fmt: skip


def lines(log: Path) -> list[dict[str, Any]]:
    """Return every line of a log. Raises ValueError where one is no JSON."""
    return [json.loads(line) for line in log.read_bytes().decode("ascii").splitlines()]


def requests(log: Path) -> list[dict[str, Any]]:
    return [line for line in lines(log) if line["event"] == "request"]


@pytest.fixture(scope="module", params=["tcp", "unix"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("logs"), kind=request.param) as server:
        yield server


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (b"/a%0a%7b%22event%22:%22forged%22%7d", '/a\n{"event":"forged"}'),
        (b"/%1b[31m%22'%5c", "/\x1b[31m\"'\\"),
        (b"/%ff%00%e2%80%a8", "/\ufffd\x00\u2028"),
        (b"/za%c5%bc", "/zaż"),
        (b"/there?secret", "/there"),
    ],
)
def test_a_request_is_one_line_with_its_own_path(server: Server, sent: bytes, path: str) -> None:
    head = b"GET " + sent + b' HTTP/1.0\r\nX-Odd: "\x80\r\nPROXY: secret\r\n\r\n'
    received = everything(server.send(head))
    assert b"200 OK" in received
    until(lambda: requests(server.log)[-1]["path"] == path, f"{path!r} is in the log")
    line = requests(server.log)[-1]
    assert (line["method"], line["status"]) == ("GET", 200)
    assert line["bytes"] == len(received.partition(b"\r\n\r\n")[2])
    assert line["address"] == ("" if server.path else "127.0.0.1")
    assert line["seconds"] >= 0
    assert b"secret" not in server.log.read_bytes()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /secret\x1b HTTP/1.1\r\n\r\n",
        b"secret\r\n\r\n",
        b"GET / HTTP/1.1\r\nPROXY: begun\r\nsecret\r\n\r\n",
        b"GET / HTTP/1.1\r\nPROXY: begun\r\n secret\r\n\r\n",
        b"GET / HTTP/1.1\r\nPROXY: \x01secret\r\n\r\n",
        b"GET / HTTP/1.1\r\nsecret:secret\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nExpect: secret\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: secret\r\n\r\n",
        b"GET / HTTP/secret\r\n\r\n",
        b"secret / HTTP/1.1\r\n\r\n",
    ],
)
def test_nothing_of_what_is_refused_is_in_the_log_or_in_the_answer(server: Server, head: bytes) -> None:
    before = len(lines(server.log))
    assert b"secret" not in everything(server.send(head))
    until(lambda: lines(server.log)[before:], "it is logged")
    [line] = lines(server.log)[before:]
    assert line["event"] == "request-refused"
    assert b"secret" not in server.log.read_bytes()


def test_a_crash_of_the_application_is_one_traceback(server: Server) -> None:
    before = len(lines(server.log))
    assert b"500 Internal Server Error" in everything(
        server.send(b"GET /crash?secret HTTP/1.1\r\nPROXY: secret\r\n\r\n")
    )
    until(lambda: lines(server.log)[before:], "it is logged")
    assert ["on purpose" in line.get("exception", "") for line in lines(server.log)[before:]] == [True]
    assert b"secret" not in server.log.read_bytes()


def test_an_application_that_cannot_be_loaded_is_logged_in_lines(tmp_path: Path) -> None:
    with (tmp_path / "web.log").open("wb") as log:
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "--config",
            "python:submitter.gunicorn.conf",
            "--bind",
            "127.0.0.1:0",
        ]
        subprocess.run(
            [*command, "tests.server.failing:application"],
            cwd=CHECKOUT,
            stdout=log,
            stderr=log,
            timeout=60,
            check=False,
        )
    written = lines(tmp_path / "web.log")
    assert any("on purpose,\nin two lines" in line.get("exception", "") for line in written)
    assert any("of two\nlines" in line["event"] for line in written)


@pytest.mark.parametrize("part", ["worker", "beat"])
def test_celery_writes_lines_from_its_start_to_its_end(tmp_path: Path, part: str) -> None:
    more = {"worker": ["--concurrency", "1"], "beat": ["--schedule", str(tmp_path / "schedule"), "--pidfile="]}[part]
    command = [sys.executable, "-m", "celery", "-A", "submitter", "--quiet", part, "--loglevel", "INFO", *more]
    with (tmp_path / "celery.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=os.environ | NOWHERE, stdout=log, stderr=log)
    try:
        until(lambda: "refused" in (tmp_path / "celery.log").read_text(), "it misses its broker")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    written = lines(tmp_path / "celery.log")
    assert any(line["logger"].startswith("celery.") for line in written)
