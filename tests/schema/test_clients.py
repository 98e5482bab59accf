"""Clients that generators make of the API's description work with the service: nulls, orders, output, refusals."""

import datetime as dt
import importlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.bench.target import GRANT, Place
from tests.harness.sandbox_env import eventually

pytestmark = pytest.mark.xdist_group("schema")  # one instance of the service for both files

BIN = Path(sys.executable).parent
SCRIPT = f"#!/bin/sh\n#SBATCH -A {GRANT}\necho 'hello, w\u00f6rld'\nexit 3\n"
NEVER = f"#!/bin/sh\n#SBATCH -A {GRANT} --begin=now+1hour\nexit 0\n"
FINAL = {"FINISHED", "ABORTED", "ERROR"}


def url(place: Place) -> str:
    return f"https://{place.address}:{place.port}"


def generated(*command: str, folder: Path) -> None:
    """Run a generator of clients in `folder`; it warns of nothing."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # openapi-python-client calls ruff
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=folder, env=os.environ | {"PATH": path, "HOME": str(folder)},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower(), done.stdout + done.stderr


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let modules of `folder` be imported, and forget them afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


@pytest.fixture(scope="module")
def folder(places: list[Place], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the description that the running service gives of itself, `schema.yaml`."""
    folder = tmp_path_factory.mktemp("generated")
    answer = httpx.get(f"{url(places[0])}/api/schema", verify=False, timeout=60)  # noqa: S501 - a self-signed loopback
    (folder / "schema.yaml").write_text(answer.text)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Any]:
    """Import what openapi-python-client makes of the description: return a function that imports its modules."""
    words = ["generate", "--path=schema.yaml", "--meta=none", "--output-path=calls"]
    generated("openapi-python-client", *words, folder=folder)
    with importable(folder):
        yield lambda name: importlib.import_module(f"calls.{name}")


@pytest.fixture(scope="module")
def models(folder: Path) -> Iterator[Any]:
    """The module that datamodel-code-generator makes of the description, with no switch but where and what it is."""
    words = ["--input=schema.yaml", "--input-file-type=openapi", "--output=models.py", "--formatters=builtin"]
    generated("datamodel-codegen", *words, "--output-model-type=pydantic_v2.BaseModel", folder=folder)
    with importable(folder):
        yield importlib.import_module("models")


@pytest.fixture
def opened(client: Any, places: list[Place]) -> Iterator[Any]:
    """The generated client's connection, as the first user."""
    place = places[0]
    with client("client").AuthenticatedClient(
        base_url=url(place), token=place.proxy, prefix="", auth_header_name="PROXY", verify_ssl=False, timeout=60
    ) as opened:
        yield opened


def test_calls_that_openapi_python_client_generates(client: Any, opened: Any, places: list[Place]) -> None:
    order = client("models").Order
    create, retrieve, listed, update, destroy, history, stdout = (
        client(f"api.jobs.jobs_{name}")
        for name in ("create", "retrieve", "list", "update", "destroy", "events_list", "stdout_retrieve")
    )
    begun = create.sync_detailed(client=opened, body=order(host=places[0].cluster, script=SCRIPT))
    job = begun.parsed
    assert (begun.status_code, job.status.value) == (201, "QUEUED")
    assert (job.tag, job.exit_code, job.signal) == (None, None, None)
    submitted = client("api.submissions.submissions_retrieve").sync(begun.headers["Submission-Id"], client=opened)
    assert (submitted.status.value, submitted.job_id, submitted.tag) == ("submitted", job.job_id, None)

    def ended() -> Any:
        now = retrieve.sync(job.job_id, client=opened, refresh=True)
        return now if now.status.value in FINAL else None

    over = eventually(ended, "the job has ended")
    assert over.status.value == "ERROR"
    assert dt.timedelta(0) <= over.end_time_utc - over.start_time_utc < dt.timedelta(minutes=5)
    assert stdout.sync(job.job_id, client=opened) == "hello, w\u00f6rld\n"
    [first] = listed.sync(client=opened, limit=1)
    assert (first.job_id, first.reason is None or isinstance(first.reason, str)) == (job.job_id, True)
    seen = listed.sync_detailed(client=opened)
    again = listed.sync_detailed(client=opened, if_none_match=seen.headers["ETag"])
    assert (again.status_code, again.parsed) == (304, None)
    same = retrieve.sync_detailed(job.job_id, client=opened, prefer="wait=1")
    assert (same.status_code, same.parsed.job_id, same.parsed.tag) == (200, job.job_id, None)
    first, *_, last = history.sync(job.job_id, client=opened)
    assert (first.source.value, first.status.value, last.status.value) == ("submission", "QUEUED", "ERROR")
    assert destroy.sync_detailed(job.job_id, client=opened).status_code == 204
    gone = retrieve.sync_detailed(job.job_id, client=opened)
    assert (gone.status_code, gone.parsed.exit_code, gone.parsed.tag) == (404, 0, None)
    unknown = create.sync_detailed(client=opened, body=order(host="nowhere", script=NEVER, tag="waits"))
    assert (unknown.status_code, unknown.parsed.tag, unknown.parsed.status.value) == (422, "waits", "error")
    once = {"body": order(host=places[0].cluster, script=NEVER, tag="waits"), "idempotency_key": uuid.uuid4().hex}
    waits, again = create.sync(client=opened, **once), create.sync_detailed(client=opened, **once)
    assert (again.parsed.job_id, again.headers["Idempotency-Replayed"]) == (waits.job_id, "true")
    abort = client("models").Action(action="abort")
    assert update.sync_detailed(waits.job_id, client=opened, body=abort).status_code == 204
    aborted = retrieve.sync(waits.job_id, client=opened)
    assert (aborted.status.value, aborted.exit_code, aborted.signal, aborted.tag) == ("ABORTED", None, None, "waits")
    assert destroy.sync_detailed(waits.job_id, client=opened).status_code == 204


def test_models_that_datamodel_code_generator_generates(models: Any, places: list[Place]) -> None:
    place = places[1]
    with httpx.Client(base_url=url(place), headers={"PROXY": place.proxy}, verify=False, timeout=60) as http:  # noqa: S501 - as above
        order = models.Order(host=place.cluster, script=NEVER).model_dump(mode="json", exclude_unset=True)
        answer = http.post("/api/jobs", json=order)
        job = models.Job.model_validate_json(answer.text)
        assert (answer.status_code, job.tag, job.exit_code, job.signal, job.reason) == (201, None, None, None, None)
        path = f"/api/jobs/{job.job_id}"
        done = http.put(path, json=models.Action(action="abort").model_dump())
        assert done.status_code == 204
        [now] = [models.Job.model_validate(each) for each in http.get("/api/jobs").json()]
        assert (now.status, now.exit_code) == (models.StatusEnum.ABORTED, None)
        assert [models.Event.model_validate(each).status for each in http.get(f"{path}/events").json()]
        told = http.get(f"/api/submissions/{answer.headers['Submission-Id']}").text
        told = models.Submission.model_validate_json(told)
        assert (told.status, told.tag) == (models.SubmissionStatusEnum.submitted, None)
        refused = models.Error.model_validate_json(http.post("/api/jobs", json={"host": "nowhere"}).text)
        assert (refused.tag, refused.error_message != "") == (None, True)
        assert http.delete(path).status_code == 204
