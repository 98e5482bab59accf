"""What every answer carries, and who is told to come back later."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from clusters.models import Cluster
from submitter import checks
from tests.api.conftest import Cast

ERROR = {"status": "error", "exit_code": 0, "standard_output": "", "error_output": "", "tag": None}


@pytest.mark.usefixtures("zeus")
def test_an_account_that_is_too_fast_is_told_when_to_come_back(cast: Cast, settings: Any) -> None:
    address, other = (f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1" for _ in range(2))
    settings.THROTTLE_PER_ACCOUNT, settings.THROTTLE_PER_ADDRESS = 0, 2
    answers = [cast.alice("GET", "/api/jobs", REMOTE_ADDR=address) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[2]["Retry-After"]) <= 30
    told = answers[2].json()
    assert told.pop("error_message").startswith("too many requests of this address")
    assert told == ERROR
    assert cast.bob("GET", "/api/jobs", REMOTE_ADDR=address).status_code == 429
    assert cast.alice("GET", "/api/jobs", REMOTE_ADDR=other).status_code == 200


@pytest.mark.usefixtures("zeus")
def test_without_redis_nobody_is_too_fast(cast: Cast, settings: Any) -> None:
    settings.THROTTLE_PER_ADDRESS = 1
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    assert [cast.alice("GET", "/api/jobs").status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("path", ["/", "/api/docs", "/admin/login/"])
@pytest.mark.django_db
def test_a_page_holds_no_script_of_its_own_and_may_load_none_from_elsewhere(path: str) -> None:
    answer = Client().get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
    scripts = policy.get("script-src", policy["default-src"])
    assert "'unsafe-inline'" not in scripts
    assert "http" not in scripts
    assert policy["frame-ancestors"] == "'none'"
    pieces = answer.content.decode().split("<script")[1:]
    assert all(" src=" in piece.split(">")[0] or "application/json" in piece.split(">")[0] for piece in pieces)


def test_what_is_no_page_may_load_nothing(cast: Cast, zeus: Cluster) -> None:  # noqa: ARG001 - asked for the database
    assert cast.alice("GET", "/api/jobs")["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.django_db
def test_plain_http_is_sent_to_https_and_browsers_remember_it(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    client = Client()
    plain = client.get("/admin/login/")
    assert (plain.status_code, plain["Location"]) == (301, "https://testserver/admin/login/")
    assert client.get("/healthz").status_code == 200
    page = client.get("/admin/login/", secure=True)
    assert page["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert page.cookies["csrftoken"]["secure"]


@pytest.mark.usefixtures("cast", "ssh_ca")  # a trust directory, and the key of the login nodes' CA
def test_a_deployment_is_checked_and_clean(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECRET_KEY = uuid.uuid4().hex * 2
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    call_command("check", deploy=True, fail_level="WARNING")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(CommandError, match="runs as root"):
        call_command("check", deploy=True, fail_level="WARNING")


def test_a_front_server_that_is_no_network_is_named(settings: Any) -> None:
    settings.REVERSE_PROXIES = ["unix", "10.0.0.0/8"]
    assert checks.check_reverse_proxies(None) == []
    settings.REVERSE_PROXIES = ["front.example.org"]
    assert [message.id for message in checks.check_reverse_proxies(None)] == ["submitter.E001"]


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL"])
def test_a_secret_may_come_from_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from submitter.settings import secret  # noqa: PLC0415 - not the settings object: what makes it

    (tmp_path / "secret").write_text("from a file\n")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    assert secret(name) == "from a file"
