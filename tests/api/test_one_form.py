"""Errors outside of the API's views: one form for whatever a program may have misspelt, pages for operators alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Cast
from tests.api.test_odd_requests import ERROR, call

pytestmark = [pytest.mark.usefixtures("zeus", "fake"), pytest.mark.django_db(transaction=True)]

MISSPELT = [
    "//api/jobs",
    "/api",
    "/api/",
    "/API/",
    "/API/jobs",
    "/api//jobs",
    "///api///jobs///",
    "/api/jobs/../x",
    "/api/./jobs/x/y",
    "/x/../api/jobs",
    "/%61pi/job",
    "/%2561pi/jobs",
    "/api%252fjobs",
    "/api\\jobs",
    "/api;v=1/jobs",
    "/api.json",
    "/apis/jobs",
    "/v1/api/jobs",
    "/jobs",
    "/api/docs/x",
    "/api/jobs/%ff%00/x",
    "/static/nothing.css",
    "/static/../api/jobs",
    "/administration",
]


@pytest.mark.parametrize("path", MISSPELT)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "BREW"])
def test_an_address_that_is_not_there_has_the_contract_s_body(cast: Cast, method: str, path: str) -> None:
    body = b"" if method in {"GET", "HEAD"} else b"{}"
    status, answer = call(cast.alice._headers, method, path, body, CONTENT_TYPE="application/json")
    assert (status, set(answer)) == (404, ERROR)
    assert "/api/docs" in answer["error_message"]


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
def test_a_page_that_is_asked_to_change_something_refuses_in_one_form(cast: Cast, method: str, path: str) -> None:
    status, answer = call(cast.alice._headers, method, path, b"{}", CONTENT_TYPE="application/json")
    assert (status, set(answer)) == (405, ERROR)
    assert "POST at /api/jobs" in answer["error_message"]


@pytest.mark.parametrize("path", ["/api/docs", "/api/schema"])
def test_pages_about_the_api_refuse_in_one_form(cast: Cast, path: str) -> None:
    assert call(cast.alice._headers, "POST", path, b"{}", CONTENT_TYPE="application/json")[0] == 405
    assert set(call(cast.alice._headers, "POST", path, b"{}", CONTENT_TYPE="application/json")[1]) == ERROR


def test_a_form_that_nobody_asks_for_is_refused_in_one_form(cast: Cast) -> None:
    status, answer = call(cast.alice._headers, path="/api/schema", HTTP_ACCEPT="text/html")
    assert (status, set(answer)) == (406, ERROR)


@pytest.mark.parametrize("path", ["/", "/api/jobs", "//api/jobs", "/healthz"])
def test_a_host_name_that_is_not_the_service_s_is_named_as_the_fault(cast: Cast, path: str) -> None:
    status, answer = call(cast.alice._headers, path=path, HTTP_HOST="evil.example")
    assert (status, set(answer)) == (400, ERROR)
    assert "host name" in answer["error_message"]
    assert "evil" not in answer["error_message"]


def test_whoever_serves_static_files_refuses_in_one_form(cast: Cast, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "some.css").write_text("a{}")
    settings.STATIC_ROOT = tmp_path
    client = cast.nobody._client
    found = client.get("/static/some.css")
    assert (found.status_code, found.getvalue()) == (200, b"a{}")
    answer = client.delete("/static/some.css")
    assert (answer.status_code, set(answer.json())) == (405, ERROR)
    assert answer["Allow"] == "GET, HEAD"


def test_a_crash_outside_of_the_api_s_views_has_the_contract_s_body(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: Any, **_named: Any) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("jobs.web.views.render", broken)
    status, answer = call(cast.alice._headers, path="/")
    assert (status, set(answer), "X-Request-Id" in answer["error_message"]) == (500, ERROR, True)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/admin/login/", 403), ("GET", "/admin/jquery.js", 302)]
)
def test_operators_get_pages(cast: Cast, method: str, path: str, status: int) -> None:
    found, answer = call(cast.nobody._headers, method, path)
    assert (found, isinstance(answer, bytes)) == (status, True)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_call_over_plain_http_is_refused_and_pages_are_sent_on(cast: Cast, settings: Any, method: str) -> None:
    settings.SECURE_SSL_REDIRECT = True
    for caller in (cast.alice, cast.nobody):
        answer = caller(method, "/api/jobs/1.x")
        assert (answer.status_code, set(answer.json())) == (403, ERROR)
        assert "use https" in answer.json()["error_message"]
    assert cast.nobody("GET", "/").status_code == 301
    assert cast.nobody("GET", "/api/docs").status_code == 301
    assert cast.alice("GET", "/api/jobs", secure=True).status_code == 200
