"""GET of a job's output files: which file is the job's, and what an answer says of it."""

import datetime as dt
from typing import Any

import pytest

from clusters.errors import Unreachable
from clusters.models import Cluster
from clusters.slurm.filenames import Pattern, Task
from clusters.slurm.starts import Starts
from jobs.models import Job
from tests.api.conftest import Cast
from tests.api.finished import JOB, job
from tests.api.gateway import FakeGateway

__all__ = ["job"]
pytestmark = pytest.mark.usefixtures("job")

NOT_THERE = "/home/plgalice/slurm-7.out is not there, or is no file that plgalice can read"


def test_output_is_streamed_as_plain_text(cast: Cast, fake: FakeGateway, job: Job) -> None:
    fake.files |= {job.stdout: b"hello\n", job.stderr: b"\xff" * 10}
    answer = cast.alice("GET", f"{JOB}/stdout")
    assert (answer.getvalue(), answer["Content-Type"]) == (b"hello\n", "text/plain; charset=utf-8")
    assert answer["Content-Length"] == "6"
    assert cast.alice("GET", f"{JOB}/stderr/").getvalue() == b"\xff" * 10


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"status": "QUEUED", "started_at": None}, "has no output file yet: it has not started"),
        (
            {"status": "RUNNING", "ended_at": None},
            f"has no such output file yet: it runs, and {NOT_THERE}",
        ),
        (
            {},
            f"has ended, and has no such output file: {NOT_THERE}",
        ),
        (
            {"status": "ABORTED", "slurm_state": "CANCELLED", "started_at": None},
            "has no output file: it ended (ABORTED) before it started",
        ),
        ({"stdout": "/dev/null"}, "has no output file: what it writes goes to /dev/null"),
        ({"status": "QUEUED", "stdout": "/dev/null"}, "has no output file: what it writes goes to /dev/null"),
        ({"stdout": ""}, "has ended, and SLURM has not told the name of its output file"),
        ({"status": "RUNNING", "stdout": ""}, "runs, and SLURM has not told the name of its output file"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_an_output_file_that_is_not_there_is_404_and_why(
    cast: Cast, job: Job, values: dict[str, Any], words: str
) -> None:
    Job.objects.update(**values)
    answer = cast.alice("GET", f"{JOB}/stdout")
    assert (answer.status_code, answer.json()["error_message"]) == (404, f"Job with {job.job_id} {words}")


@pytest.mark.parametrize(
    ("column", "changes", "code"),
    [
        ("stdout", {}, 404),
        ("stderr", {}, 404),
        ("stdout", {"started_at": None}, 200),
        ("stdout", {"account": "plgbob"}, 200),
        ("stdout", {"created_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, 200),
        ("reason", {}, 200),
    ],
    ids=["its output", "its errors", "not started", "somebody else's", "an earlier one", "another file"],
)
def test_a_file_that_a_later_job_writes_too_is_nobodys_but_that_jobs(
    cast: Cast, fake: FakeGateway, job: Job, column: str, changes: dict[str, Any], code: int
) -> None:
    Job.objects.update(stdout="/w/log.txt")
    fake.files["/w/log.txt"] = b"whose?\n"
    now = job.created_at + dt.timedelta(days=100)
    values = {"account": "plgalice", "created_at": now, "started_at": now, column: "/w/log.txt"} | changes
    Job.objects.create(cluster=job.cluster, submission_status="SUBMITTED", slurm_id=8, job_id="8.x", **values)
    answer = cast.alice("GET", f"{JOB}/stdout")
    assert answer.status_code == code
    if code == 404:
        assert "a later job, 8.x, writes to the same file, /w/log.txt" in answer.json()["error_message"]


def test_output_of_a_cluster_that_is_down_is_503(cast: Cast, fake: FakeGateway) -> None:
    fake.outcome = Unreachable("down")
    assert cast.alice("GET", f"{JOB}/stdout").status_code == 503
    assert cast.alice("GET", JOB).status_code == 200


def test_a_clusters_own_download_service_is_named_where_it_has_one(cast: Cast) -> None:
    Cluster.objects.update(download_url="https://data.plgrid.pl/download/{path}?as={account}")
    body = cast.alice("GET", JOB).json()
    assert body["stdout_path"] == "https://data.plgrid.pl/download//home/plgalice/slurm-7.out?as=plgalice"
    assert body["stderr_path"] == "https://data.plgrid.pl/download//home/plgalice/err%20or/7.err?as=plgalice"
    Job.objects.update(stdout="/w/x-%?_%a.out", stderr="/w/100%%.err")
    body = cast.alice("GET", JOB).json()
    assert body["stdout_path"] == "https://data.plgrid.pl/download//w/x-7_%25a.out?as=plgalice"
    assert body["stderr_path"] == "https://data.plgrid.pl/download//w/100%25.err?as=plgalice"


@pytest.mark.parametrize("accept", ["text/plain", "text/html", "image/*"])
def test_each_answer_comes_whatever_the_client_accepts(cast: Cast, fake: FakeGateway, job: Job, accept: str) -> None:
    fake.files[job.stdout] = b"hello\n"
    assert cast.alice("GET", f"{JOB}/stdout", HTTP_ACCEPT=accept).status_code == 200
    assert cast.alice("GET", JOB, HTTP_ACCEPT=accept).json()["job_id"] == job.job_id


def told(job: Job, **values: Any) -> Job:
    Job.objects.update(**values)
    job.refresh_from_db()
    return job


def task(number: int, own: int | None = None) -> Task:
    return Task(own or 7, 7, number, "n1")


def test_an_arrays_output_is_that_of_the_tasks_that_have_started(cast: Cast, fake: FakeGateway, job: Job) -> None:
    told(job, stdout="/w/log_%a.txt", is_array=True)
    fake.started = Starts(known=True, tasks=(task(2), task(10)))
    fake.files = {f"/w/log_{number}.txt": b"%d\n" % number for number in (1, 2, 10)}
    answer = cast.alice("GET", f"{JOB}/stdout")
    assert (answer.getvalue(), answer["Output-Tasks"]) == (b"2\n10\n", "2;size=2, 10;size=3")
    assert fake.wanted
    assert job.submitted_at
    assert fake.wanted.since == int(job.submitted_at.timestamp()) - 300
    assert fake.calls == ["starts hosts=False", "open_file"]


def test_the_tasks_own_ids_are_tried_before_the_arrays(cast: Cast, fake: FakeGateway, job: Job) -> None:
    told(job, stdout="/w/x-%?.txt", is_array=True)
    fake.started = Starts(known=True, tasks=(task(2, 8), task(10)))
    fake.files = {"/w/x-7.txt": b"ten\n", "/w/x-8.txt": b"two\n"}
    assert cast.alice("GET", f"{JOB}/stdout").getvalue() == b"two\nten\n"
    assert fake.wanted
    assert fake.wanted.since is None  # nobody else has such names


@pytest.mark.parametrize(
    "values", [{"status": "QUEUED"}, {"started_at": None}, {"started_at": None, "status": "QUEUED"}]
)
def test_a_job_that_has_not_started_has_no_file_that_others_may_write(
    cast: Cast, fake: FakeGateway, job: Job, values: dict[str, Any]
) -> None:
    told(job, stdout="/w/log.txt", **values)
    fake.files = {"/w/log.txt": b"of another job"}
    fake.started = Starts(known=True, tasks=())
    answer = cast.alice("GET", f"{JOB}/stdout")
    assert (answer.status_code, fake.calls) == (404, ["starts hosts=False"])
    assert "start" in answer.json()["error_message"]


def test_a_start_that_the_registry_has_not_heard_of_counts(cast: Cast, fake: FakeGateway, job: Job) -> None:
    told(job, stdout="/w/log.txt", status="QUEUED", started_at=None)
    fake.files = {"/w/log.txt": b"its own\n"}
    fake.started = Starts(known=True, tasks=(Task(7, 7),))
    assert cast.alice("GET", f"{JOB}/stdout").getvalue() == b"its own\n"


def test_a_name_with_the_jobs_id_or_a_job_that_runs_needs_no_question(cast: Cast, fake: FakeGateway, job: Job) -> None:
    told(job, status="QUEUED", started_at=None)
    assert cast.alice("GET", f"{JOB}/stdout").status_code == 404
    told(job, status="RUNNING", started_at=job.submitted_at, stdout="/w/log.txt")
    assert cast.alice("GET", f"{JOB}/stdout").status_code == 404
    assert fake.calls == ["open_file", "open_file"]


def test_the_host_is_asked_for_where_it_is_in_the_name(cast: Cast, fake: FakeGateway, job: Job) -> None:
    told(job, stdout="/w/%N.txt")
    fake.files = {"/w/n1.txt": b"on n1\n"}
    fake.started = Starts(known=True, tasks=(Task(7, 7, None, "n1"),))
    assert cast.alice("GET", f"{JOB}/stdout").getvalue() == b"on n1\n"
    assert fake.calls == ["starts hosts=True", "open_file"]
    fake.started = Starts(known=True, tasks=(Task(7, 7),))
    assert "on which host" in cast.alice("GET", f"{JOB}/stdout").json()["error_message"]


def test_tasks_that_slurm_has_forgotten_are_found_by_names_of_this_array_alone(
    cast: Cast, fake: FakeGateway, job: Job
) -> None:
    told(job, stdout="/w/slurm-7_%a.out", is_array=True)
    cast.alice("GET", f"{JOB}/stdout")
    assert fake.wanted
    assert fake.wanted.template == Pattern.of("/w/slurm-7_%a.out")
    told(job, stdout="/w/log_%a.txt")
    answer = cast.alice("GET", f"{JOB}/stdout")
    assert answer.status_code == 404
    assert "SLURM no longer knows its tasks, and /w/log_%a.txt" in answer.json()["error_message"]
    assert fake.calls == ["starts hosts=False", "open_file", "starts hosts=False"]


def test_tasks_too_many_for_a_header_are_not_announced(cast: Cast, fake: FakeGateway, job: Job) -> None:
    told(job, stdout="/w/log_%a.txt", is_array=True)
    fake.started = Starts(known=True, tasks=tuple(task(number) for number in range(1000)))
    fake.files = {f"/w/log_{number}.txt": b"." for number in range(1000)}
    answer = cast.alice("GET", f"{JOB}/stdout")
    assert (len(answer.getvalue()), answer.has_header("Output-Tasks")) == (1000, False)
