"""Bodies of requests: how much of them is read, when, by how many at once, and what they may hold."""

import gc
import hashlib
import io
import json
import tracemalloc
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from jobs.api.http_headers import digest
from submitter.http.json_body import BODIES, LARGE, read
from submitter.wsgi import application
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway
from tests.api.test_follow import ORDER, in_the_background

served = pytest.mark.django_db(transaction=True)  # the application ends database sessions, as it does in production
KIB, MIB = 1024, 1024 * 1024
texts = st.text(st.characters(codec="utf-8"), max_size=50)
large_texts = texts.map(lambda text: text + "x" * 70 * KIB + text)


class Upload(io.BytesIO):
    """A body that notes whether it is read, and whether a database connection is held then."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.held: list[bool] = []

    def read(self, size: int | None = -1, /) -> bytes:
        self.held.append(connection.connection is not None)
        return super().read(size)


def post(cast: Cast, upload: io.BytesIO, length: int, user: str = "alice") -> tuple[int, dict[str, str], Any]:
    """Send `upload` through all of the application; return status, headers and body of the answer."""
    headers = getattr(cast, user)._headers
    request = RequestFactory().post("/api/jobs", content_type="application/json", headers=headers, secure=True)
    heads: list[Any] = []
    environ = request.environ | {"wsgi.input": upload, "CONTENT_LENGTH": str(length)}
    response: Any = application(environ, lambda *head: heads.append(head))
    body = b"".join(response)
    response.close()
    return int(heads[0][0].split()[0]), dict(heads[0][1]), json.loads(body)


def order(size: int) -> bytes:
    """An order whose body has `size` bytes; its script is a comment of control characters."""
    start, end = b'{"host": "zeus", "script": "#!/bin/sh\\n#', b'"}'
    return start + rb"\u0001" * ((size - len(start) - len(end)) // 6) + end


# Which are read.


@served
@pytest.mark.usefixtures("zeus")
def test_the_largest_body_is_read(cast: Cast, fake: FakeGateway) -> None:
    content = order(24 * MIB - 1000)
    status, _, answer = post(cast, Upload(content), len(content))
    assert (status, BODIES.held()) == (201, {}), answer
    assert fake.submitted[3] == json.loads(content)["script"]


@served
@pytest.mark.usefixtures("zeus", "fake")
def test_a_large_body_beyond_the_share_of_its_account_is_429_before_it_is_read(cast: Cast) -> None:
    upload = Upload(order(2 * MIB))
    with BODIES.take("plgalice", each=1):
        status, headers, _ = post(cast, upload, 2 * MIB)
        assert (status, headers["Retry-After"], upload.held) == (429, "1", [])
        assert post(cast, Upload(order(2 * MIB)), len(order(2 * MIB)), "bob")[0] == 201
        assert cast.alice("POST", "/api/jobs", ORDER).status_code == 201


@served
@pytest.mark.usefixtures("zeus", "fake")
def test_a_large_body_beyond_those_of_the_process_is_503_before_it_is_read(cast: Cast) -> None:
    upload = Upload(order(2 * MIB))
    with BODIES.take("plgbob", each=1), BODIES.take("plgcarol", each=1):
        status, headers, _ = post(cast, upload, 2 * MIB)
        assert (status, headers["Retry-After"], upload.held) == (503, "1", [])
        small = order(LARGE)
        assert post(cast, Upload(small), len(small))[0] == 201


@served
@pytest.mark.usefixtures("zeus", "fake")
def test_a_body_that_cannot_be_used_gives_its_place_back(cast: Cast) -> None:
    for content in (b"{" + b" " * 2 * MIB, b"\xff" * 2 * MIB, order(2 * MIB)[:-1]):
        assert post(cast, Upload(content), len(content))[0] == 422
    assert BODIES.held() == {}


@served
@pytest.mark.usefixtures("zeus", "fake")
def test_a_body_that_does_not_arrive_is_408(cast: Cast) -> None:
    class Stalled(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise TimeoutError("timed out")

    status, _, answer = post(cast, Stalled(), 2 * MIB)
    assert (status, answer["error_message"]) == (408, "the body did not arrive in time; send it again")
    assert BODIES.held() == {}


@served
@pytest.mark.usefixtures("zeus")
def test_a_body_over_the_limit_is_not_read(cast: Cast, fake: FakeGateway) -> None:
    upload = Upload(b"{}")
    assert post(cast, upload, 27 * MIB)[0] == 413
    assert (upload.held, fake.calls) == ([], [])


@served
@pytest.mark.usefixtures("zeus", "fake")
def test_no_database_connection_is_held_while_a_body_is_read(cast: Cast) -> None:
    upload = Upload(order(MIB))
    assert in_the_background(lambda: post(cast, upload, MIB)).result(30)[0] == 201
    assert set(upload.held) == {False}


@served
@pytest.mark.usefixtures("zeus")
def test_an_unreadable_body_is_no_fault_of_the_service(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    class Reset(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise ConnectionResetError(104, "Connection reset by peer")

    assert post(cast, Reset(), 100)[0] == 408
    assert "unhandled-exception" not in caplog.text


@served
@pytest.mark.usefixtures("zeus")
@pytest.mark.parametrize(("start", "code"), [("#!/bin/sh", 201), ("", 422)])
def test_nothing_of_a_body_is_kept_when_it_is_answered(cast: Cast, fake: FakeGateway, start: str, code: int) -> None:
    content = json.dumps(ORDER | {"script": start + "x" * 4_000_000}).encode()
    post(cast, Upload(b"{}"), 2)
    gc.disable()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        assert post(cast, Upload(content), len(content))[0] == code
        vars(fake).pop("submitted", None)
        assert tracemalloc.get_traced_memory()[0] - before < MIB
    finally:
        tracemalloc.stop()
        gc.enable()


# What they may hold.


@given(
    st.dictionaries(
        texts, st.one_of(texts, large_texts, st.none(), st.integers(), st.lists(texts, max_size=3)), max_size=5
    )
)
def test_an_object_is_read_as_json_says_however_large(value: dict[str, Any]) -> None:
    for indent in (None, 1):
        assert read(json.dumps(value, indent=indent).encode()) == value
        assert read(json.dumps(value, indent=indent, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"{}," * 100_000 + b"{}]",
        b'{"a": [' + b"[]," * 100_000 + b"[]]}",
        b'{"a": ' + b"[" * 100_000,
        b"{" + b",".join(b'"%d": 1' % number for number in range(10_000)) + b"}",
        b'{"a": ' + b"1" * 100_000 + b"}",
        b'{"a": ' + b"1" * 5_000 + b"}",
        b'{"a": 1' + b" " * 100_000 + b"}}",
        b'{"a": "' + b"x" * 100_000,
        b'{"a" "' + b"x" * 100_000 + b'"}',
        b'{1: "' + b"x" * 100_000 + b'"}',
        b'{"a": "' + b"x" * 100_000 + b'", "b": NaN}',
        b'"' + b"x" * 100_000 + b'"',
        b" " * 100_000,
        b"\xef\xbb\xbf{}",
        b'{"a": Infinity}',
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "\\u0062": 2}}',
        b'{"a": "' + b"x" * 100_000 + b'", "a": 1}',
        b'{"a": {"b": 1, "b": 2}, "c": "' + b"x" * 100_000 + b'"}',
        b"\xff",
        b"",
        b"[" * 60_000,
    ],
    ids=lambda body: body[:12].decode("latin-1"),
)
def test_a_body_that_is_no_json_or_would_grow_in_memory_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError, match=r"JSON parse error|is in the body twice: "):
        read(body)


@given(st.dictionaries(texts, st.one_of(texts, large_texts, st.none()), max_size=4))
def test_the_digest_of_a_body_is_that_of_its_json(body: dict[str, Any]) -> None:
    assert digest(body) == hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def test_the_digest_of_a_body_holds_half_surrogates() -> None:
    body = {"tag": "\ud800", "script": "\U0001f600" * 100_000}
    assert digest(body) == hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
