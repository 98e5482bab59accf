"""What one caller may hold of a process at once, that nothing of it is lost, and that nothing outlives the proxy."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.utils import timezone

from clusters import gateway
from clusters.errors import Unreachable
from clusters.ssh.output_files import OutputFile
from jobs.models import Job
from jobs.states import Status
from jobs.sync import notifications
from submitter.http import account_shares
from submitter.http.account_shares import SharingMiddleware
from submitter.wsgi import application
from tests.api.conftest import DNS, Caller, Cast
from tests.api.gateway import FakeGateway
from tests.api.test_end import record
from tests.api.test_follow import ORDER, in_the_background
from tests.harness.sandbox_env import eventually
from tests.pki import grid
from tests.pki.mint import Form

pytestmark = [
    pytest.mark.usefixtures("zeus"),
    pytest.mark.django_db(transaction=True),
]  # a closed stream ends a session
NOBODY_WAITS: dict[str, int] = {}


@pytest.fixture
def job(cast: Cast, fake: FakeGateway) -> Job:
    """A queued job of alice's with an output file."""
    job_id = cast.alice("POST", "/api/jobs", ORDER).json()["job_id"]
    job = Job.objects.get(job_id=job_id)
    fake.files[job.stdout] = b"hello\n"
    return job


@pytest.fixture
def path(job: Job) -> str:
    return f"/api/jobs/{job.job_id}"


@pytest.fixture(autouse=True)
def nothing_is_kept() -> Iterator[None]:
    """Whatever a test does, every place is given back."""
    yield
    eventually(lambda: not notifications.shares.held(), "nobody waits any more", seconds=10)
    assert account_shares.REQUESTS.held() == {}


def is_429(answer: Any) -> bool:
    error = answer.json()
    assert set(error) == {"status", "exit_code", "standard_output", "error_output", "error_message", "tag"}
    assert int(answer["Retry-After"]) > 0
    return bool(answer.status_code == 429)


def end(job: Job, fake: FakeGateway, cast: Cast) -> None:
    """Have the job move, so that whoever waits for it is answered."""
    fake.queued = [record("COMPLETING")]
    assert cast.alice("PUT", f"/api/jobs/{job.job_id}", {"action": "abort"}).status_code == 204


# Waits.


def test_a_wait_beyond_the_share_of_its_account_is_429_at_once(
    cast: Cast, fake: FakeGateway, job: Job, path: str, settings: Any
) -> None:
    settings.WAITS_PER_ACCOUNT = 2
    waits = [in_the_background(lambda: cast.alice("GET", path, HTTP_PREFER="wait=50")) for _ in range(2)]
    eventually(lambda: notifications.shares.held() == {"plgalice": 2}, "two wait")
    assert is_429(cast.alice("GET", path, HTTP_PREFER="wait=50"))
    assert cast.alice("GET", path).status_code == 200
    end(job, fake, cast)
    assert [answer.result(20).json()["status"] for answer in waits] == ["ABORTED", "ABORTED"]


def test_a_wait_beyond_half_of_the_threads_is_503_at_once(
    cast: Cast, fake: FakeGateway, job: Job, path: str, settings: Any
) -> None:
    settings.WEB_THREADS = 4
    waits = [in_the_background(lambda: cast.alice("GET", path, HTTP_PREFER="wait=50")) for _ in range(2)]
    eventually(lambda: notifications.shares.held() == {"plgalice": 2}, "two wait")
    answer = cast.alice("GET", path, HTTP_PREFER="wait=50")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    end(job, fake, cast)
    assert [answer.result(20).status_code for answer in waits] == [200, 200]


def test_who_need_not_wait_takes_no_share(cast: Cast, path: str, settings: Any) -> None:
    tag = cast.alice("GET", path)["ETag"]
    settings.WAITS_PER_ACCOUNT = 0
    assert is_429(cast.alice("GET", path, HTTP_PREFER="wait=50"))
    Job.objects.update(status=Status.RUNNING)
    assert cast.alice("GET", path, HTTP_PREFER="wait=50", HTTP_IF_NONE_MATCH=tag).status_code == 200
    Job.objects.update(status=Status.FINISHED)
    assert cast.alice("GET", path, HTTP_PREFER="wait=50").status_code == 200


@contextmanager
def connected(kind: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A server's and a client's socket that are connected to each other."""
    with ExitStack() as stack:
        if kind == "unix":
            pair = socket.socketpair()
        else:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            client = socket.create_connection(listener.getsockname())
            pair = (listener.accept()[0], client)
        yield stack.enter_context(pair[0]), stack.enter_context(pair[1])


@pytest.mark.parametrize("kind", ["unix", "tcp"])
@pytest.mark.parametrize("leave", [socket.socket.close, lambda client: client.shutdown(socket.SHUT_WR)])
def test_a_wait_ends_when_its_client_has_gone(
    cast: Cast, path: str, kind: str, leave: Callable[[socket.socket], None]
) -> None:
    with connected(kind) as (server, client):
        ask = {"HTTP_PREFER": "wait=60", "gunicorn.socket": server}
        answer = in_the_background(lambda: cast.alice("GET", path, **ask))
        eventually(notifications.shares.held, "it waits")
        leave(client)
        eventually(lambda: notifications.shares.held() == NOBODY_WAITS, "it waits no more", seconds=15)
    assert answer.result(20).status_code == 200


def test_a_client_that_is_there_is_waited_for(cast: Cast, path: str) -> None:
    with connected("tcp") as (server, client):
        client.sendall(b"the beginning of its next request")
        ask = {"HTTP_PREFER": "wait=3", "gunicorn.socket": server}
        answer = in_the_background(lambda: cast.alice("GET", path, **ask))
        eventually(notifications.shares.held, "it waits")
        with pytest.raises(TimeoutError):
            answer.result(1.5)
    assert answer.result(20)["Preference-Applied"] == "wait=3"


# What is held when nobody has to hold it.


def test_no_wait_holds_a_database_connection(
    cast: Cast, fake: FakeGateway, job: Job, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    wait = notifications.wait

    def watched(*given: Any) -> None:
        held.append(connection.connection is not None)
        wait(*given)

    monkeypatch.setattr(notifications, "wait", watched)
    answer = in_the_background(lambda: cast.alice("GET", path, HTTP_PREFER="wait=50"))
    eventually(lambda: held, "it waits")
    end(job, fake, cast)
    assert (answer.result(20).status_code, held) == (200, [False])


def test_no_output_holds_a_database_connection(cast: Cast, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []

    @contextmanager
    def watched(*_given: Any) -> Iterator[OutputFile]:
        def pieces() -> Iterator[bytes]:
            held.append(connection.connection is not None)
            yield b"hello\n"

        held.append(connection.connection is not None)
        yield OutputFile(6, pieces())

    monkeypatch.setattr(gateway, "open_file", watched)
    answer = in_the_background(lambda: cast.alice("GET", f"{path}/stdout").getvalue())
    assert (answer.result(20), held) == (b"hello\n", [False, False])


# Requests of one account, and those without one.


def test_a_request_beyond_the_share_of_its_account_is_429_and_a_stream_counts_until_it_is_closed(
    cast: Cast, path: str, settings: Any
) -> None:
    settings.REQUESTS_PER_ACCOUNT = 2
    streams = [cast.alice("GET", f"{path}/stdout") for _ in range(2)]
    assert account_shares.REQUESTS.held() == {"plgalice": 2}
    assert is_429(cast.alice("GET", path))
    assert is_429(cast.alice("POST", "/api/jobs", ORDER))
    assert cast.bob("GET", "/api/jobs").status_code == 200
    streams[0].close()
    assert cast.alice("GET", path).status_code == 200
    assert streams[1].getvalue() == b"hello\n"


def test_requests_without_an_account_share_one_bound_and_monitoring_is_heard(cast: Cast, settings: Any) -> None:
    settings.REQUESTS_WITHOUT_ACCOUNT = 1
    page = SharingMiddleware(lambda _request: StreamingHttpResponse(iter([b"slowly"])))(RequestFactory().get("/"))
    refused = [cast.nobody("GET", "/api/jobs"), cast.carol("GET", "/api/jobs"), cast.nobody("GET", "/admin/login/")]
    assert [answer.status_code for answer in refused] == [503] * 3
    assert not any(is_429(answer) for answer in refused)
    assert cast.nobody("GET", "/healthz").status_code == 200
    assert cast.alice("GET", "/api/jobs").status_code == 200
    page.close()
    assert cast.nobody("GET", "/api/jobs").status_code == 401


def test_a_request_that_fails_gives_its_place_back(
    cast: Cast, fake: FakeGateway, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.outcome = Unreachable("down")
    assert cast.alice("GET", f"{path}/stdout").status_code == 503
    fake.outcome = RuntimeError("a fault of the service")
    assert cast.alice("GET", f"{path}/stdout").status_code == 500
    assert cast.alice("POST", "/api/jobs", b"{").status_code == 422
    monkeypatch.setattr("jobs.api.queries.get_row", lambda *_: 1 / 0)
    assert cast.alice("GET", path).status_code == 500
    assert account_shares.REQUESTS.held() == {}


def test_a_middleware_that_is_broken_off_gives_its_place_back() -> None:
    def broken_off(_request: Any) -> HttpResponse:
        raise SystemExit

    with pytest.raises(SystemExit):
        SharingMiddleware(broken_off)(RequestFactory().get("/"))
    assert account_shares.REQUESTS.held() == {}


def test_a_stream_that_breaks_off_gives_its_place_and_its_channel_back(
    cast: Cast, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []

    @contextmanager
    def breaking(*_given: Any) -> Iterator[OutputFile]:
        def pieces() -> Iterator[bytes]:
            yield b"he"
            raise Unreachable("the connection is lost")

        try:
            yield OutputFile(6, pieces())
        finally:
            closed.append(True)

    monkeypatch.setattr(gateway, "open_file", breaking)
    answer = cast.alice("GET", f"{path}/stdout")
    with pytest.raises(Unreachable):
        answer.getvalue()
    answer.close()
    assert (account_shares.REQUESTS.held(), closed) == ({}, [True])


def test_head_transfers_nothing(cast: Cast, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bool] = []

    @contextmanager
    def watched(*_given: Any) -> Iterator[OutputFile]:
        def pieces() -> Iterator[bytes]:
            read.append(True)
            yield b"hello\n"

        yield OutputFile(6, pieces())

    monkeypatch.setattr(gateway, "open_file", watched)
    request = RequestFactory().head(f"{path}/stdout", headers=cast.alice._headers, secure=True)
    heads: list[Any] = []
    content = application(request.environ, lambda *head: heads.append(head))
    assert (b"".join(content), read) == (b"", [])
    assert heads[0][0] == "200 OK"
    assert ("Content-Length", "6") in heads[0][1]
    content.close()  # type: ignore[attr-defined]  # it is a response of Django's


# Nothing outlives the proxy.


def brief(seconds: int) -> Caller:
    """Alice, with a proxy that is over in so many seconds."""
    now = timezone.now()
    today = Form(start=now - timedelta(hours=1), end=now + timedelta(days=1))
    user = grid.user(grid.ca(form=today), DNS["plgalice"], form=today)
    proxy = grid.rfc(user, form=Form(start=today.start, end=now + timedelta(seconds=seconds)), cn="7654321")
    return Caller(grid.proxy_file(proxy, user))


@pytest.mark.usefixtures("cast")
def test_a_wait_ends_with_its_proxy(path: str) -> None:
    alice = brief(4)
    answer = in_the_background(lambda: alice("GET", path, HTTP_PREFER="wait=60"))
    assert int(answer.result(30)["Preference-Applied"].removeprefix("wait=")) < 4
    assert alice("GET", path).status_code in {200, 401}


@pytest.mark.usefixtures("cast")
def test_output_is_broken_off_at_the_end_of_its_proxy(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    alice = brief(3)

    @contextmanager
    def endless(*_given: Any) -> Iterator[OutputFile]:
        def pieces() -> Iterator[bytes]:
            while len(sent) < 200:
                sent.append(1)
                yield b"x" * 100
                time.sleep(0.1)

        yield OutputFile(20_000, pieces())

    monkeypatch.setattr(gateway, "open_file", endless)
    answer = alice("GET", f"{path}/stdout")
    with pytest.raises(ConnectionResetError, match="expired"):
        answer.getvalue()
    assert 0 < len(sent) < 200
    answer.close()
    assert alice("GET", path).status_code == 401
