"""What cannot be read of the environment stops the start-up by the variable's name, and no value is repeated."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
NEEDED = {"SECRET_KEY": "x", "DATABASE_URL": "postgres://localhost/x", "REDIS_URL": "redis://localhost"}
WRONG = [
    ("WORKER_THREADS", "hush-abc"), ("WORKER_THREADS", "0"), ("WORKER_THREADS", "-77123"), ("WORKER_THREADS", ""),
    ("POLL_INTERVAL", "-77123"), ("POLL_INTERVAL", "hush5"), ("POLL_INTERVAL", "nan"), ("POLL_INTERVAL", "0"),
    ("SECURE_SSL_REDIRECT", "hush-maybe"), ("PROXY_ALLOW_LIMITED", "2"), ("DEBUG", "hush"), ("LOG_READABLE", "hush"),
    ("LOGIN_LOCKOUT_MINUTES", "9" * 30), ("PROXY_MAX_DELEGATIONS", "hush"), ("PROXY_MEMORY_SECONDS", "inf"),
    ("SECURE_HSTS_SECONDS", "-77123"), ("ACCOUNT_UIDS", "hush"), ("SECRET_KEY", "$hush"), ("DATABASE_URL", "hush://x"),
    ("REDIS_URL", "hush"), ("REDIS_URL", "redis://:hush@x:hush"),
]  # fmt: skip


def served(**environment: str) -> str:
    """Load gunicorn's settings; return what was printed."""
    env = {"PATH": os.environ["PATH"], **environment}
    done = subprocess.run(
        [sys.executable, "-c", "import submitter.gunicorn.conf"], env=env, cwd=CHECKOUT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.stderr


@pytest.mark.parametrize("name", ["WEB_WORKERS", "WEB_THREADS", "WEB_HEAD_SECONDS", "WEB_STOP_SECONDS"])
@pytest.mark.parametrize("value", ["hush", "-77123"])
def test_variable_of_the_web_server_is_named(name: str, value: str) -> None:
    printed = served(**{name: value})
    assert f"ImproperlyConfigured: {name} has to be" in printed
    assert "hush" not in printed


def load(**environment: str) -> tuple[int, str]:
    """Load the settings in a process of their own; return its exit code, and what it printed last."""
    env = {"PATH": os.environ["PATH"], **NEEDED, **environment}
    done = subprocess.run(
        [sys.executable, "-c", "import submitter.settings"], env=env, cwd=CHECKOUT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_variable_is_named_and_its_value_is_not(name: str, value: str) -> None:
    code, printed = load(**{name: value})
    assert code == 1
    assert f"ImproperlyConfigured: {name} " in printed
    assert "hush" not in printed
    assert "77123" not in printed


def test_secret_that_is_no_text_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"hush\xff")
    code, printed = load(SECRET_KEY_FILE=str(path))
    assert (code, "ImproperlyConfigured: SECRET_KEY_FILE has to name a file of UTF-8 text" in printed) == (1, True)
    assert "0xff" not in printed


@pytest.mark.parametrize("name", ["check", "doctor"])
def test_command_says_it_in_one_line(name: str) -> None:
    done = subprocess.run(  # noqa: S603 - the two above
        [sys.executable, "manage.py", name], env={"PATH": os.environ["PATH"], **NEEDED, "WORKER_THREADS": "abc"},
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The settings are wrong: WORKER_THREADS has to be a whole number such as 16\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [("DEBUG", "no"), ("DEBUG", "ON"), ("POLL_INTERVAL", "1e1"), ("LARGE_BODIES", "0"), ("REDIS_URL", "unix:///x")],
)
def test_what_can_be_read_is_taken(name: str, value: str) -> None:
    assert load(**{name: value}) == (0, "")
