"""GET of the list, of one job, and of its output files."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clusters.errors import Unreachable
from clusters.models import Cluster, Poll
from clusters.slurm.filenames import Pattern, Task
from clusters.slurm.starts import Starts
from jobs.models import Job, SubmissionStatus
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway

pytestmark = pytest.mark.usefixtures("job")

JOB = "/api/jobs/7.batch.grid.cyf-kr.edu.pl"
NOT_THERE = "/home/plgalice/slurm-7.out is not there, or is no file that plgalice can read"


@pytest.fixture
def job(zeus: Cluster) -> Job:
    """A finished job of alice's, over the end of daylight saving time in Warsaw."""
    start = dt.datetime(2026, 10, 25, 0, 30, 11, tzinfo=dt.UTC)
    return Job.objects.create(
        cluster=zeus, account="plgalice", owner_dn="/CN=plgalice", tag="t1",
        submission_status=SubmissionStatus.SUBMITTED, slurm_id=7, job_id="7.batch.grid.cyf-kr.edu.pl",
        status="FINISHED", slurm_state="COMPLETED", nodes=1, cores=12,
        exit_code=0, signal=0, submitted_at=start - dt.timedelta(minutes=10), started_at=start,
        ended_at=start + dt.timedelta(hours=1), wall_seconds=3600, accounting_confirmed=True, checked_at=start,
        stdout="/home/plgalice/slurm-7.out", stderr="/home/plgalice/err or/7.err",
    )  # fmt: skip


def test_a_finished_job_reads_as_the_contract_says(cast: Cast, job: Job) -> None:
    assert cast.alice("GET", JOB).json() == {
        "job_id": job.job_id,
        "stdout_path": f"http://testserver{JOB}/stdout",
        "stderr_path": f"http://testserver{JOB}/stderr",
        "status": "FINISHED",
        "tag": "t1",
        "nodes": "1",
        "cores": "12",
        "start_time": "2026-10-25 02:30:11",
        "end_time": "2026-10-25 02:30:11",
        "start_time_utc": "2026-10-25T00:30:11Z",
        "end_time_utc": "2026-10-25T01:30:11Z",
        "wall_time": "01:00:00",
        "queue_time": "00:10:00",
        "host": "zeus.cyfronet.pl",
        "slurm_state": "COMPLETED",
        "reason": None,
        "exit_code": 0,
        "signal": None,
        "checked_at": "2026-10-25T00:30:11Z",
    }


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("ended", [True, False])
def test_each_time_on_the_clusters_clocks_has_a_twin_in_utc_or_both_are_absent(
    cast: Cast, job: Job, *, started: bool, ended: bool
) -> None:
    Job.objects.update(started_at=job.started_at if started else None, ended_at=job.ended_at if ended else None)
    body = cast.alice("GET", JOB).json()
    assert ("start_time" in body, "start_time_utc" in body) == (started, started)
    assert ("end_time" in body, "end_time_utc" in body) == (ended, ended)


@pytest.mark.parametrize("zone", ["Europe/Warsaw", "Asia/Kathmandu", "America/New_York", "UTC"])
def test_both_twins_are_the_same_moment(cast: Cast, zone: str) -> None:
    Cluster.objects.update(time_zone=zone)
    Job.objects.update(started_at=dt.datetime(2026, 7, 1, 23, 59, 58, 900_000, tzinfo=dt.UTC))
    body = cast.alice("GET", JOB).json()
    local = dt.datetime.fromisoformat(body["start_time"]).replace(tzinfo=ZoneInfo(zone))
    assert body["start_time_utc"] == "2026-07-01T23:59:58Z"
    assert local == dt.datetime.fromisoformat(body["start_time_utc"])


def test_a_job_cancelled_in_the_queue_has_waited_and_never_started(cast: Cast) -> None:
    Job.objects.update(status="ABORTED", started_at=None, wall_seconds=None, nodes=None, cores=None)
    body = cast.alice("GET", JOB).json()
    assert not {"start_time", "wall_time", "nodes", "cores"} & set(body)
    assert body["queue_time"] == "01:10:00"


@pytest.mark.parametrize(("code", "signal"), [(7, None), (None, 9), (None, None)])
def test_how_the_script_ended_is_told_and_nothing_else(cast: Cast, code: int | None, signal: int | None) -> None:
    Job.objects.update(exit_code=code, signal=0 if code else signal)
    body = cast.alice("GET", JOB).json()
    assert (body["exit_code"], body["signal"]) == (code, signal)


def test_clocks_that_disagree_make_no_negative_duration(cast: Cast) -> None:
    Job.objects.update(submitted_at=dt.datetime(2026, 10, 25, 0, 40, tzinfo=dt.UTC))
    assert cast.alice("GET", JOB).json()["queue_time"] == "00:00:00"


def test_days_are_written_as_slurm_does(cast: Cast) -> None:
    Job.objects.update(wall_seconds=2 * 86_400 + 3661)
    assert cast.alice("GET", JOB).json()["wall_time"] == "2-01:01:01"


def test_an_open_job_was_checked_when_its_cluster_was_last_asked(cast: Cast, zeus: Cluster) -> None:
    Job.objects.update(status="RUNNING", accounting_confirmed=False)
    Poll.objects.create(cluster=zeus, account="plgpoll", succeeded_at=dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    Poll.objects.create(cluster=zeus, account="plgalice", succeeded_at=dt.datetime(2026, 12, 1, tzinfo=dt.UTC))
    assert cast.alice("GET", JOB).json()["checked_at"] == "2026-11-01T00:00:00Z"


def test_without_a_poll_account_the_owners_own_poll_counts(cast: Cast, zeus: Cluster) -> None:
    Job.objects.update(status="RUNNING", accounting_confirmed=False)
    Cluster.objects.update(poll_account="")
    Poll.objects.create(cluster=zeus, account="plgbob", succeeded_at=dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    Poll.objects.create(cluster=zeus, account="plgalice", succeeded_at=dt.datetime(2026, 12, 1, tzinfo=dt.UTC))
    assert cast.alice("GET", JOB).json()["checked_at"] == "2026-12-01T00:00:00Z"


@pytest.mark.parametrize("query", ["?format=short", "?format=json&format="])
def test_the_parameter_format_of_old_clients_is_ignored(cast: Cast, job: Job, query: str) -> None:
    assert cast.alice("GET", f"/api/jobs{query}").json()[0]["job_id"] == job.job_id
    assert cast.alice("GET", f"{JOB}{query}").json()["job_id"] == job.job_id


@pytest.mark.parametrize(
    ("query", "found"), [("?tag=t1", 1), ("?tag=t", 0), ("?tag=T1", 0), ("?tag=", 0), ("?tag=%00", 0)]
)
def test_the_tag_is_an_exact_match(cast: Cast, query: str, found: int) -> None:
    assert len(cast.alice("GET", f"/api/jobs{query}").json()) == found


@pytest.mark.usefixtures("fake")
def test_the_newest_job_comes_first(cast: Cast) -> None:
    cast.alice("POST", "/api/jobs", {"host": "zeus", "script": "#!/bin/sh\n"})
    assert [each["job_id"].split(".")[0] for each in cast.alice("GET", "/api/jobs").json()] == ["100", "7"]


@pytest.mark.parametrize("jobs", [1, 50])
def test_a_list_takes_two_queries_a_job_one_and_no_remote_call(
    cast: Cast, fake: FakeGateway, job: Job, jobs: int, django_assert_num_queries: Any
) -> None:
    for number in range(1, jobs):
        Job.objects.create(
            cluster=job.cluster,
            account="plgalice",
            submission_status="SUBMITTED",
            slurm_id=number + 100,
            job_id=f"{number}.x",
        )
    with django_assert_num_queries(2):
        assert len(cast.alice("GET", "/api/jobs").json()) == jobs
    with django_assert_num_queries(1):
        cast.alice("GET", JOB)
    assert fake.calls == []


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


def test_a_submission_that_is_not_accepted_is_not_listed(cast: Cast) -> None:
    Job.objects.update(submission_status=SubmissionStatus.PENDING)
    assert cast.alice("GET", "/api/jobs").json() == []
    assert cast.alice("GET", JOB).status_code == 404


@pytest.fixture
def hundred(zeus: Cluster) -> None:
    """A hundred jobs of alice's, the even ones tagged."""
    now = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    Job.objects.bulk_create(
        Job(
            cluster=zeus, account="plgalice", submission_status="SUBMITTED", slurm_id=n, job_id=f"{n}.x",
            tag="even" if n % 2 == 0 else None, created_at=now + dt.timedelta(seconds=n),
        )
        for n in range(1000, 1100)
    )  # fmt: skip


def numbers(answer: Any) -> list[int]:
    return [int(job["job_id"].split(".")[0]) for job in answer.json()]


@pytest.mark.usefixtures("hundred")
def test_pages_follow_each_other_and_say_how_many_there_are(cast: Cast) -> None:
    answer = cast.alice("GET", "/api/jobs?tag=even&limit=20&offset=20")
    assert numbers(answer) == list(range(1058, 1018, -2))
    assert answer["X-Total-Count"] == "50"
    url = "http://testserver/api/jobs?tag=even&limit=20&offset"
    assert answer["Link"] == f'<{url}=0>; rel="first", <{url}=0>; rel="prev", <{url}=40>; rel="next"'


@pytest.mark.usefixtures("hundred")
def test_the_last_page_has_no_next(cast: Cast) -> None:
    answer = cast.alice("GET", "/api/jobs?limit=60&offset=95")
    assert len(numbers(answer)) == 6
    assert 'rel="next"' not in answer["Link"]


@pytest.mark.usefixtures("hundred")
def test_without_paging_the_whole_array_comes_without_its_headers(cast: Cast) -> None:
    answer = cast.alice("GET", "/api/jobs")
    assert len(numbers(answer)) == 101
    assert not answer.has_header("X-Total-Count")


@pytest.mark.usefixtures("hundred")
def test_a_page_holds_ten_thousand_at_most(cast: Cast) -> None:
    answer = cast.alice("GET", "/api/jobs?limit=999999999")
    assert len(numbers(answer)) == 101
    assert "limit=10000&offset=0" in answer["Link"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=x", "limit=-1", "limit=1000000000", "limit=", "offset=-1", "offset=1e3", "offset=1000000000"],
)
def test_a_page_that_cannot_be_is_422(cast: Cast, query: str) -> None:
    answer = cast.alice("GET", f"/api/jobs?{query}")
    assert answer.status_code == 422
    assert query.split("=", maxsplit=1)[0] in answer.json()["error_message"]


@pytest.mark.usefixtures("hundred")
@pytest.mark.parametrize("query", ["", "?limit=10", "?tag=even&limit=10"])
def test_a_page_takes_a_constant_number_of_queries(cast: Cast, query: str, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(3):
        assert cast.alice("GET", f"/api/jobs{query}").status_code == 200


@pytest.mark.parametrize("accept", ["text/plain", "text/html", "image/*"])
def test_each_answer_comes_whatever_the_client_accepts(cast: Cast, fake: FakeGateway, job: Job, accept: str) -> None:
    fake.files[job.stdout] = b"hello\n"
    assert cast.alice("GET", f"{JOB}/stdout", HTTP_ACCEPT=accept).status_code == 200
    assert cast.alice("GET", JOB, HTTP_ACCEPT=accept).json()["job_id"] == job.job_id


# Which files are a job's


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
