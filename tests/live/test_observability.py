"""What monitoring sees of real processes: a web server with two workers and a Celery worker of this module's own."""

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest
from redis import Redis
from structlog.contextvars import bound_contextvars

from submitter.celery import app
from tests.harness.caller import Caller, script
from tests.harness.daemon import Daemon
from tests.harness.databases import free_port
from tests.harness.sandbox_env import Cluster, eventually, variable
from tests.live.conftest import working_directory


@dataclass
class Place:
    """The own processes, and where they answer."""

    url: str
    redis: str
    web: Daemon
    worker: Daemon

    def metrics(self) -> dict[str, float]:
        """Scrape; return each sample by its text in Prometheus' form."""
        lines = httpx.get(f"{self.url}/metrics", timeout=60).raise_for_status().text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Start them: on the sandbox's registry and clusters, with a database of Redis that nobody else uses."""
    folder, port = tmp_path_factory.mktemp("observed"), free_port()
    url = f"http://127.0.0.1:{port}"
    broker = variable("REDIS_URL").rpartition("/")[0] + "/13"
    environment = {
        "REDIS_URL": broker, "PYTHONDONTWRITEBYTECODE": "1",
        "SECURE_SSL_REDIRECT": "false",  # its callers speak plain HTTP
    }  # fmt: skip
    web = Daemon(
        [sys.executable, "-m", "gunicorn", "--config", "python:submitter.gunicorn.conf", "--bind", f"127.0.0.1:{port}",
         "submitter.wsgi"],
        folder / "web.log", environment | _counting(folder, "web") | {"WEB_WORKERS": "2", "WEB_THREADS": "4"},
        lambda: _answers(url),
    )  # fmt: skip
    worker = Daemon(
        [sys.executable, "-m", "celery", "-A", "submitter", "worker", "--loglevel", "INFO",
         "--hostname", f"{uuid.uuid4().hex}@%h"],
        folder / "worker.log", environment | _counting(folder, "worker"),
        lambda: " ready." in (folder / "worker.log").read_text(),
    )  # fmt: skip
    try:
        web.start(wait=False)
        worker.start()
        web.wait()
        yield Place(url, broker, web, worker)
    finally:
        web.stop()
        worker.stop()


def _counting(folder: Path, name: str) -> dict[str, str]:
    directory = folder / "metrics" / name
    directory.mkdir(parents=True)
    return {"PROMETHEUS_MULTIPROC_DIR": str(directory)}


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


@contextmanager
def calling(place: Place) -> Iterator[Caller]:
    """Let alice call the own web server, and delete her jobs at the end."""
    proxy = Path(variable("ALICE_PROXY")).read_bytes()
    with (
        working_directory("plgalice") as directory,
        httpx.Client(base_url=place.url, timeout=60) as client,
    ):
        caller = Caller(client, proxy, directory)
        yield caller
        caller.clear_up()


def test_every_worker_tells_the_same_sum(place: Place) -> None:
    name = 'submitter_http_request_seconds_count{code="200",method="GET",route="healthz"}'
    before = place.metrics()[name]
    for _ in range(30):  # each on a connection of its own: both workers get some
        httpx.get(f"{place.url}/healthz")
    assert {place.metrics()[name] for _ in range(10)} == {before + 30}


def test_a_workers_death_takes_its_sessions_from_the_sum_and_leaves_what_it_counted(
    place: Place, zeus: Cluster
) -> None:
    with calling(place) as alice:
        assert alice.order(zeus, script("true")).status_code == 201
    before = place.metrics()
    submitted = 'submitter_submissions_total{cluster="zeus.cyfronet.pl",outcome="done"}'
    calls = 'submitter_cluster_call_seconds_count{cluster="zeus.cyfronet.pl",verb="submit"}'
    assert before["submitter_ssh_sessions"] >= 1
    assert before[submitted] == before[calls] == 1
    for process in place.web.family():
        if process.pid != place.web.pid:
            os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: place.metrics()["submitter_ssh_sessions"] == 0, "the dead workers' sessions are forgotten")
    assert place.metrics()[submitted] == 1


def test_the_request_id_is_in_the_login_on_the_cluster_in_every_line_and_in_the_audit_log(
    place: Place, zeus: Cluster
) -> None:
    for process in place.web.family():  # no warm connection has somebody else's id
        if process.pid != place.web.pid:
            os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: _answers(place.url), "new workers answer")
    request_id = f"test-{uuid.uuid4().hex}"
    with calling(place) as alice:
        body = {"host": zeus.host, "script": script("true"), "working_directory": alice.directory}
        answer = alice.call("POST", "/api/jobs", json=body, headers={"X-Request-Id": request_id})
        assert answer.status_code == 201, answer.text
        alice.submitted.append(answer.json()["job_id"])
    assert answer.headers["X-Request-Id"] == request_id
    logins = Path(variable("SANDBOX_LOGS"), "zeus-sshd.log")
    eventually(lambda: re.search(rf"plgalice .*ID {request_id} ", logins.read_text(errors="replace")), "the login")
    assert f'"request_id": "{request_id}"' in place.web.log.read_text()
    row = eventually(lambda: _audited(request_id), "the audit line")
    assert row == ("submit", "plgalice", "127.0.0.1", "done", answer.json()["job_id"])


def _audited(request_id: str) -> tuple[str, ...] | None:
    columns = "action, account, address, outcome, subject"
    with psycopg.connect(variable("DATABASE_URL")) as connection:
        return connection.execute(f"SELECT {columns} FROM audit_entry WHERE request_id = %s", [request_id]).fetchone()  # noqa: S608 - constants


FAILING = ("jobs.tasks.run_bulk_operation", "no key of a bulk operation")


def _order(place: Place, task: str = "submitter.ops.tasks.heartbeat", *arguments: str) -> None:
    with app.connection_for_write(url=place.redis) as connection:
        app.send_task(task, arguments, connection=connection)


def test_a_task_logs_under_the_id_of_the_request_that_ordered_it(place: Place) -> None:
    request_id = f"test-{uuid.uuid4().hex}"
    with bound_contextvars(request_id=request_id):
        _order(place, *FAILING)
    line = eventually(lambda: _line_with(place.worker.log, request_id), "the task has logged")
    assert '"task": "jobs.tasks.run_bulk_operation"' in line
    assert "raised unexpected" in line


def test_tasks_that_no_request_ordered_have_ids_of_their_own(place: Place) -> None:
    before = _ids(place.worker.log)
    for _ in range(2):
        _order(place, *FAILING)
    eventually(lambda: len(_ids(place.worker.log) - before) == 2, "two new ids")


def test_what_an_idle_service_does_again_and_again_is_not_in_its_logs(place: Place) -> None:
    """A failing task comes behind tasks that succeed, a call behind questions of monitoring: these two are written."""
    before = {log: log.read_text() for log in (place.worker.log, place.web.log)}
    for name in ("submitter.ops.tasks.heartbeat", "jobs.tasks.poll_clusters", "jobs.tasks.recover_submissions"):
        _order(place, name)
    for path in ("healthz", "readyz", "metrics"):
        assert httpx.get(f"{place.url}/{path}").is_success
    request_id = f"test-{uuid.uuid4().hex}"
    with bound_contextvars(request_id=request_id):
        eventually(lambda: _is_done_with(place.redis), "the worker has taken all of them")
        _order(place, *FAILING)
    httpx.get(f"{place.url}/none", headers={"X-Request-Id": request_id})
    for log, former in before.items():
        eventually(partial(_line_with, log, request_id), "the last one is written")
        new = log.read_text().removeprefix(former).splitlines()
        assert [line for line in new if request_id not in line] == []


def _is_done_with(broker: str) -> bool:
    """Say whether no order waits or is being worked on."""
    with Redis.from_url(broker) as redis:
        return not any(redis.llen(queue.name) for queue in app.conf.task_queues) and not redis.hlen("unacked")


@pytest.mark.parametrize(("level", "told"), [("INFO", False), ("DEBUG", True)])
def test_beat_tells_of_each_order_where_everything_is_asked_for(tmp_path: Path, level: str, told: bool) -> None:
    schedule = ["--schedule", str(tmp_path / "schedule"), "--pidfile="]
    command = [sys.executable, "-m", "celery", "-A", "submitter", "--quiet", "beat", "--loglevel", level, *schedule]
    broker = variable("REDIS_URL").rpartition("/")[0] + "/12"
    beat = Daemon(command, tmp_path / "beat.log", {"REDIS_URL": broker}, lambda: True)
    with Redis.from_url(broker) as redis:
        beat.start()
        try:
            eventually(lambda: redis.llen(app.conf.task_default_queue) > 2, "beat has ordered something")
        finally:
            beat.stop()
            redis.delete(app.conf.task_default_queue)
    assert ("Sending due task poll-clusters" in beat.log.read_text()) == told


def test_a_worker_that_takes_orders_is_seen_at_readyz(place: Place) -> None:
    _order(place)
    eventually(lambda: httpx.get(f"{place.url}/readyz").json()["parts"]["beat"]["ok"], "the heartbeat is seen")


def test_the_doctor_finds_the_sandbox_well() -> None:
    """What is the sandbox's own choice (tests run as root, one role migrates and serves) it declares itself."""
    command = [sys.executable, "manage.py", "doctor", "--insecure", "--url", variable("BASE_URL")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, "FAIL" in done.stdout) == (0, False), done.stdout
    assert "note  audit-log-role: submitter is the table's owner" in done.stdout
    told = {line[6:].partition(":")[0] for line in done.stdout.splitlines() if line.startswith("ok")}
    assert told >= {
        "database", "ssh-ca-key", "trust-directory", "trust-files", "broker", "beat", "grid-mapfile", "migrations",
        "audit-log", "front-server", "proxy-header", "header-size", "cluster zeus.cyfronet.pl",
        "cluster prometheus.cyfronet.pl",
    }  # fmt: skip


def test_what_the_worker_counts_is_in_the_web_servers_answer(place: Place, zeus: Cluster) -> None:
    name = 'submitter_cluster_call_seconds_count{cluster="zeus.cyfronet.pl",verb="look"}'
    pk, account = _cluster(zeus)

    def polled() -> bool:
        """The sandbox's own worker polls as well: make it due again until ours is the first."""
        with psycopg.connect(variable("DATABASE_URL")) as connection:
            connection.execute("UPDATE clusters_poll SET due_at = NULL WHERE cluster_id = %s", [pk])
        with app.connection_for_write(url=place.redis) as broker:
            app.send_task("jobs.tasks.poll_account", (pk, account), connection=broker, queue="polling")
        return place.metrics().get(name, 0) >= 1

    with calling(place) as alice:
        assert alice.order(zeus, script("sleep 60")).status_code == 201
        eventually(polled, "a poll of the worker is counted")


def _cluster(cluster: Cluster) -> tuple[int, str]:
    """Return the cluster's key and its poll account."""
    with psycopg.connect(variable("DATABASE_URL")) as connection:
        columns = "SELECT id, poll_account FROM clusters_cluster WHERE name = %s"
        row = connection.execute(columns, [cluster.host]).fetchone()
    assert row
    return int(row[0]), str(row[1])


def _line_with(log: Path, text: str) -> str | None:
    return next((line for line in log.read_text().splitlines() if text in line), None)


def _ids(log: Path) -> set[str]:
    return set(re.findall(r'run_bulk_operation.*raised unexpected.*"request_id": "([^"]+)"', log.read_text()))
