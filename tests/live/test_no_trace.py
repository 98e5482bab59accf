"""Private keys leave no trace in logs, databases, the broker or error reports, whatever the service goes through."""

import base64
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
import redis
from psycopg.sql import SQL, Identifier

from tests.harness.sandbox_env import PATIENCE

pytestmark = pytest.mark.alone  # it stops a login node

RUN = 40  # characters of Base64 in a row that count as a trace
ORDER = {"host": "zeus", "script": "#!/bin/bash\n#SBATCH -A plgtest\nenv\n", "tag": "trace"}


def proxy(user: str) -> bytes:
    return Path(os.environ[f"{user}_PROXY"]).read_bytes()


def header(content: bytes) -> str:
    return base64.b64encode(content).decode()


def key_of(pem: bytes) -> str:
    """The Base64 of the private key in `pem`."""
    found = re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", pem, re.DOTALL)
    assert found
    return re.sub(rb"\s", b"", found[1]).decode()


def runs(text: str) -> set[str]:
    return {text[start : start + RUN] for start in range(len(text) - RUN + 1)}


def secrets() -> set[str]:
    """Every run of the keys that the service works with, and of the headers that carry them."""
    found: set[str] = set()
    for user in ("ALICE", "BOB", "CAROL"):
        found |= runs(key_of(proxy(user))) | runs(header(proxy(user)))
    return found | runs(key_of(Path(os.environ["SSH_CA_KEY"]).read_bytes()))


def traces(text: str, wanted: set[str]) -> list[str]:
    flat = re.sub(r"\\n|\s", "", text)
    return [flat[at : at + RUN] for at in range(len(flat) - RUN + 1) if flat[at : at + RUN] in wanted]


def test_the_search_finds_a_key_that_was_left() -> None:
    wanted = secrets()
    assert traces("before\n" + proxy("ALICE").decode() + "after", wanted)
    assert traces(f'{{"PROXY": "{header(proxy("BOB"))}"}}', wanted)
    assert traces(repr(Path(os.environ["SSH_CA_KEY"]).read_text()), wanted)
    assert not traces("nothing of the kind", wanted)


def mistreated(content: bytes) -> dict[str, str]:
    """Headers that hold a key and are refused, each in its own way."""
    other = proxy("BOB")
    blocks = re.findall(rb"-----BEGIN.*?-----END [A-Z ]+-----\n", content, re.DOTALL)
    others = re.findall(rb"-----BEGIN.*?-----END [A-Z ]+-----\n", other, re.DOTALL)
    return {
        "cut off": header(content)[:-7],
        "not Base64": header(content)[:100] + "!" + header(content)[100:],
        "URL-safe": header(content).replace("+", "-").replace("/", "_") + "-_",
        "plain": content.decode().replace("\n", " ").strip(),
        "key only": header(blocks[1]),
        "two keys": header(content + blocks[1]),
        "somebody else's key": header(blocks[0] + others[1] + blocks[2]),
        "certificates only": header(blocks[0] + blocks[2]),
        "junk between": header(b"junk\n".join(blocks)),
        "too long": header(content * 8),
    }


def go_through_everything(base_url: str) -> str:
    """Use the service as users do, rightly and wrongly; return all that it answered."""
    answers = []
    with httpx.Client(base_url=base_url, verify=False, timeout=60) as client:  # noqa: S501 - a self-signed loopback
        for user in ("ALICE", "BOB", "CAROL"):
            headers = {"PROXY": header(proxy(user))}
            answers.append(client.post("/api/jobs", json=ORDER, headers=headers))
            answers += [
                client.get(f"/api/jobs{rest}", headers=headers) for rest in ("", "?tag=trace", "/1.x", "/1.x/stdout")
            ]
            answers.append(client.post("/api/jobs", json={"host": 1}, headers=headers))
            answers.append(client.get("/admin/", headers=headers, follow_redirects=True))
            answers.append(client.get("/api/crash", headers=headers))
            answers.append(client.get("/nowhere", headers=headers))
        for value in mistreated(proxy("ALICE")).values():
            answers.append(client.get("/api/jobs", headers={"PROXY": value}))
            answers.append(client.get("/api/jobs", headers={"X-Proxy-Certificate": value, "PROXY": value}))
    assert {answer.status_code for answer in answers} >= {200, 401, 403, 404, 422}
    return "\n".join(answer.text for answer in answers)


@contextmanager
def own_instance(folder: Path, *, debug: bool) -> Iterator[str]:
    """Serve the crashing application on a port of its own; its output goes to a file in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = (folder / f"debug-{debug}.log").open("wb")
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "python:submitter.gunicorn.conf",
        "--bind",
        f"127.0.0.1:{port}",
    ]
    environment = os.environ | {
        "DEBUG": str(debug), "WEB_WORKERS": "1", "LOG_FORMAT": "text" if debug else "json",
        "SECURE_SSL_REDIRECT": "false",
    }  # fmt: skip
    server = subprocess.Popen(
        [*command, "tests.live.crashing:application"], env=environment, stdout=output, stderr=output
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, "the instance does not start"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)
        output.close()


def supervisor(*words: str) -> None:
    subprocess.run([*shlex.split(os.environ["SUPERVISORCTL"]), *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the service answered to all of it, and the folder with the logs of the instances that crashed."""
    folder = tmp_path_factory.mktemp("instances")
    answers = [go_through_everything(os.environ["BASE_URL"])]
    supervisor("stop", "zeus-sshd")
    try:
        answers.append(go_through_everything(os.environ["BASE_URL"]))
    finally:
        supervisor("start", "zeus-sshd")
    for debug in (False, True):
        with own_instance(folder, debug=debug) as base_url:
            answers.append(go_through_everything(base_url))
    time.sleep(float(os.environ.get("POLL_INTERVAL", "5")) + 2)  # Celery's turn
    return "\n".join(answers), folder


def test_no_answer_holds_a_trace_not_even_djangos_debug_page(everything: tuple[str, Path]) -> None:
    answers, _folder = everything
    assert "on purpose, with" in answers, "the debug page was not shown"
    assert not traces(answers, secrets())


def test_no_log_holds_a_trace(everything: tuple[str, Path]) -> None:
    _answers, folder = everything
    logs = [*Path(os.environ["SANDBOX_LOGS"]).glob("*"), *folder.glob("*.log")]
    assert {log.name for log in logs} >= {"web.log", "worker.log", "debug-True.log", "debug-False.log"}
    assert all(b"on purpose" in log.read_bytes() for log in folder.glob("*.log"))
    wanted = secrets()
    for log in logs:
        assert not traces(log.read_text(errors="replace"), wanted), log.name


@pytest.mark.usefixtures("everything")
def test_no_table_of_the_database_holds_a_trace() -> None:
    wanted, seen = secrets(), 0
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            rows = connection.execute(SQL("SELECT t::text FROM {} t").format(Identifier(table))).fetchall()
            seen += len(rows)
            assert not traces("\n".join(row for (row,) in rows), wanted), table
    assert seen > 0


@pytest.mark.usefixtures("everything")
def test_the_broker_holds_no_trace() -> None:
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    for key in client.scan_iter():
        assert not traces((key + (client.dump(key) or b"")).decode("latin-1"), secrets()), key


@pytest.mark.usefixtures("everything")
def test_the_databases_own_files_hold_no_trace() -> None:
    """What was deleted or never committed is still in the files: PostgreSQL's, and those of SLURM's accounting."""
    data = Path(os.environ["SANDBOX_LOGS"]).parent / "data"
    assert sum(file.is_file() for file in data.rglob("*")) > 100
    assert files_with_pieces(data) == []


def test_the_search_finds_a_piece_in_a_file_of_a_database(tmp_path: Path) -> None:
    for number, piece in enumerate((pieces_of(proxy("BOB"))[0], pieces_of(proxy("CAROL"))[-1])):
        (tmp_path / f"page {number}").write_bytes(b"\xff\0" * 5000 + piece.encode() + b"\0" * 5000)
    (tmp_path / "other").write_bytes(b"\xff\0" * 5000)
    assert sorted(files_with_pieces(tmp_path)) == [str(tmp_path / f"page {number}") for number in (0, 1)]


def files_with_pieces(folder: Path) -> list[str]:
    """Return the files below `folder` that hold a piece of a key or of a header; files vanish while they are read.

    grep looks for all pieces at once, which takes seconds where a search for one piece after the other takes a minute.
    """
    pieces = [piece for user in ("ALICE", "BOB", "CAROL") for piece in pieces_of(proxy(user))]
    command = ["grep", "--recursive", "--files-with-matches", "--no-messages", "--text", "--fixed-strings", "--file=-"]
    found = subprocess.run(
        [*command, str(folder)],
        input="\n".join(pieces), env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return found.stdout.splitlines()


def pieces_of(pem: bytes) -> list[str]:
    key, text = key_of(pem), header(pem)
    return [part[at : at + RUN] for part in (key, text) for at in range(0, len(part) - RUN, RUN)]
