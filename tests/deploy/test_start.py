"""deploy/start.py: it becomes the program, or one line says why the service cannot be loaded."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.accounts import SERVICE
from sandbox.commands import as_user

pytestmark = pytest.mark.apart

ROOT = Path(__file__).parents[2]
START = ROOT / "deploy" / "start.py"


@pytest.fixture
def readable() -> Iterator[Path]:
    """A directory that every account may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def start(*command: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run it as the service's account, with the sandbox's settings and `changes` to them."""
    return subprocess.run(
        as_user(SERVICE, [sys.executable, "-B", str(START), *command]),
        env=os.environ | changes,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def refusal(*command: str, **changes: str) -> str:
    """Return what it says when it does not start, which is one line."""
    done = start(*command, **changes)
    assert (done.returncode, done.stdout) == (os.EX_CONFIG, "")
    [line] = done.stderr.splitlines()
    said = json.loads(line)
    assert said["level"] == "critical"
    return str(said["event"])


@pytest.mark.parametrize("program", ["gunicorn", "celery"])
def test_it_becomes_the_program(program: str) -> None:
    done = start(program, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_static_files_that_the_account_may_not_read_are_named(readable: Path) -> None:
    folder = readable / "static" / "admin"
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    assert f"may not read {folder}" in refusal("gunicorn", "--version", STATIC_ROOT=str(folder.parent))
    folder.chmod(0o755)
    assert start("gunicorn", "--version", STATIC_ROOT=str(folder.parent)).returncode == 0


@pytest.mark.parametrize("program", ["gunicorn", "celery"])
def test_a_secret_that_the_account_may_not_read_is_named(program: str, readable: Path) -> None:
    secret = readable / "secret"
    secret.write_text("redis://127.0.0.1/0")
    secret.chmod(0o600)
    assert f"REDIS_URL_FILE cannot be read: [Errno 13] Permission denied: '{secret}'" in refusal(
        program, "--version", REDIS_URL_FILE=str(secret)
    )


@pytest.mark.parametrize(
    "url", ["postgres://u:se/cret@h/d", "postgres://u:secret@h:se/d", "postgre://u:secret@h/d", "secret"]
)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    said = refusal("gunicorn", "--version", DATABASE_URL=url)
    assert said.startswith("The service cannot start: DATABASE_URL has to be like postgres://")
    assert "cret" not in said


def test_a_number_that_cannot_be_read_is_told_by_its_name() -> None:
    said = refusal("gunicorn", "--version", POLL_INTERVAL="secret")
    assert said == "The service cannot start: POLL_INTERVAL has to be a number such as 2.5"


def test_a_value_that_cannot_be_read_is_told_by_its_place() -> None:
    said = refusal("gunicorn", "--version", REVERSE_PROXIES="secret")
    assert said.startswith(f"The service cannot start: ValueError in {ROOT}/submitter/http/forwarded.py, line ")
    assert said.endswith("; `deploy/manage check` says more")


def test_another_program_is_refused() -> None:
    done = start("id")
    assert (done.returncode, "usage" in done.stderr) == (1, True)
