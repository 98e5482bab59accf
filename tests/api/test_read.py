"""GET of the list, of one job, and of its output files."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clusters.models import Cluster, Poll
from jobs.models import Job, SubmissionStatus
from tests.api.conftest import Cast
from tests.api.finished import JOB, job
from tests.api.gateway import FakeGateway

__all__ = ["job"]

pytestmark = pytest.mark.usefixtures("job")


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


# Which files are a job's
