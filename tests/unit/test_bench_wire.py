"""The benchmarks' HTTP: when an answer is complete, and what is in it."""

import pytest

from tests.bench.wire import BrokenAnswer, answer, missing, request

_WITH_LENGTH = b'HTTP/1.1 200 OK\r\nETag: W/"1-2"\r\ncontent-length: 5\r\n\r\nhello'
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n"


def test_a_request_says_its_length_where_it_may_have_a_body() -> None:
    assert request("PUT", "/x", {"Host": "h"}, "äb") == (
        b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n\xc3\xa4b"
    )
    assert request("DELETE", "/x", {}) == b"DELETE /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    assert request("GET", "/x", {}) == b"GET /x HTTP/1.1\r\n\r\n"


def test_what_is_missing_is_not_known_before_the_head_has_ended() -> None:
    assert {missing(_WITH_LENGTH[:cut]) for cut in range(len(_WITH_LENGTH) - 5)} == {None}


def test_a_length_says_what_is_missing() -> None:
    assert [missing(_WITH_LENGTH[: len(_WITH_LENGTH) - left]) for left in range(6)] == [0, 1, 2, 3, 4, 5]


def test_chunks_are_complete_with_the_last_one() -> None:
    assert {missing(_CHUNKED[:cut]) for cut in range(len(_CHUNKED))} == {None}
    assert missing(_CHUNKED) == 0


@pytest.mark.parametrize("status", [204, 304])
def test_what_has_no_body_by_its_code_is_complete_with_its_head(status: int) -> None:
    assert missing(f"HTTP/1.1 {status} X\r\nServer: y\r\n\r\n".encode()) == 0


def test_an_answer_has_its_code_its_etag_and_its_body() -> None:
    found = answer(_WITH_LENGTH)
    assert (found.status, found.etag, found.body) == (200, 'W/"1-2"', b"hello")
    assert answer(_CHUNKED).body == b"hello!"


def test_an_answer_without_an_etag_has_none() -> None:
    with pytest.raises(LookupError, match="no ETag"):
        _ = answer(_CHUNKED).etag


@pytest.mark.parametrize("received", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nwithout a length"])
def test_what_is_no_answer_is_refused(received: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        missing(received)
