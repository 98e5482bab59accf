"""Following a job: conditional answers, waiting for a change, asking SLURM now, and the history."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from clusters.calls.database import release_connection
from clusters.errors import Unreachable
from clusters.models import Cluster
from jobs.models import Job
from jobs.states import Status
from jobs.sync import notifications, polling, refresh
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway
from tests.api.test_end import record
from tests.harness.sandbox_env import eventually

pytestmark = pytest.mark.usefixtures("zeus")
ORDER = {"host": "zeus", "script": "#!/bin/sh\n", "tag": "t1"}


@pytest.fixture
def path(cast: Cast, fake: FakeGateway) -> str:
    """A queued job of alice's."""
    job_id = cast.alice("POST", "/api/jobs", ORDER).json()["job_id"]
    fake.calls.clear()
    return f"/api/jobs/{job_id}"


def in_the_background(work: Callable[[], Any]) -> Any:
    """Do `work` in a thread of its own, which leaves no database session behind."""

    def alone() -> Any:
        try:
            return work()
        finally:
            connection.close()

    pool = ThreadPoolExecutor(1)
    future = pool.submit(alone)
    pool.shutdown(wait=False)
    return future


@pytest.mark.parametrize("suffix", ["", "/../../jobs?tag=t1"])
def test_what_the_caller_has_already_is_304_until_it_changes(cast: Cast, path: str, suffix: str) -> None:
    path = "/api/jobs?tag=t1" if suffix else path
    first = cast.alice("GET", path)
    again = cast.alice("GET", path, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    Job.objects.update(status=Status.RUNNING)
    changed = cast.alice("GET", path, HTTP_IF_NONE_MATCH=first["ETag"])
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_that_slurm_was_asked_again_is_no_change(cast: Cast, fake: FakeGateway, path: str, zeus: Cluster) -> None:
    fake.queued = [record("RUNNING")]
    polling.poll(zeus)
    first = cast.alice("GET", path)
    Job.objects.update(checked_at=None)
    polling.poll(zeus)
    assert cast.alice("GET", path, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304


def test_refresh_asks_slurm_about_an_active_job(cast: Cast, fake: FakeGateway, path: str) -> None:
    fake.queued = [record("RUNNING")]
    assert cast.alice("GET", f"{path}?refresh=true").json()["status"] == "RUNNING"
    assert fake.calls == ["inspect"]


@pytest.mark.parametrize("word", ["", "yes", "1", "None"])
def test_a_refresh_that_is_neither_true_nor_false_is_422(cast: Cast, fake: FakeGateway, path: str, word: str) -> None:
    answer = cast.alice("GET", f"{path}?refresh={word}")
    assert (answer.status_code, fake.calls) == (422, [])
    assert "refresh" in answer.json()["error_message"]
    assert cast.alice("GET", f"{path}?refresh=False").status_code == 200


def test_refresh_of_an_ended_job_asks_nobody(cast: Cast, fake: FakeGateway, path: str) -> None:
    Job.objects.update(status=Status.FINISHED)
    assert cast.alice("GET", f"{path}?refresh=true").status_code == 200
    assert fake.calls == []


def test_a_refresh_that_failed_answers_from_the_registry(cast: Cast, fake: FakeGateway, path: str) -> None:
    fake.outcome = Unreachable("down")
    assert cast.alice("GET", f"{path}?refresh=true").json()["status"] == "QUEUED"


@pytest.mark.django_db(transaction=True)
def test_a_hundred_who_ask_at_once_cost_one_remote_call(
    cast: Cast, fake: FakeGateway, path: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REQUESTS_PER_ACCOUNT = 100
    monkeypatch.setattr(refresh, "_LONGEST_WAIT", 120.0)
    others: list[int] = []
    release = release_connection

    def counted() -> None:
        release()
        others.append(threading.get_ident())

    monkeypatch.setattr(refresh, "release_connection", counted)
    asked, everybody = threading.Event(), threading.Barrier(101, timeout=90)
    fake.queued = [record("RUNNING")]

    def slowly() -> None:
        asked.wait(120)

    fake.during = slowly

    def ask() -> Any:
        everybody.wait()
        return cast.alice("GET", f"{path}?refresh=true").json()["status"]

    answers = [in_the_background(ask) for _ in range(100)]
    everybody.wait()
    eventually(lambda: len(others) == 99, "everybody else waits for the answer to the first one", seconds=90)
    asked.set()
    assert {answer.result(60) for answer in answers} == {"RUNNING"}
    assert fake.calls == ["inspect"]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How each wait has ended, in the order of their ends: however slow the machine is, it says who has waited."""
    ends: list[str] = []
    wait = notifications.wait

    def noted(
        moved: threading.Event, seconds: float, has_left: Callable[[], bool], is_news: Callable[[], bool]
    ) -> None:
        ended = f"nothing within {seconds:g} s"

        def noting_news() -> bool:
            nonlocal ended
            ended = "a move" if is_news() else ended
            return ended == "a move"

        wait(moved, seconds, has_left, noting_news)
        ends.append(ended)

    monkeypatch.setattr(notifications, "wait", noted)
    return ends


@pytest.mark.django_db(transaction=True)
def test_who_prefers_to_wait_is_answered_when_the_job_moves(
    cast: Cast, fake: FakeGateway, path: str, zeus: Cluster, waits: list[str]
) -> None:
    answer = in_the_background(lambda: cast.alice("GET", path, HTTP_PREFER="respond-async, wait=20"))
    eventually(lambda: notifications.shares.held() == {"plgalice": 1}, "somebody waits")
    assert not answer.done()
    fake.queued = [record("RUNNING")]
    polling.poll(zeus)
    response = answer.result(60)
    assert response.json()["status"] == "RUNNING"
    assert response["Preference-Applied"] == "wait=20"
    assert "nothing within 20 s" not in waits  # none at all where the job has moved before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("has_seen", [False, True])
def test_what_is_written_without_a_move_is_told_to_those_alone_who_say_what_they_have_seen(
    cast: Cast, fake: FakeGateway, path: str, zeus: Cluster, *, has_seen: bool
) -> None:
    seen = {"HTTP_IF_NONE_MATCH": cast.alice("GET", path)["ETag"]} if has_seen else {}
    answer = in_the_background(lambda: cast.alice("GET", path, HTTP_PREFER="wait=20", **seen))
    eventually(lambda: notifications.shares.held() == {"plgalice": 1}, "somebody waits")
    fake.queued = [record("PENDING", reason="Priority")]
    polling.poll(zeus)
    if not has_seen:
        time.sleep(1)
        assert not answer.done()
        fake.queued = [record("RUNNING")]
        polling.poll(zeus)
    told = answer.result(10).json()
    assert (told["status"], told["slurm_state"]) == (("QUEUED", "PENDING") if has_seen else ("RUNNING", "RUNNING"))


@pytest.mark.django_db(transaction=True)
def test_who_waits_in_vain_is_answered_at_the_end_of_the_time(cast: Cast, path: str, waits: list[str]) -> None:
    assert cast.alice("GET", path, HTTP_PREFER="wait=1").json()["status"] == "QUEUED"
    assert waits == ["nothing within 1 s"]


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> Iterator[notifications.JobChangeListener]:
    """Those who wait in a process of this test's own: what is released stays so."""
    own = notifications.JobChangeListener()
    monkeypatch.setattr(notifications, "changes", own)
    yield own
    own.close()


@pytest.mark.django_db(transaction=True)
def test_who_waits_is_answered_when_the_process_is_about_to_stop(
    cast: Cast, fake: FakeGateway, path: str, changes: notifications.JobChangeListener
) -> None:
    """As if the time were over, and whoever comes then does not wait."""
    assert fake
    tag = cast.alice("GET", path)["ETag"]
    answers = [
        in_the_background(lambda: cast.alice("GET", path, HTTP_PREFER="wait=60")),
        in_the_background(lambda: cast.alice("GET", path, HTTP_PREFER="wait=60", HTTP_IF_NONE_MATCH=tag)),
    ]
    eventually(lambda: notifications.shares.held() == {"plgalice": 2}, "two wait")
    changes.release()
    for answer, code in zip([each.result(20) for each in answers], (200, 304), strict=True):
        assert (answer.status_code, answer["Preference-Applied"], answer["ETag"]) == (code, "wait=60", tag)
    late = in_the_background(lambda: cast.alice("GET", path, HTTP_PREFER="wait=60"))
    assert late.result(20).json()["status"] == "QUEUED"
    assert not notifications.shares.held()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [Status.FINISHED, Status.ABORTED, Status.ERROR])
def test_nobody_waits_for_an_ended_job(cast: Cast, path: str, waits: list[str], status: Status) -> None:
    Job.objects.update(status=status)
    assert cast.alice("GET", path, HTTP_PREFER="wait=30").json()["status"] == status
    assert waits == []


@pytest.mark.django_db(transaction=True)
def test_who_has_not_seen_the_last_change_is_answered_at_once(cast: Cast, path: str, waits: list[str]) -> None:
    tag = cast.alice("GET", path)["ETag"]
    Job.objects.update(status=Status.RUNNING)
    answer = cast.alice("GET", path, HTTP_PREFER="wait=30", HTTP_IF_NONE_MATCH=tag)
    assert answer.json()["status"] == "RUNNING"
    assert waits == []


@pytest.mark.django_db(transaction=True)
def test_where_too_many_wait_the_next_is_refused_at_once(cast: Cast, path: str, settings: Any) -> None:
    settings.WEB_THREADS = 2
    with notifications.shares.take("plgbob", each=1):
        answer = cast.alice("GET", path, HTTP_PREFER="wait=30")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")


def test_the_history_tells_each_change_and_who_told_of_it(
    cast: Cast, fake: FakeGateway, path: str, zeus: Cluster
) -> None:
    for queued, accounted in (
        ([record("PENDING")], []),
        ([record("RUNNING")], []),
        ([record("FAILED")], []),
        ([], [record("FAILED", from_accounting=True, exit_code=3, signal=0)]),
    ):
        fake.queued, fake.accounted = queued, accounted
        polling.poll(zeus)
    history = [(e["source"], e["status"], e["slurm_state"]) for e in cast.alice("GET", f"{path}/events").json()]
    assert history == [
        ("submission", "QUEUED", ""),
        ("poll", "QUEUED", "PENDING"),
        ("poll", "RUNNING", "RUNNING"),
        ("poll", "ERROR", "FAILED"),
    ]


def test_an_abort_is_in_the_history(cast: Cast, fake: FakeGateway, path: str) -> None:
    fake.queued = [record("COMPLETING")]
    cast.alice("PUT", path, {"action": "abort"})
    assert [(e["source"], e["status"]) for e in cast.alice("GET", f"{path}/events").json()][-1] == ("user", "ABORTED")


def test_a_strangers_history_is_not_found(cast: Cast, path: str) -> None:
    assert cast.alice("GET", f"{path}/events").status_code == 200
    assert cast.bob("GET", f"{path}/events").status_code == 404
