"""`make audit` as CI runs it, with real pip-audit: a flaw, none, and nobody who could be asked."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "dependencies.py"
NOWHERE = "http://127.0.0.1:1"
FLAW = {
    "id": "PYSEC-0000-1",
    "summary": "opens the door",
    "affected": [
        {
            "package": {"name": "left-pad", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}


class Source(HTTPServer):
    """A source of vulnerabilities in the form of OSV, which knows `answer` of every package."""

    answer: dict[str, Any]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.answer = {}


class Answer(BaseHTTPRequestHandler):
    """Answers a question of pip-audit."""

    def do_POST(self) -> None:
        """Say the same of every package."""
        assert isinstance(self.server, Source)
        body = json.dumps(self.server.answer).encode()
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        """Say nothing."""


@pytest.fixture
def source() -> Iterator[Source]:
    """A source that answers, on loopback."""
    with Source() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    """A file that pins one package."""
    file = tmp_path / "requirements.txt"
    file.write_text(f"left-pad==1.0 --hash=sha256:{'0' * 64}\n")
    return file


def audit(file: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run the script where the package index is out of reach and OSV is at `url`."""
    environment = os.environ | {"HTTPS_PROXY": NOWHERE, "NO_PROXY": "127.0.0.1", "PIP_AUDIT_OSV_URL": url}
    command = [sys.executable, str(SCRIPT), str(file)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_flaw_is_named_and_fails(source: Source, pinned: Path) -> None:
    source.answer = {"vulns": [FLAW]}
    done = audit(pinned, f"http://127.0.0.1:{source.server_port}")
    assert done.returncode == 1
    assert "left-pad 1.0: PYSEC-0000-1, mended in 1.1" in done.stdout


def test_where_nothing_is_known_all_is_well(source: Source, pinned: Path) -> None:
    done = audit(pinned, f"http://127.0.0.1:{source.server_port}")
    assert (done.returncode, done.stdout) == (0, "Audit of the dependencies: 1 asked at osv, 0 to look at.\n")


def test_where_nobody_can_be_asked_it_says_that_it_was_not_run(pinned: Path) -> None:
    done = audit(pinned, NOWHERE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Audit of the dependencies: NOT RUN.")
    assert "\n  pypi: " in done.stdout
    assert "\n  osv: " in done.stdout


def test_a_file_that_cannot_be_read_is_no_reason_not_to_run(pinned: Path) -> None:
    pinned.write_text("left-pad==\n")
    done = audit(pinned, NOWHERE)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip-audit failed: " in done.stderr
