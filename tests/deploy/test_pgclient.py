"""The URL of a database, cut into what everybody may see and its password."""

import subprocess
from pathlib import Path

import pytest

from deploy.pgclient import BadUrl, split_password

pytestmark = pytest.mark.apart

SCRIPT = Path(__file__).parents[2] / "deploy" / "pgclient.py"


@pytest.mark.parametrize(
    ("url", "clean", "password"),
    [
        ("postgres://u:secret@h:5432/db", "postgresql://u@h:5432/db", b"secret"),
        ("postgresql://u:secret@h/db?sslmode=require", "postgresql://u@h/db?sslmode=require", b"secret"),
        ("postgres://u:%2F%3A%40%25%3F%23@h/db", "postgresql://u@h/db", b"/:@%?#"),
        ("postgres://u:a+b%20c@h/db", "postgresql://u@h/db", b"a+b c"),
        ("postgres://u:a:b@h/db", "postgresql://u@h/db", b"a:b"),
        ("postgres://u:a@b@h/db", "postgresql://u@h/db", b"a@b"),
        ("postgres://u:%C5%BC%FF@h/db", "postgresql://u@h/db", b"\xc5\xbc\xff"),
        ("postgres://u%40x:secret@h/d%2Fb", "postgresql://u%40x@h/d%2Fb", b"secret"),
        ("postgres://u@h/db?password=se%26cret&sslmode=require", "postgresql://u@h/db?sslmode=require", b"se&cret"),
        ("postgres://u@h?pass%77ord=secret", "postgresql://u@h", b"secret"),
        ("postgres://u:a@h/db?password=b", "postgresql://u@h/db", b"b"),
        ("postgres://u:secret@%2Frun%2Fpostgresql:5433/db", "postgresql://u@%2Frun%2Fpostgresql:5433/db", b"secret"),
        ("postgres://u:secret@[::1]:5432/db", "postgresql://u@[::1]:5432/db", b"secret"),
        ("postgres://u@h/db", "postgresql://u@h/db", b""),
        ("postgres:///db", "postgresql:///db", b""),
    ],
)
def test_a_url_is_cut_into_a_public_part_and_the_password(url: str, clean: str, password: bytes) -> None:
    assert split_password(url) == (clean, password)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host=h password=secret",
        "postgres://u:se/cret@h/db",
        "postgres://u:se?cret@h/db",
        "postgres://u@h/db?sslpassword=secret",
        "postgres://u@h/db?ssl%70assword=secret",
    ],
)
def test_a_url_that_would_show_a_secret_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(BadUrl) as refused:
        split_password(url)
    assert "cret" not in str(refused.value).replace("client_secret", "")


def test_a_refused_url_ends_the_script_without_a_word_of_it() -> None:
    environment = {"DATABASE_URL": "postgres://u:se/cret@h/db", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([SCRIPT, "true"], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "percent-encoded" in done.stderr
    assert "cret" not in done.stderr


def test_the_client_gets_the_password_by_its_environment_alone(tmp_path: Path) -> None:
    client = tmp_path / "client"
    client.write_text('#!/bin/sh\necho "$PGPASSWORD|${DATABASE_URL-unset}|$*"\n')
    client.chmod(0o755)
    environment = {"DATABASE_URL": "postgres://u:a%20secret@h/db", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([SCRIPT, client, "--file=x"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "a secret|unset|--dbname=postgresql://u@h/db --file=x\n"
