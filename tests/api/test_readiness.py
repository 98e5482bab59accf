"""GET /readyz: each part is broken, and says why; only what stops the service itself is a 503."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone

from clusters import schedule
from clusters.errors import BrokenOff, ClusterError, Failed, Refused, Unreachable
from clusters.models import Cluster, Poll, PollFailure
from jobs.models import Job
from submitter.ops import heartbeat
from tests.api.conftest import Cast
from tests.pki import grid
from tests.pki.mint import Form, crl

pytestmark = pytest.mark.usefixtures("zeus")


def ask() -> tuple[int, str, dict[str, Any]]:
    answer = Client().get("/readyz")
    body = answer.json()
    return answer.status_code, body["status"], body["parts"]


@pytest.fixture(autouse=True)
def well(cast: Cast, ssh_ca: Path, settings: Any) -> Iterator[None]:
    """Everything is in order: a key, a grid, a Redis database of our own with a fresh heartbeat."""
    assert cast
    assert ssh_ca
    ours = settings.CELERY_BROKER_URL = settings.SPARE_REDIS_URL
    heartbeat.beat()
    yield
    settings.CELERY_BROKER_URL = ours
    with heartbeat.client() as client:
        client.delete(heartbeat._KEY)


def test_all_is_well_and_every_part_says_what_is_known() -> None:
    code, status, parts = ask()
    assert (code, status) == (200, "ok")
    assert set(parts) == {
        "database", "ssh-ca-key", "trust-directory", "trust-files", "broker", "beat", "polls",
        "cluster zeus.cyfronet.pl",
    }  # fmt: skip
    assert all(part["reason"] for part in parts.values())


def test_without_the_database_it_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise DatabaseError("server closed the connection\nand more")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", away)
        code, status, parts = ask()
    assert (code, status) == (503, "error")
    assert parts["database"] == {"ok": False, "vital": True, "reason": "server closed the connection"}
    assert parts["ssh-ca-key"]["ok"]


@pytest.mark.parametrize("fault", ["missing", "open to others", "no unencrypted OpenSSH private key"])
def test_without_the_ssh_ca_key_it_is_503(settings: Any, fault: str) -> None:
    assert ask()[0] == 200
    key = Path(settings.SSH_CA_KEY)
    match fault:
        case "missing":
            key.unlink()
        case "open to others":
            key.chmod(0o640)
        case _:
            key.write_text("nonsense")
    code, status, parts = ask()
    assert (code, status) == (503, "error")
    assert ("cannot be read" if fault == "missing" else fault) in parts["ssh-ca-key"]["reason"]


def test_without_any_ca_it_is_503(settings: Any, tmp_path: Path) -> None:
    settings.TRUST_DIR = str(tmp_path)
    code, _, parts = ask()
    assert code == 503
    assert "no CA" in parts["trust-directory"]["reason"]


def test_a_setting_that_cannot_be_is_503(settings: Any) -> None:
    settings.PROXY_CRL = "maybe"
    code, _, parts = ask()
    assert code == 503
    assert "PROXY_CRL" in parts["trust-directory"]["reason"]


@pytest.fixture
def stale(settings: Any, tmp_path: Path) -> None:
    """The revocation list is out of date."""
    now = timezone.now()
    authority = grid.ca(form=Form(start=now - timedelta(days=3), end=now + timedelta(days=3)))
    grid.write_trust(tmp_path / "trust", authority)
    old = crl(authority, start=now - timedelta(days=2), end=now - timedelta(days=1))
    (tmp_path / "trust" / "0123abcd.r0").write_bytes(old)
    settings.TRUST_DIR = str(tmp_path / "trust")


@pytest.mark.usefixtures("stale")
def test_a_revocation_list_that_is_out_of_date_is_told_and_is_not_503() -> None:
    code, status, parts = ask()
    assert (code, status) == (200, "degraded")
    assert "out of date" in parts["trust-files"]["reason"]


def test_without_the_broker_submissions_go_on_so_it_is_not_503(settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    code, status, parts = ask()
    assert (code, status) == (200, "degraded")
    assert not parts["broker"]["ok"]
    assert not parts["beat"]["ok"]
    assert "refused" in parts["broker"]["reason"].lower()


def test_a_beat_that_stopped_or_never_began_is_told() -> None:
    with heartbeat.client() as client:
        client.set(heartbeat._KEY, time.time() - 61)
        late = ask()[2]["beat"]
        assert (late["ok"], late["reason"]) == (False, "last heartbeat 61 s ago")
        client.delete(heartbeat._KEY)
    code, status, parts = ask()
    assert (code, status, parts["beat"]["ok"]) == (200, "degraded", False)
    assert "no heartbeat" in parts["beat"]["reason"]


@pytest.mark.parametrize(
    ("error", "word", "ok"),
    [
        (None, "up", True),
        (Refused("not let in"), "refused", False),
        (BrokenOff("not let in", explained=True), "refused", False),
        (Unreachable("no route"), "backing off", False),
        (Failed("Refused: so says squeue"), "backing off", False),
    ],
)
def test_a_cluster_that_does_not_answer_is_told_and_is_not_503(
    zeus: Cluster, error: ClusterError | None, word: str, ok: bool
) -> None:
    outcome = schedule.Outcome(error=str(error), failure=PollFailure.of(error)) if error else schedule.Outcome()
    schedule.record(zeus, "plgpoll", schedule.Outcome())
    schedule.record(zeus, "plgpoll", outcome)
    code, status, parts = ask()
    part = parts["cluster zeus.cyfronet.pl"]
    assert (code, status, part["ok"]) == (200, "ok" if ok else "degraded", ok)
    assert part["reason"].startswith(f"{word}; last asked with success ")
    assert str(error or "") in part["reason"]


def test_a_cluster_that_operators_disabled_is_no_fault(zeus: Cluster) -> None:
    Cluster.objects.filter(pk=zeus.pk).update(enabled=False, disabled_message="until 6 pm")
    assert ask()[:2] == (200, "ok")
    assert "until 6 pm" in ask()[2]["cluster zeus.cyfronet.pl"]["reason"]


def test_the_reasons_are_not_for_everybody() -> None:
    answer = Client().get("/readyz", REMOTE_ADDR="192.0.2.1")
    assert answer.json()["parts"]["database"] == {"ok": True, "vital": True}
    assert "reason" not in answer.content.decode()


def test_a_poll_that_waits_too_long_is_told_and_is_not_503(zeus: Cluster) -> None:
    assert ask()[2]["polls"]["reason"] == "none is late"
    then = timezone.now() - timedelta(minutes=3)
    job = Job.objects.create(
        cluster=zeus, account="plgalice", submission_status="SUBMITTED", slurm_id=7, created_at=then
    )
    poll = Poll.objects.create(cluster=zeus, account="plgpoll", due_at=then)
    code, status, parts = ask()
    assert (code, status, parts["polls"]["ok"]) == (200, "degraded", False)
    assert "1 account waits too long" in parts["polls"]["reason"]
    Poll.objects.filter(pk=poll.pk).update(failures=1)
    assert ask()[2]["polls"]["ok"], "its login does not answer: its cluster's part tells of that"
    Poll.objects.filter(pk=poll.pk).update(failures=0)
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now())
    assert ask()[2]["polls"]["ok"], "there was no job to ask about"


def test_a_cluster_that_answers_one_owner_is_up_whoever_else_fails(zeus: Cluster) -> None:
    Cluster.objects.filter(pk=zeus.pk).update(poll_account="")
    now = timezone.now()
    Poll.objects.create(cluster=zeus, account="plgalice", failed_at=now, failures=5, error="TimedOut: no answer")
    assert ask()[2]["cluster zeus.cyfronet.pl"]["reason"].startswith("backing off")
    Poll.objects.create(cluster=zeus, account="plgbob", succeeded_at=now)
    part = ask()[2]["cluster zeus.cyfronet.pl"]
    assert part["ok"]
    assert part["reason"].startswith("up; last asked with success ")
    assert "; as plgalice (1 of 2 accounts): TimedOut: no answer" in part["reason"]


@pytest.mark.usefixtures("stale")
@pytest.mark.parametrize("address", ["192.0.2.1", ""])
def test_health_is_a_status_alone_for_everybody_and_says_why_to_those_who_may_know(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def health(**environ: Any) -> tuple[int, dict[str, Any]]:
        answer = Client().get("/healthz", **environ)
        return answer.status_code, answer.json()

    assert health(REMOTE_ADDR=address) == (200, {"status": "ok"})
    status, told = health()
    assert (status, told["status"]) == (200, "ok")
    assert "out of date" in "".join(told["warnings"])

    def away() -> None:
        raise DatabaseError("connection to server at 10.0.0.7 failed")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", away)
        assert health(REMOTE_ADDR=address) == (503, {"status": "error"})
        assert health() == (503, {"status": "error", "database": "connection to server at 10.0.0.7 failed"})
