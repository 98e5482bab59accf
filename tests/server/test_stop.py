"""A web server that is told to stop (SIGTERM): nobody who waits, reads or sends slowly keeps it from its end."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.conftest import Server, everything, running, until

pytestmark = [pytest.mark.apart, pytest.mark.spread]

ENDED = 60  # seconds in which it has to end; those who would keep it would do so for 90 (`graceful_timeout`)
FOREVER = {"WEB_HEAD_SECONDS": "300", "WEB_BODY_SECONDS": "300", "WEB_SEND_SECONDS": "300"}
LARGE = 64 * 2**20


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.fixture(params=["tcp"])
def server(request: pytest.FixtureRequest, tmp_path: Path, certificate: tuple[Path, Path]) -> Iterator[Server]:
    """One whose deadlines no test sees, but for that after SIGTERM: two seconds."""
    environment = FOREVER | {"WEB_STOP_SECONDS": "2"}
    with running(tmp_path, kind=request.param, certificate=certificate, environment=environment) as one:
        yield one


of_each_kind = pytest.mark.parametrize("server", ["tcp", "unix", "tls"], indirect=True)


def stop(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)


def has_ended(server: Server) -> bool:
    """Say whether it ends by itself, before gunicorn's patience is at its end and it is killed."""
    try:
        server.process.wait(ENDED)
    except subprocess.TimeoutExpired:
        return False
    log = server.log.read_text()
    return server.process.returncode == 0 and "SIGKILL" not in log and "Traceback" not in log


@of_each_kind
def test_who_waits_is_answered_at_once(server: Server) -> None:
    waiting = [server.send(get("/patient")) for _ in range(3)]
    until(lambda: server.ask("/patience").json() == 3, "three wait")
    stop(server)
    answers = [everything(each) for each in waiting]
    assert [answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b'"told"') for answer in answers] == [True] * 3
    assert has_ended(server)


def test_who_waits_for_a_thread_is_told_as_well(server: Server) -> None:
    """Its request is begun when the process is about to stop already."""
    waiting = [server.send(get("/patient")) for _ in range(4)]
    until(lambda: threads_are_taken(server), "all threads wait")
    late = server.send(get("/patient"))
    time.sleep(0.5)  # its head is read by the poller's loop, and it is with the others
    stop(server)
    assert [everything(each)[-6:] for each in [*waiting, late]] == [b'"told"'] * 5
    assert has_ended(server)


def threads_are_taken(server: Server) -> bool:
    """Say whether nobody is answered any more."""
    client = server.send(get("/patience"))
    client.settimeout(1)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return True


def test_who_waits_is_answered_when_the_process_above_was_killed(server: Server) -> None:
    """Its worker keeps the socket until it has ended, and so the next one from beginning."""
    waiting = server.send(get("/patient"))
    until(lambda: server.ask("/patience").json() == 1, "one waits")
    server.process.kill()
    assert everything(waiting).endswith(b'"told"')
    until(lambda: refuses(server), "nobody has the socket any more")


def refuses(server: Server) -> bool:
    try:
        server.connect()
    except OSError:
        return True
    return False


@of_each_kind
def test_who_reads_slowly_or_not_at_all_is_broken_off(server: Server) -> None:
    still, slow = server.send(get("/large")), server.send(get("/large"))
    until(lambda: server.ask("/open").json() == 2, "two are sent")
    stop(server)
    assert 0 < size(slow, pause=0.1) < LARGE
    assert has_ended(server)
    assert size(still) < LARGE


def size(client: socket.socket, pause: float = 0) -> int:
    """Take what comes, at first with a pause behind each 64 KiB, until the end; return how many bytes that was."""
    received = 0
    slow_until = time.monotonic() + 5
    try:
        while data := client.recv(65536):
            received += len(data)
            time.sleep(pause if time.monotonic() < slow_until else 0)
    except OSError:
        pass
    return received


def test_who_reads_has_some_time_for_the_rest(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    environment = FOREVER | {"WEB_STOP_SECONDS": "60"}
    with running(tmp_path, kind="tls", certificate=certificate, environment=environment) as server:
        client = server.send(get("/large"))
        until(lambda: server.ask("/open").json() == 1, "it is sent")
        stop(server)
        time.sleep(3)
        assert size(client) > LARGE
        assert has_ended(server)


@pytest.mark.parametrize("part", [b"", b"x" * 1000])
def test_who_does_not_send_the_rest_of_a_body_is_answered(server: Server, part: bytes) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    client = server.send(head + part)
    time.sleep(0.5)  # a thread has it
    stop(server)
    assert b"too slow" in everything(client)
    assert has_ended(server)


@of_each_kind
def test_who_sends_the_rest_of_a_body_drop_by_drop_is_answered(server: Server) -> None:
    client = server.send(b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
    time.sleep(0.5)  # a thread has it
    stop(server)
    for _ in range(40):
        try:
            client.sendall(b"x")
        except OSError:
            break
        time.sleep(0.1)
    assert has_ended(server)


def test_what_is_at_work_is_answered_however_long_it_takes(server: Server) -> None:
    client = server.send(get("/busy"))
    until(lambda: server.ask("/business").json() == 1, "it is at work")
    stop(server)
    assert everything(client).endswith(b'"done"')
    assert has_ended(server)


def test_connections_without_a_request_do_not_keep_it(server: Server) -> None:
    for beginning in (b"", b"G", get("/here")[:-2], get("/here")):
        server.send(beginning)
    assert server.ask("/here").is_success
    stop(server)
    assert has_ended(server)


def test_nobody_new_is_answered(server: Server) -> None:
    """As gunicorn has it: the connection waits in the socket, for the next process or in vain."""
    waiting = server.send(get("/busy"))
    until(lambda: server.ask("/business").json() == 1, "it is at work")
    stop(server)
    time.sleep(2)
    late = server.send(get("/here"))
    assert everything(waiting).endswith(b'"done"')
    assert has_ended(server)
    assert everything(late) == b""
