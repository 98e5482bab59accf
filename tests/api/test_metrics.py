"""GET /metrics: each figure is caused, and seen."""

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from clusters.calls.counted import remote
from clusters.errors import Interrupted, Refused
from clusters.models import Cluster, Poll
from clusters.slurm.sbatch import Rejected
from clusters.ssh import metrics
from jobs.models import Job, SubmissionStatus
from submitter.ops import gauges, heartbeat, metrics_dir, statistics
from submitter.ops.metrics import ServiceCollector
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway

pytestmark = pytest.mark.usefixtures("zeus")

ORDER = {"host": "zeus.cyfronet.pl", "script": "#!/bin/sh\n"}
ZEUS = {"cluster": "zeus.cyfronet.pl"}
QUEUES = ("polling", "recovery", "bulk", "housekeeping", "heartbeat")


def read(**options: Any) -> dict[tuple[str, str], float]:
    """Scrape; return each sample by its name and labels."""
    answer = Client().get("/metrics", **options)
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.content.decode())
    return {(s.name, json.dumps(s.labels, sort_keys=True)): s.value for family in families for s in family.samples}


def key(name: str, **labels: str) -> tuple[str, str]:
    return name, json.dumps(labels, sort_keys=True)


@pytest.fixture
def change() -> Any:
    """By how much a sample has grown since the test began."""
    before = read()

    def grown(name: str, **labels: str) -> float:
        return read().get(key(name, **labels), 0) - before.get(key(name, **labels), 0)

    return grown


def test_requests_are_measured_by_route_and_code_and_never_by_path(cast: Cast, change: Any) -> None:
    for number in range(3):
        cast.alice("GET", f"/api/jobs/{number}.batch.grid.cyf-kr.edu.pl")
    cast.nobody("GET", "/api/jobs")
    cast.alice("GET", "/api/nowhere")
    cast.alice("GET", "/api/jobs/1.x", HTTP_PREFER="wait=1")
    Client().generic("BREW", "/api/jobs")
    name = "submitter_http_request_seconds_count"
    assert change(name, method="GET", route="job-detail", code="404") == 3
    assert change(name, method="GET", route="job-list", code="401") == 1
    assert change(name, method="GET", route="none", code="404") == 1
    assert change(name, method="GET", route="job-detail waiting", code="404") == 1
    assert change(name, method="other", route="job-list", code="401") == 1
    assert not [labels for _, labels in read() if "cyf-kr" in labels or "nowhere" in labels]


@pytest.mark.parametrize(
    ("outcome", "word"),
    [(None, "done"), (Rejected(1, "", ""), "refused"), (Interrupted("lost"), "unknown"), (Refused("no"), "refused")],
)
def test_submissions_are_counted_by_cluster_and_outcome(
    cast: Cast, fake: FakeGateway, change: Any, outcome: Any, word: str
) -> None:
    fake.outcome = outcome
    cast.alice("POST", "/api/jobs", ORDER)
    assert change("submitter_submissions_total", **ZEUS, outcome=word) == 1


def test_a_submission_to_an_unknown_host_is_counted_without_its_name(cast: Cast, change: Any) -> None:
    cast.alice("POST", "/api/jobs", ORDER | {"host": "made-up.example.org"})
    assert change("submitter_submissions_total", cluster="", outcome="refused") == 1
    assert not [labels for _, labels in read() if "made-up" in labels]


def test_proxies_are_counted_by_rule(cast: Cast, change: Any) -> None:
    cast.alice("GET", "/api/jobs")
    cast.carol("GET", "/api/jobs")
    cast.nobody("GET", "/api/jobs")
    name = "submitter_proxy_verdicts_total"
    assert change(name, verdict="accepted", rule="") == 1
    assert change(name, verdict="refused", rule="dn-unmapped") == 1
    assert change(name, verdict="refused", rule="header-missing") == 1


def test_calls_that_a_cluster_does_not_answer_are_counted_by_kind(zeus: Cluster, change: Any) -> None:
    @remote("probe")
    def probe(_cluster: Cluster, error: Exception | None = None) -> str:
        if error:
            raise error
        return "answer"

    assert probe(zeus) == "answer"
    with pytest.raises(Interrupted):
        probe(zeus, Interrupted("cut"))
    assert change("submitter_cluster_call_seconds_count", **ZEUS, verb="probe") == 2
    assert change("submitter_cluster_call_failures_total", **ZEUS, verb="probe", kind="Interrupted") == 1


def test_sessions_are_busy_while_they_have_callers(change: Any) -> None:
    metrics.entered(5, 1)
    metrics.entered(5, 2)
    assert change("submitter_ssh_callers") == 2
    assert change("submitter_ssh_sessions_busy") == 1
    assert read()[key("submitter_ssh_sessions")] == 5
    metrics.left(1)
    metrics.left(0)
    metrics.SESSIONS.set(0)
    assert change("submitter_ssh_callers") == change("submitter_ssh_sessions_busy") == 0


def test_requests_that_nobody_could_count_are_counted(cast: Cast, settings: Any, change: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    for _ in range(2):
        cast.alice("GET", "/api/jobs")
    assert change("submitter_not_counted_total", what="requests") == 2


def test_jobs_are_told_by_cluster_and_status(zeus: Cluster) -> None:
    now = timezone.now()
    common = {
        "cluster": zeus,
        "account": "plgbob",
        "owner_dn": "/CN=b",
        "submission_status": SubmissionStatus.SUBMITTED,
    }
    for number, (status, ended) in enumerate(
        [("QUEUED", None), ("QUEUED", None), ("RUNNING", None), ("ERROR", now), ("ERROR", now - timedelta(days=1))]
    ):
        Job.objects.create(**common, slurm_id=number, job_id=f"{number}.x", status=status, ended_at=ended)
    found = read()
    assert found[key("submitter_jobs", **ZEUS, status="QUEUED")] == 2
    assert found[key("submitter_jobs", **ZEUS, status="RUNNING")] == 1
    assert found[key("submitter_jobs_ended", **ZEUS, status="ERROR")] == 1


def test_a_submission_without_outcome_has_an_age(zeus: Cluster) -> None:
    assert read()[key("submitter_submissions_pending")] == 0
    Job.objects.create(
        cluster=zeus, account="plgbob", owner_dn="/CN=b", created_at=timezone.now() - timedelta(seconds=200)
    )
    found = read()
    assert found[key("submitter_submissions_pending")] == 1
    assert 200 <= found[key("submitter_submissions_pending_age_seconds")] < 260


def test_polls_are_told_by_cluster(zeus: Cluster) -> None:
    assert read()[key("submitter_cluster_state", **ZEUS, state="never asked")] == 1
    Poll.objects.create(
        cluster=zeus, account="plgpoll", succeeded_at=timezone.now() - timedelta(seconds=90), duration=0.25, failures=4,
        failed_at=timezone.now(), error="Unreachable: no route",
    )  # fmt: skip
    found = read()
    assert 90 <= found[key("submitter_poll_age_seconds", **ZEUS)] < 120
    assert found[key("submitter_poll_seconds", **ZEUS)] == 0.25
    assert found[key("submitter_poll_failures", **ZEUS)] == 4
    assert found[key("submitter_cluster_state", **ZEUS, state="backing off")] == 1
    assert found[key("submitter_cluster_state", **ZEUS, state="never asked")] == 0


def test_tasks_that_wait_and_beats_last_sign_are_told(settings: Any) -> None:
    url = settings.SPARE_REDIS_URL
    settings.CELERY_BROKER_URL = url
    with heartbeat.client() as client:
        try:
            client.delete(heartbeat._KEY)
            assert key("submitter_beat_age_seconds") not in read()
            client.rpush("polling", "a", "b", "c")
            client.rpush("bulk", "a")
            client.set(heartbeat._KEY, time.time() - 30)
            found = read()
            waiting = {queue: found[key("submitter_celery_queue_length", queue=queue)] for queue in QUEUES}
            assert waiting == {"polling": 3, "recovery": 0, "bulk": 1, "housekeeping": 0, "heartbeat": 0}
            assert 30 <= found[key("submitter_beat_age_seconds")] < 60
        finally:
            client.delete("polling", "bulk", heartbeat._KEY)


def test_without_redis_the_rest_is_told(settings: Any) -> None:
    assert read()[key("submitter_broker_up")] == 1
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    found = read()
    assert found[key("submitter_broker_up")] == 0
    assert found[key("submitter_database_up")] == 1


def test_without_the_database_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise DatabaseError("gone")

    assert read()[key("submitter_database_up")] == 1
    monkeypatch.setattr(statistics, "active", away)
    found = read()
    assert found[key("submitter_database_up")] == 0
    assert found[key("submitter_broker_up")] == 1


def test_what_is_wrong_with_the_trust_directory_is_counted(cast: Cast, settings: Any, tmp_path: Any) -> None:
    assert cast
    assert read()[key("submitter_trust_problems")] == 0
    settings.TRUST_DIR = str(tmp_path)
    assert read()[key("submitter_trust_problems")] > 0


@pytest.mark.parametrize(
    ("address", "headers", "code"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("192.0.2.1", {}, 403),
        ("", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
    ],
)
def test_only_those_who_are_allowed_read_them(address: str, headers: dict[str, str], code: int) -> None:
    assert Client().get("/metrics", REMOTE_ADDR=address, headers=headers).status_code == code


def test_a_network_can_be_allowed(settings: Any) -> None:
    settings.METRICS_ALLOWED_IPS = ["192.0.2.0/24"]
    assert Client().get("/metrics", REMOTE_ADDR="192.0.2.77").status_code == 200
    assert Client().get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403
    settings.METRICS_ALLOWED_IPS = ["192.0.2.0/33"]
    with pytest.raises(CommandError, match=r"submitter\.E002"):
        call_command("check", "--tag", "security")


def test_a_scrape_takes_the_same_number_of_queries_however_many_jobs_there_are(
    zeus: Cluster, django_assert_max_num_queries: Any
) -> None:
    Job.objects.bulk_create(
        Job(cluster=zeus, account="plgbob", owner_dn="/CN=b", submission_status=SubmissionStatus.SUBMITTED, slurm_id=n)
        for n in range(50)
    )
    with django_assert_max_num_queries(8):
        read()


def test_redis_errors_are_the_only_ones_that_are_taken_for_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "_redis", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        read()


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The directory in which a process of the web server counts."""
    own = tmp_path / "web"
    own.mkdir()
    monkeypatch.setenv(metrics_dir.VARIABLE, str(own))
    return own


def test_a_process_that_begins_while_it_is_scraped_has_counted_nothing_yet(processes: Path) -> None:
    (processes / "counter_1.db").touch()  # the client makes it, then gives it its length
    assert read()[key("submitter_database_up")] == 1


def test_a_process_that_ends_while_it_is_scraped_costs_another_look(
    processes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = iter([[str(processes / "counter_1.db")], []])
    monkeypatch.setattr(metrics_dir, "files", lambda: next(seen))
    assert read()[key("submitter_database_up")] == 1


def test_files_that_never_are_there_are_no_success(processes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_dir, "files", lambda: [str(processes / "counter_1.db")])
    assert Client(raise_request_exception=False).get("/metrics").status_code == 500


def test_reference_has_every_metric_of_a_scrape(cast: Cast) -> None:
    cast.alice("GET", "/api/jobs")
    page = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text()
    families = [family for family in ServiceCollector().collect() if family.name.startswith("submitter_")]
    assert len(families) > 20
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        row = next(line for line in page.splitlines() if f"| `{name}` |" in line)
        assert row.endswith(f"| {family.documentation} |")
        assert f"| {family.type} |" in row
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert {label for label in labels if f"`{label}`" not in row} == set()
