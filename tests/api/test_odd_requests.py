"""Requests that no client of this service would send: each has an answer of its own, none is a fault of the service."""

import io
import json
from typing import Any

import pytest
from django.core.handlers import wsgi
from django.http import HttpResponse
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submitter.http import account_shares
from submitter.http.content_type import readable
from submitter.http.last_resort import with_faults_answered
from submitter.wsgi import application
from tests.api.conftest import Cast

pytestmark = [pytest.mark.usefixtures("zeus", "fake"), pytest.mark.django_db(transaction=True)]
LONG = "9" * 5000
ERROR = {"status", "exit_code", "standard_output", "error_output", "error_message", "tag"}


def call(headers: dict[str, str], method: str = "GET", path: str = "/api/jobs", body: bytes = b"", **odd: Any) -> Any:
    """Send a request through all of the application; return its status, and its body if that is JSON."""
    target, _, query = path.partition("?")
    request = RequestFactory().generic(method, target, body, secure=True, headers=headers)
    heads: list[Any] = []
    environ = request.environ | {"QUERY_STRING": query, "wsgi.input": io.BytesIO(body)} | odd
    response: Any = application(environ, lambda *head: heads.append(head))
    content = b"".join(response)
    getattr(response, "close", lambda: None)()
    assert account_shares.REQUESTS.held() == {}
    is_json = ("Content-Type", "application/json") in heads[0][1]
    return int(heads[0][0].split()[0]), json.loads(content) if is_json and content else content


ODD_TYPES = [
    "application/json; charset=odd",
    "application/json; charset=hex",
    "application/json; charset=idna",
    "application/json; charset=undefined",
    "application/json; charset=punycode",
    "application/json; charset=utf-16",
    'application/json; Charset="utf-7"',
    "application/json; charset=utf-8; charset=odd",
    "application/json; charset=\x00",
    "application/json; charset=\xff",
    "application/json; charset*=odd''x",
    "application/json; x*=odd''%ff",
    "application/json; x*0*=a'b",
    'application/json; x="',
    "application/json;" + "a=b;" * 10_000,
    ";",
    "\xff",
    "a" * 60_000,
    "multipart/form-data; boundary=",
    "multipart/form-data",
]


@pytest.mark.parametrize("content_type", ODD_TYPES, ids=lambda value: repr(value[:40]))
def test_an_odd_content_type_is_no_fault_of_the_service(cast: Cast, content_type: str) -> None:
    status, body = call({}, "POST", body=b"{}", CONTENT_TYPE=content_type)
    assert (status, set(body)) == (401, ERROR)
    status, body = call(cast.alice._headers, "POST", body=b"{}", CONTENT_TYPE=content_type)
    assert (status, set(body)) == (415, ERROR)
    assert call({}, "POST", "/admin/login/", b"a=b", CONTENT_TYPE=content_type)[0] == 403
    assert call({}, CONTENT_TYPE=content_type)[0] == 401


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", 'application/json;charset="UTF-8"', "application/json ;"],
)
def test_a_usual_content_type_is_read(cast: Cast, content_type: str) -> None:
    body = json.dumps({"host": "zeus", "script": "#!/bin/sh\n# zażółć"}, ensure_ascii=False).encode()
    assert call(cast.alice._headers, "POST", body=body, CONTENT_TYPE=content_type)[0] == 201


@given(st.text(st.characters(max_codepoint=255)) | st.from_regex(r"application/json; [a-z*0-9]+=[a-z0-9'%\"-]+"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_django_reads_every_content_type_that_is_let_through(content_type: str) -> None:
    environ = RequestFactory().get("/?tag=%ff").environ | {"CONTENT_TYPE": readable(content_type)}
    request = wsgi.WSGIRequest(environ)
    assert request.GET["tag"] is not None


@pytest.mark.parametrize("accept", ["application/json; x*=odd''a", "\xff", "a;" * 20_000, "*/*;q=9" + LONG])
@pytest.mark.parametrize("path", ["/api/jobs", "/api/schema", "/api/docs"])
def test_an_odd_accept_is_no_fault_of_the_service(cast: Cast, path: str, accept: str) -> None:
    assert call(cast.alice._headers, path=path, HTTP_ACCEPT=accept)[0] in {200, 406}


@pytest.mark.parametrize("method", ["GET", "DELETE", "BREW"])
@pytest.mark.parametrize("query", ["&" * 5000, "a=b&" * 2000])
def test_too_many_parameters_are_the_caller_s_fault(cast: Cast, method: str, query: str) -> None:
    status, body = call(cast.alice._headers, method, f"/api/jobs?{query}", CONTENT_TYPE="application/json")
    assert (status, set(body)) == (400, ERROR)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/api/jobs?limit={LONG}", 422),
        (f"/api/jobs?offset={LONG}", 422),
        ("/api/jobs?limit=%b2", 422),
        ("/api/jobs?limit=%d9%a3", 422),
        ("/api/jobs?limit=1_0", 422),
        (f"/api/jobs?refresh={LONG}", 422),
        (f"/api/jobs/{LONG}", 404),
        (f"/api/jobs/{LONG}.batch.grid.cyf-kr.edu.pl", 404),
        (f"/api/jobs/{LONG}/stdout", 404),
        (f"/api/submissions/{LONG}", 404),
        (f"/{LONG}", 404),
        (f"/admin/jobs/job/{LONG}/change/", 302),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_number_of_any_length_in_a_path_or_a_query_is_the_caller_s_fault(cast: Cast, path: str, status: int) -> None:
    assert call(cast.alice._headers, path=path)[0] == status


@pytest.mark.parametrize(
    "body",
    [
        f'{{"host": {LONG}}}',
        f'{{"host": "zeus", "script": {LONG}}}',
        f'{{"host": "zeus", "script": -{LONG}}}',
        f'{{"host": "zeus", "script": 1e{LONG}}}',
        f'{{"host": "zeus", "script": 0.{LONG}}}',
        f'{{"host": "zeus", "script": "#!", "tag": {"9" * 4000}}}',
        f'{{"host": "zeus", "script": "#!", "working_directory": [{LONG}]}}',
        LONG,
        "[" + ",".join(["9" * 4000] * 10) + "]",
    ],
    ids=lambda value: value[:40],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_number_of_any_length_in_a_body_is_the_caller_s_fault(cast: Cast, method: str, body: str) -> None:
    path = "/api/jobs" if method == "POST" else "/api/jobs/1.x"
    status, answer = call(cast.alice._headers, method, path, body.encode(), CONTENT_TYPE="application/json")
    assert (status, set(answer)) == (422, ERROR)


@pytest.mark.parametrize("value", [LONG, "-1", "\xb2", "1e9", "0x10", " 5", "+5", "NaN", ""])
@pytest.mark.parametrize(
    "name",
    [
        "HTTP_PREFER", "HTTP_RANGE", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_X_FORWARDED_FOR", "HTTP_DNT",
        "HTTP_LAST_EVENT_ID", "HTTP_CONTENT_LENGTH", "HTTP_MAX_FORWARDS", "HTTP_X_REQUEST_ID", "HTTP_COOKIE",
    ],
)  # fmt: skip
def test_a_number_of_any_length_in_a_header_is_no_fault_of_the_service(cast: Cast, name: str, value: str) -> None:
    prefix = "wait=" if name == "HTTP_PREFER" else ""
    assert call(cast.alice._headers, "GET", "/api/jobs", b"", **{name: prefix + value})[0] == 200


# What fails outside of Django's handlers.


def test_a_fault_around_django_has_the_contract_s_body_and_one_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def failing(_environ: Any, _start: Any) -> Any:
        raise RuntimeError("on purpose")

    heads: list[Any] = []
    body = b"".join(with_faults_answered(failing)({}, lambda *head: heads.append(head)))
    assert heads[0][0] == "500 Internal Server Error"
    assert set(json.loads(body)) == ERROR
    assert json.loads(body)["error_message"].startswith("internal error; tell")
    assert tracebacks(caplog) == 1


def tracebacks(caplog: pytest.LogCaptureFixture) -> int:
    """Count the lines of the log that have the traceback."""
    return sum("on purpose" in f"{record.msg} {record.exc_text}" for record in caplog.records)


def test_a_fault_in_making_the_request_has_an_id_and_the_contract_s_body(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_given: Any) -> None:
        raise ValueError("on purpose")

    environ = RequestFactory().get("/api/jobs").environ | {"HTTP_PROXY": "secret"}
    monkeypatch.setattr(wsgi.WSGIRequest, "__init__", broken)
    heads: list[Any] = []
    body = json.loads(b"".join(application(environ, lambda *head: heads.append(head))))
    assert (heads[0][0], set(body)) == ("500 Internal Server Error", ERROR)
    assert "X-Request-Id" in dict(heads[0][1])
    assert tracebacks(caplog) == 1
    assert "secret" not in caplog.text


def test_a_fault_in_a_middleware_has_the_contract_s_body_and_one_traceback(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_given: Any) -> HttpResponse:
        raise ValueError("on purpose")

    monkeypatch.setattr("django.middleware.common.CommonMiddleware.process_request", broken)
    status, body = call(cast.alice._headers)
    assert (status, set(body)) == (500, ERROR)
    assert tracebacks(caplog) == 1


def test_an_answer_that_the_server_refuses_is_closed(cast: Cast) -> None:
    def refuse(*_head: Any) -> None:
        raise ValueError("no header of HTTP")

    request = RequestFactory().get("/api/jobs", headers=cast.alice._headers, secure=True)
    with pytest.raises(ValueError, match="no header"):
        application(request.environ, refuse)
    assert account_shares.REQUESTS.held() == {}
