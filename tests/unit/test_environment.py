"""What cannot be read of the environment stops the start-up by the variable's name, and no value is repeated."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import forked

CHECKOUT = Path(__file__).parents[2]
NEEDED = {"SECRET_KEY": "x", "DATABASE_URL": "postgres://localhost/x", "REDIS_URL": "redis://localhost"}
WRONG = [
    ("WORKER_THREADS", "hush-abc"), ("WORKER_THREADS", "0"), ("WORKER_THREADS", "-77123"), ("WORKER_THREADS", ""),
    ("POLL_INTERVAL", "-77123"), ("POLL_INTERVAL", "hush5"), ("POLL_INTERVAL", "nan"), ("POLL_INTERVAL", "0"),
    ("SECURE_SSL_REDIRECT", "hush-maybe"), ("PROXY_ALLOW_LIMITED", "2"), ("DEBUG", "hush"), ("LOG_FORMAT", "hush"),
    ("LOGIN_LOCKOUT_MINUTES", "9" * 30), ("PROXY_MAX_DELEGATIONS", "hush"), ("PROXY_CACHE_TTL", "inf"),
    ("SECURE_HSTS_SECONDS", "-77123"), ("ACCOUNT_UIDS", "hush"), ("SECRET_KEY", "$hush"), ("DATABASE_URL", "hush://x"),
    ("REDIS_URL", "hush"), ("REDIS_URL", "redis://:hush@x:hush"),
]  # fmt: skip


def served(**environment: str) -> str:
    """Load gunicorn's settings; return what was printed."""
    return forked.run("import submitter.gunicorn.conf", environment).stderr


@pytest.mark.parametrize("name", ["WEB_WORKERS", "WEB_THREADS", "WEB_HEAD_SECONDS", "WEB_STOP_SECONDS"])
@pytest.mark.parametrize("value", ["hush", "-77123"])
def test_variable_of_the_web_server_is_named(name: str, value: str) -> None:
    printed = served(**{name: value})
    assert f"ImproperlyConfigured: {name} has to be" in printed
    assert "hush" not in printed


def load(**environment: str) -> tuple[int | None, str]:
    """Load the settings in a process of their own; return its exit code, and what it printed last."""
    done = forked.run("import submitter.settings", NEEDED | environment)
    return done.code, done.stderr


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
    done = subprocess.run(  # noqa: S603 - the two names above
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


@pytest.mark.parametrize(
    ("former", "expression", "present"),
    [
        ({"FRONT_SERVERS": "unix"}, "settings.REVERSE_PROXIES", ["unix"]),
        ({"METRICS_ALLOWED": "192.0.2.0/24"}, "settings.METRICS_ALLOWED_IPS", ["192.0.2.0/24"]),
        ({"PROXY_MEMORY_SECONDS": "5"}, "settings.PROXY_CACHE_TTL", 5.0),
        ({"LOG_READABLE": "true"}, "config.is_readable()", True),
        ({"LOG_READABLE": "false", "DEBUG": "true"}, "config.is_readable()", False),
        ({"PROXY_MEMORY_SECONDS": "5", "PROXY_CACHE_TTL": "7"}, "settings.PROXY_CACHE_TTL", 7.0),
    ],
)
def test_former_name_is_read_and_check_names_the_present_one(
    former: dict[str, str], expression: str, present: object
) -> None:
    program = (
        "import django; django.setup(); from submitter import settings; from submitter.logs import config;"
        f"from submitter.checks import check_former_names as c; print([{expression}, [w.msg for w in c(None)]])"
    )
    done = forked.run(program, {"DJANGO_SETTINGS_MODULE": "submitter.settings", **NEEDED, **former})
    assert done.stderr == ""
    value, [warning] = ast.literal_eval(done.stdout)
    assert value == present
    assert warning.startswith(f"{next(iter(former))} is called ")


def test_former_name_is_in_the_message_where_its_value_is_refused() -> None:
    code, printed = load(LOG_READABLE="hush")
    assert (code, "LOG_FORMAT (set as LOG_READABLE) has to be json or text" in printed) == (1, True)
    assert "hush" not in printed


@pytest.mark.parametrize(("program", "kind"), [("gunicorn", "web"), ("celery", "worker")])
def test_former_directory_for_metrics_is_parted_by_kind(tmp_path: Path, program: str, kind: str) -> None:
    """The web server and the workers counted in directories of their own within METRICS_DIR."""
    script = tmp_path / program
    script.write_text("import submitter.environment, os; print(os.environ['PROMETHEUS_MULTIPROC_DIR'])")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "METRICS_DIR": str(tmp_path / "metrics")}
    done = subprocess.run(  # noqa: S603 - the words above
        [sys.executable, script], env=env, cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.stdout.strip()) == ("", str(tmp_path / "metrics" / kind))
    assert (tmp_path / "metrics" / kind).is_dir()
