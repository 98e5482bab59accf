"""Lists: what their ETag stands for, and what they cost."""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clusters.models import Cluster, Poll
from jobs.api import listing
from jobs.api.listing import Selection
from jobs.api.representation import Row
from jobs.models import Job
from tests.api.conftest import Cast

LIST = "/api/jobs"
NOW = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def add(cluster: Cluster, number: int, **values: Any) -> Job:
    """Register a running job of alice's; the higher its number, the newer it is."""
    known = {
        "account": "plgalice", "submission_status": "SUBMITTED", "slurm_id": number, "job_id": f"{number}.x",
        "tag": "t",
        "created_at": NOW + dt.timedelta(seconds=number), "status": "RUNNING", "slurm_state": "RUNNING", "nodes": 1,
        "submitted_at": NOW, "started_at": NOW, "stdout": f"/w/{number}.out", "stderr": f"/w/{number}.err",
    }  # fmt: skip
    return Job.objects.create(cluster=cluster, **known | values)


@pytest.fixture
def job(zeus: Cluster) -> Job:
    """One job of alice's, between two others."""
    _older, own, _newer = (add(zeus, number) for number in (1, 2, 3))
    return own


def again(cast: Cast, seen: Any, path: str = LIST) -> Any:
    """Ask for the list as somebody who has `seen` an answer."""
    return cast.alice("GET", path, HTTP_IF_NONE_MATCH=seen["ETag"])


# What is shown, and what is not

LATER = NOW + dt.timedelta(hours=3)
CHANGES: dict[str, Any] = {
    "id": uuid.UUID(int=7), "job_id": "9.y", "status": "ERROR", "tag": "u", "slurm_state": "NODE_FAIL", "nodes": 2,
    "reason": "Priority", "tasks": {"RUNNING": 2}, "stdout": "/w/x.out", "stderr": "/w/x.err", "cores": 3,
    "slurm_id": 9, "exit_code": 1, "signal": 9, "submitted_at": LATER, "started_at": LATER, "ended_at": LATER,
    "wall_seconds": 3, "created_at": LATER,
}  # fmt: skip
NOT_SHOWN: dict[str, Any] = {
    "owner_dn": "/CN=x", "working_directory": "/w", "idempotency_key": "k", "answer": {"job_id": "2.x"},
    "request_digest": "d", "acknowledged": True, "failure": {}, "slurm_id_reused": True, "is_array": True,
    "abort_requested_at": LATER, "accounting_confirmed": True, "checked_at": LATER,
}  # fmt: skip
LEAVES_THE_LIST: dict[str, Any] = {"account": "plgbob", "submission_status": "PENDING", "deleted_at": LATER}


def test_every_column_of_a_job_is_shown_or_not() -> None:
    named = {"cluster", "revision", *CHANGES, *NOT_SHOWN, *LEAVES_THE_LIST}
    assert named == {field.name for field in Job._meta.concrete_fields}
    assert set(Row._fields) - {"revision", "account", "accounting_confirmed", "checked_at"} <= {"cluster_id", *CHANGES}


@pytest.mark.parametrize("query", ["", "?tag=t", "?limit=10", "?tag=t&limit=2&offset=1"])
@pytest.mark.parametrize("column", CHANGES)
def test_what_is_shown_of_a_job_makes_another_list(cast: Cast, job: Job, column: str, query: str) -> None:
    seen = cast.alice("GET", LIST + query)
    assert again(cast, seen, LIST + query).status_code == 304
    Job.objects.filter(pk=job.pk).update(**{column: CHANGES[column]})
    now = again(cast, seen, LIST + query)
    assert (now.status_code, now["ETag"] != seen["ETag"]) == (200, True)
    assert again(cast, now, LIST + query).status_code == 304


@pytest.mark.parametrize("column", NOT_SHOWN)
def test_what_is_not_shown_of_a_job_makes_none(cast: Cast, job: Job, column: str) -> None:
    seen = cast.alice("GET", LIST)
    Job.objects.filter(pk=job.pk).update(**{column: NOT_SHOWN[column]})
    assert again(cast, seen).status_code == 304


@pytest.mark.parametrize("query", ["", "?tag=t", "?limit=10"])
@pytest.mark.parametrize("column", LEAVES_THE_LIST)
def test_a_job_that_leaves_the_list_makes_another_one_and_so_does_one_that_comes_back(
    cast: Cast, job: Job, column: str, query: str
) -> None:
    seen = cast.alice("GET", LIST + query)
    Job.objects.filter(pk=job.pk).update(**{column: LEAVES_THE_LIST[column]})
    without = again(cast, seen, LIST + query)
    assert [each["job_id"] for each in without.json()] == ["3.x", "1.x"]
    Job.objects.filter(pk=job.pk).update(**{column: getattr(job, column)})
    back = again(cast, without, LIST + query)
    assert (back.status_code, back.json(), back["ETag"]) == (200, seen.json(), seen["ETag"])


def test_a_row_that_is_removed_makes_another_list(cast: Cast, job: Job) -> None:
    seen = cast.alice("GET", LIST)
    job.delete()
    assert len(again(cast, seen).json()) == 2


def test_a_list_by_tag_is_another_one_when_a_job_gets_or_loses_the_tag_and_only_then(
    cast: Cast, zeus: Cluster, job: Job
) -> None:
    other = add(zeus, 4, tag="other")
    seen = cast.alice("GET", f"{LIST}?tag=t")
    Job.objects.filter(pk=other.pk).update(status="ERROR")
    assert again(cast, seen, f"{LIST}?tag=t").status_code == 304
    Job.objects.filter(pk=other.pk).update(tag="t")
    more = again(cast, seen, f"{LIST}?tag=t")
    assert [each["job_id"] for each in more.json()] == ["4.x", "3.x", "2.x", "1.x"]
    Job.objects.filter(pk=job.pk).update(tag=None)
    assert [each["job_id"] for each in again(cast, more, f"{LIST}?tag=t").json()] == ["4.x", "3.x", "1.x"]


def test_an_empty_list_is_known_too_until_there_is_a_job(cast: Cast, zeus: Cluster) -> None:
    seen = cast.alice("GET", LIST)
    assert (seen.status_code, seen.json()) == (200, [])
    assert again(cast, seen).status_code == 304
    add(zeus, 1)
    assert len(again(cast, seen).json()) == 1


@pytest.mark.django_db
def test_a_list_without_any_cluster_is_empty(cast: Cast) -> None:
    seen = cast.alice("GET", LIST)
    assert (seen.status_code, seen.json(), again(cast, seen).status_code) == (200, [], 304)


def test_somebody_elses_jobs_make_no_other_list(cast: Cast, zeus: Cluster, job: Job) -> None:
    seen = cast.alice("GET", LIST)
    add(zeus, 4, account="plgbob")
    assert again(cast, seen).status_code == 304
    assert [each["job_id"] for each in cast.bob("GET", LIST).json()] == ["4.x"]
    assert job.job_id in [each["job_id"] for each in cast.alice("GET", LIST).json()]


# Clusters

SHOWN_OF_CLUSTERS = {
    "name": "ares.cyfronet.pl",
    "time_zone": "America/New_York",
    "download_url": "https://data.plgrid.pl/{account}/{path}",
}


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("query", ["", "?tag=t", "?limit=2"])
@pytest.mark.parametrize("column", SHOWN_OF_CLUSTERS)
def test_what_is_shown_of_a_cluster_makes_another_list(cast: Cast, zeus: Cluster, column: str, query: str) -> None:
    seen = cast.alice("GET", LIST + query)
    setattr(zeus, column, SHOWN_OF_CLUSTERS[column])
    zeus.save()
    now = again(cast, seen, LIST + query)
    assert (now.status_code, now.json() != seen.json()) == (200, True)
    assert again(cast, now, LIST + query).status_code == 304


@pytest.mark.usefixtures("job")
def test_what_is_not_shown_of_a_cluster_makes_none(cast: Cast, zeus: Cluster) -> None:
    seen = cast.alice("GET", LIST)
    Cluster.objects.update(enabled=False, disabled_message="until 6 pm", port=2222, poll_account="", job_domain="y")
    assert again(cast, seen).status_code == 304
    assert zeus.name == seen.json()[0]["host"]


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("poll_account", ["plgpoll", ""])
def test_when_slurm_was_asked_is_told_and_makes_no_other_list(cast: Cast, zeus: Cluster, poll_account: str) -> None:
    Cluster.objects.update(poll_account=poll_account)
    poll = Poll.objects.create(cluster=zeus, account=poll_account or "plgalice", succeeded_at=NOW)
    Poll.objects.create(cluster=zeus, account="plgbob", succeeded_at=LATER)
    seen = cast.alice("GET", LIST)
    assert {each["checked_at"] for each in seen.json()} == {"2026-11-01T12:00:00Z"}
    Poll.objects.filter(pk=poll.pk).update(succeeded_at=LATER)
    assert again(cast, seen).status_code == 304
    assert {each["checked_at"] for each in cast.alice("GET", LIST).json()} == {"2026-11-01T15:00:00Z"}


# Hazards


def test_jobs_that_swap_what_they_show_make_another_list(cast: Cast, zeus: Cluster) -> None:
    """A sum of hashes that are themselves sums over columns would be the same for every other pair."""
    words = ["Priority", "Resources"]
    for number in range(40):
        add(zeus, number, status="QUEUED", slurm_state="PENDING", reason=words[number % 2])
    for number in range(0, 40, 2):
        seen = cast.alice("GET", LIST)
        Job.objects.filter(slurm_id=number).update(reason="Resources")
        Job.objects.filter(slurm_id=number + 1).update(reason="Priority")
        assert again(cast, seen).status_code == 200


@pytest.mark.parametrize("column", ["started_at", "ended_at", "submitted_at", "created_at"])
def test_times_that_postgresql_hashes_alike_make_another_list(cast: Cast, job: Job, column: str) -> None:
    """Its hash of a time has 32 bits: the upper half of the microseconds over the lower one."""
    alike = [dt.datetime(2000, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=n) for n in (1 << 32, 1)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT hash_record_extended(ROW(%s::timestamptz), 0) = hash_record_extended(ROW(%s::timestamptz), 0)",
            alike,
        )
        assert cursor.fetchone() == (True,)
    Job.objects.filter(pk=job.pk).update(**{column: alike[0]})
    seen = cast.alice("GET", LIST)
    Job.objects.filter(pk=job.pk).update(**{column: alike[1]})
    assert again(cast, seen).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("query", ["", "?tag=t", "?limit=10"])
@pytest.mark.parametrize(
    "late",
    [
        "UPDATE jobs_job SET status = 'ERROR' WHERE job_id = '1.x'",
        "UPDATE jobs_job SET submission_status = 'SUBMITTED' WHERE job_id = '4.x'",
        "UPDATE jobs_job SET deleted_at = now() WHERE job_id = '1.x'",
        "DELETE FROM jobs_job WHERE job_id = '1.x'",
        "UPDATE clusters_cluster SET name = 'ares'",
    ],
    ids=["moved", "accepted", "deleted", "removed", "renamed"],
)
def test_a_change_that_began_before_others_and_is_committed_after_them_is_not_missed(
    cast: Cast, zeus: Cluster, job: Job, late: str, query: str
) -> None:
    add(zeus, 4, submission_status="PENDING")
    parameters = {**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}
    parameters.pop("context", None)
    with psycopg.connect(**parameters) as other:
        other.execute(late)
        Job.objects.filter(pk=job.pk).update(status="FINISHED")  # begins later, and is committed at once
        seen = cast.alice("GET", LIST + query)
        assert again(cast, seen, LIST + query).status_code == 304
        other.commit()
    now = again(cast, seen, LIST + query)
    assert (now.status_code, now.json() != seen.json()) == (200, True)


def test_changes_at_one_and_the_same_time_are_told_apart(cast: Cast, job: Job) -> None:
    tags = set()
    for status in ("QUEUED", "RUNNING", "ERROR"):
        Job.objects.filter(pk=job.pk).update(status=status, checked_at=NOW)
        tags.add(cast.alice("GET", LIST)["ETag"])
    assert len(tags) == 3


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have something done once, between the look at what a list is and the reading of its rows."""
    read = listing.rows

    def arrange(act: Callable[[], object]) -> None:
        pending = [act]

        def rows(selection: Selection) -> list[Row]:
            while pending:
                pending.pop()()
            return read(selection)

        monkeypatch.setattr(listing, "rows", rows)

    return arrange


def test_the_tag_is_that_of_the_jobs_that_are_told(cast: Cast, job: Job, between: Any) -> None:
    before = cast.alice("GET", LIST)
    between(lambda: Job.objects.filter(pk=job.pk).update(status="ERROR"))
    told = cast.alice("GET", LIST)
    assert "ERROR" in [each["status"] for each in told.json()]
    assert again(cast, told).status_code == 304
    Job.objects.filter(pk=job.pk).update(status=job.status)
    assert again(cast, told).json() == before.json()


@pytest.mark.usefixtures("job")
def test_a_cluster_that_is_registered_meanwhile_is_looked_up(cast: Cast, between: Any) -> None:
    def register() -> None:
        keys = ["ssh-ed25519 AAAA"]
        add(Cluster.objects.create(name="ares", address="127.0.0.1", host_keys=keys, job_domain="y"), 5)

    between(register)
    assert [each["host"] for each in cast.alice("GET", LIST).json()] == ["ares", *["zeus.cyfronet.pl"] * 3]


@pytest.mark.usefixtures("job")
def test_another_version_of_this_service_knows_no_list_of_this_one(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = cast.alice("GET", LIST)
    monkeypatch.setattr(listing, "FORMAT", "of another version")
    assert again(cast, seen).status_code == 200


@pytest.mark.usefixtures("job")
def test_a_list_that_is_asked_for_at_another_address_has_another_tag(cast: Cast, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    seen = cast.alice("GET", LIST)
    assert cast.alice("GET", LIST, HTTP_IF_NONE_MATCH=seen["ETag"], HTTP_HOST="other.example").status_code == 200


# Forms


def test_a_job_in_a_list_is_the_job_itself(cast: Cast, zeus: Cluster) -> None:
    Poll.objects.create(cluster=zeus, account="plgpoll", succeeded_at=LATER)
    odd = 'a"\\\u2028\u00e9\U0001f600'
    add(zeus, 1, tag=odd, reason="\x1b[1m\x7f", tasks={"RUNNING": 1, "ERROR": 2}, checked_at=NOW)
    add(zeus, 2, slurm_state="", status="QUEUED", checked_at=NOW)
    ended = NOW + dt.timedelta(days=1, seconds=3, microseconds=999_999)
    add(
        zeus,
        3,
        status="FINISHED",
        ended_at=ended,
        wall_seconds=86_403,
        accounting_confirmed=True,
        exit_code=0,
        signal=0,
    )
    add(zeus, 4, status="ABORTED", started_at=None, ended_at=ended, cores=2)
    listed = cast.alice("GET", LIST)
    assert listed["Content-Type"] == "application/json"
    assert [cast.alice("GET", f"{LIST}/{number}.x").json() for number in (4, 3, 2, 1)] == listed.json()
    assert (listed.json()[3]["tag"], listed.json()[3]["checked_at"]) == (odd, "2026-11-01T15:00:00Z")
    assert listed.json()[1]["end_time"] == "2026-11-02 13:00:03"
    assert cast.alice("GET", f"{LIST}?tag={'a%22%5C%E2%80%A8%C3%A9%F0%9F%98%80'}").json() == listed.json()[3:]


def test_jobs_of_the_same_moment_have_an_order(cast: Cast, zeus: Cluster) -> None:
    for number in range(20):
        add(zeus, number, created_at=NOW, id=uuid.UUID(int=number))
    pages = [cast.alice("GET", f"{LIST}?limit=5&offset={offset}").json() for offset in range(0, 20, 5)]
    assert [each["job_id"] for page in pages for each in page] == [f"{number}.x" for number in reversed(range(20))]


def test_a_page_is_told_by_what_is_on_it_and_by_how_many_there_are(cast: Cast, zeus: Cluster, job: Job) -> None:
    path = f"{LIST}?limit=1&offset=1"
    seen = cast.alice("GET", path)
    assert [each["job_id"] for each in seen.json()] == [job.job_id]
    Job.objects.exclude(pk=job.pk).update(status="ERROR")
    add(zeus, 0)
    now = again(cast, seen, path)
    assert (now.status_code, now["X-Total-Count"]) == (304, "4")


@pytest.mark.usefixtures("job")
def test_the_head_of_a_list_is_that_of_the_list(cast: Cast) -> None:
    whole, head = cast.alice("GET", LIST), cast.alice("HEAD", LIST)
    assert (head.status_code, head.content, dict(head.items())) == (200, b"", dict(whole.items()))
    seen = again(cast, whole)
    assert (seen.content, seen.has_header("Content-Type")) == (b"", False)
    kept = {name: value for name, value in whole.items() if name not in {"Content-Type", "Content-Length"}}
    assert {name: seen[name] for name in kept} == kept


# Cost


@pytest.mark.parametrize("query", ["", "?tag=t", "?limit=10", "?tag=t&limit=10"])
@pytest.mark.parametrize("number", [1, 200])
def test_what_is_known_costs_one_statement_and_what_is_not_two(
    cast: Cast, zeus: Cluster, query: str, number: int
) -> None:
    for each in range(number):
        add(zeus, each)
    Poll.objects.create(cluster=zeus, account="plgpoll", succeeded_at=NOW)
    with CaptureQueriesContext(connection) as asked:
        seen = cast.alice("GET", LIST + query)
    assert len(asked) == 2, [each["sql"] for each in asked]
    with CaptureQueriesContext(connection) as asked:
        assert again(cast, seen, LIST + query).status_code == 304
    assert len(asked) == 1, [each["sql"] for each in asked]
