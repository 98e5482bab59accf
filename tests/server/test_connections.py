"""Connections that send nothing, too little, too slowly, or take nothing: none of them stops others, and each ends."""

import json
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sandbox import processes
from tests.server.conftest import Server, everything, running, until

pytestmark = pytest.mark.apart

BEGUN = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Odd: "
WHOLE = b"GET /here HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPLOAD = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
LONG = {"WEB_HEAD_SECONDS": "300"}
MANY = 40  # ten times as many as there are threads


def answered(server: Server) -> bool:
    return bool(server.ask("/there").json()["PATH_INFO"] == "/there")


def one_answer(client: socket.socket) -> bytes:
    """Return one answer, head and body, of a connection that stays open."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(client, 1)
    return head + exactly(client, int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))


def exactly(client: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        data = client.recv(min(2**20, size - len(received)))
        assert data, received
        received += data
    return bytes(received)


# Others are not stopped.


@pytest.mark.parametrize("beginning", [b"", b"G", b"\r\n", BEGUN, BEGUN * 100, WHOLE[:-1]])
def test_a_head_that_is_not_finished_stops_nobody(patient: Server, beginning: bytes) -> None:
    for _ in range(MANY):
        patient.send(beginning)
    assert answered(patient)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_second_head_on_a_connection_that_is_not_finished_stops_nobody(patient: Server, *, at_once: bool) -> None:
    for _ in range(MANY):
        client = patient.send(WHOLE + (BEGUN if at_once else b""))
        assert b"/here" in one_answer(client)
        client.sendall(BEGUN)
    assert answered(patient)


def test_a_handshake_that_is_not_finished_stops_nobody(patient: Server) -> None:
    for number in range(MANY):
        client = patient.connect(greet=False)
        client.sendall(b"\x16\x03\x01\x02\x00\x01"[: number % 7])
    assert answered(patient)


def test_a_body_that_nobody_reads_and_that_does_not_come_stops_nobody(patient: Server) -> None:
    for _ in range(MANY):
        client = patient.send(UPLOAD.replace(b"/read", b"/unread"))
        assert b"/unread" in one_answer(client)
    assert answered(patient)


def test_clients_that_do_not_close_what_was_answered_stop_nobody(patient: Server) -> None:
    crowd = [patient.send(WHOLE.replace(b"1.1", b"1.0")) for _ in range(MANY)]
    assert answered(patient)
    assert all(b"200 OK" in one_answer(client) for client in crowd)


def test_a_crowd_without_requests_makes_room_for_others(tmp_path: Path) -> None:
    with running(tmp_path, "--worker-connections", "20", environment=LONG) as server:
        crowd = [server.send(BEGUN) for _ in range(60)]
        assert answered(server)
        assert everything(crowd[0]) == b""
        crowd[-1].sendall(b"x\r\n\r\n")
        assert b"200 OK" in one_answer(crowd[-1])


def test_a_process_without_file_descriptors_goes_on(tmp_path: Path) -> None:
    few, many = ("prlimit", "--nofile=48:48"), ("--worker-connections", "1000")
    with running(tmp_path, *many, prefix=few, environment=LONG) as server:
        for _ in range(100):
            server.send(BEGUN)
        assert all(answered(server) for _ in range(5))
        assert b"Traceback" not in server.log.read_bytes()


def test_connections_without_requests_leave_file_descriptors_for_the_rest(tmp_path: Path) -> None:
    with running(tmp_path, prefix=("prlimit", "--nofile=200:200"), environment=LONG) as server:
        for _ in range(250):
            server.send(BEGUN)
        assert answered(server)
        opened = [len(list((each.directory / "fd").iterdir())) for each in processes.family(server.process.pid)]
        assert max(opened) < 150


# Each ends.


@pytest.mark.parametrize("beginning", [b"", b"G", BEGUN, WHOLE[:-1]])
def test_a_head_that_is_not_finished_in_time_ends(hurried: Server, beginning: bytes) -> None:
    assert everything(hurried.send(beginning)) == b""


def test_a_handshake_that_is_not_finished_in_time_ends(hurried: Server) -> None:
    assert everything(hurried.connect(greet=False)) == b""


@pytest.mark.parametrize("sent", [BEGUN, UPLOAD])
def test_what_comes_drop_by_drop_ends(hurried: Server, sent: bytes) -> None:
    assert len(drops(hurried.send(sent), 100)) < 100


def drops(client: socket.socket, most: int) -> list[int]:
    """Send `most` bytes one by one, or as many as the server lets come."""
    sent: list[int] = []
    with suppress(ConnectionError, ssl.SSLError):
        while len(sent) < most:
            client.sendall(b"x")
            sent.append(1)
            time.sleep(0.2)
    return sent


def test_a_body_that_stops_ends_for_the_application_and_for_the_client(hurried: Server) -> None:
    for _ in range(8):
        hurried.send(UPLOAD)
    until(lambda: answered(hurried), "the threads are free again")
    assert everything(hurried.send(UPLOAD)).endswith(b'"too slow"')


def test_a_client_that_takes_nothing_of_an_answer_is_left(hurried: Server) -> None:
    slow = [hurried.send(WHOLE.replace(b"/here", b"/large")) for _ in range(3)]
    until(lambda: hurried.ask("/open").json() == 0, "all are given up")
    assert all(len(everything(client)) < 64 * 1024 * 1024 for client in slow)


def test_a_client_that_takes_an_answer_slowly_gets_all_of_it(hurried: Server) -> None:
    client = hurried.send(WHOLE.replace(b"/here", b"/large"))
    head = client.recv(1)
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    for _ in range(20):
        exactly(client, 65536)
        time.sleep(0.2)
    exactly(client, 64 * 1024 * 1024 - 20 * 65536)


def test_an_answer_ends_at_its_end_also_where_the_client_takes_nothing(patient: Server) -> None:
    client = patient.send(WHOLE.replace(b"/here", b"/expiring"))
    until(lambda: patient.ask("/open").json() == 0, "it is given up")
    assert 0 < len(everything(client)) < 64 * 1024 * 1024
    patient.clients.pop_all().close()
    full = patient.ask("/large")
    assert len(full.content) == 64 * 1024 * 1024


def test_an_answer_that_is_broken_off_is_seen_to_be_and_is_no_fault_of_the_server(patient: Server) -> None:
    received = everything(patient.send(WHOLE.replace(b"/here", b"/broken")))
    assert b"Content-Length: 20" in received
    assert received.endswith(b"\r\n\r\n0123456789")
    assert b"Traceback" not in patient.log.read_bytes()


def test_a_client_that_leaves_is_noticed(patient: Server) -> None:
    before = patient.ask("/waited").json()
    client = patient.send(WHOLE.replace(b"/here", b"/wait"))
    until(lambda: patient.ask("/waited").json() == [before[0] + 1, before[1]], "it waits")
    client.close()
    until(lambda: patient.ask("/waited").json() == [before[0] + 1, before[1] + 1], "it has left")


# What is as it was.


def test_a_head_may_come_in_pieces(patient: Server) -> None:
    client = patient.connect()
    for byte in b"\r\n" + WHOLE:
        client.sendall(bytes([byte]))
    assert b"/here" in one_answer(client)
    client.sendall(WHOLE.replace(b"here", b"again"))
    assert b"/again" in one_answer(client)


def test_requests_may_come_at_once(patient: Server) -> None:
    upload = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12345"
    client = patient.send(WHOLE + upload + WHOLE.replace(b"here", b"last"))
    assert b"/here" in one_answer(client)
    assert one_answer(client).endswith(b"\r\n\r\n5")
    assert b"/last" in one_answer(client)


@pytest.mark.parametrize("size", [0, 1, 100_000, 20_000_000])
def test_a_body_is_read_whole(patient: Server, size: int) -> None:
    assert patient.ask("/read", method="POST", content=b"x" * size).json() == size


def test_a_body_may_come_in_chunks_or_be_waited_for(patient: Server) -> None:
    assert patient.ask("/read", method="POST", content=iter([b"123", b"45"])).json() == 5
    client = patient.send(UPLOAD.replace(b"100000", b"5\r\nExpect: 100-continue"))
    assert client.recv(100).startswith(b"HTTP/1.1 100 ")
    client.sendall(b"12345")
    assert one_answer(client).endswith(b"\r\n\r\n5")


def test_an_unread_body_that_is_here_leaves_the_connection_open(patient: Server) -> None:
    client = patient.send(UPLOAD.replace(b"/read", b"/unread").replace(b"100000", b"5") + b"12345")
    assert b"/unread" in one_answer(client)
    client.sendall(WHOLE)
    assert b"/here" in one_answer(client)


def test_a_bad_end_of_a_body_that_nobody_read_is_not_answered_twice(patient: Server) -> None:
    chunked = UPLOAD.replace(b"/read", b"/unread").replace(b"Content-Length: 100000", b"Transfer-Encoding: chunked")
    received = everything(patient.send(chunked + b"zz\r\n\r\n"))
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"200 OK" in received


def test_a_client_that_sends_what_is_refused_reads_why(patient: Server) -> None:
    client = patient.send(UPLOAD.replace(b"/read", b"/unread").replace(b"100000", b"20000000"))
    client.sendall(b"x" * 20_000_000)
    assert b"/unread" in one_answer(client)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Odd: \x01\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nX-Odd: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nX-Odd: " + b"a" * 200_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"X-Odd: a\r\n" * 101 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", 400),
        (b"POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 200_000, 400),
        (b"POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
        (b"GET /crash HTTP/1.1\r\nHost: localhost\r\n\r\n", 500),
    ],
    ids=lambda value: str(value[:24] if isinstance(value, bytes) else value),
)
def test_what_is_no_request_is_answered_in_the_contract_s_form(patient: Server, sent: bytes, code: int) -> None:
    client = patient.send(sent)
    head, _, body = everything(client).partition(b"\r\n\r\n")
    assert head.split()[1] == str(code).encode()
    assert b"Content-Type: application/json" in head
    assert set(json.loads(body)) == {
        "status", "exit_code", "standard_output", "error_output", "error_message", "tag",
    }  # fmt: skip


def test_a_stop_waits_for_requests_and_for_nothing_else(tmp_path: Path) -> None:
    with running(tmp_path, environment=LONG) as server:
        waiting = [server.send(BEGUN), server.connect()]
        kept = server.send(WHOLE)
        one_answer(kept)
        server.process.terminate()
        assert server.process.wait(20) == 0
        assert [everything(client) for client in [*waiting, kept]] == [b"", b"", b""]


def test_what_was_loaded_is_not_looked_at_for_garbage(patient: Server) -> None:
    assert patient.ask("/frozen").json() > 10_000
