"""The query of every call below /api: what a call does not take is refused, so that a misspelt filter is not none."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from audit.models import Entry
from clusters.models import Cluster
from jobs.api.query_params import taken
from jobs.models import Job
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway

pytestmark = [pytest.mark.usefixtures("zeus", "fake"), pytest.mark.django_db]
ERROR = {"status", "exit_code", "standard_output", "error_output", "error_message", "tag"}
ORDER = {"host": "zeus", "script": "#!/bin/sh", "tag": "mine"}


def below(patterns: list[Any], above: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Yield each route of the service, with the text of its pattern."""
    for pattern in patterns:
        text = above + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from below(pattern.url_patterns, text)
        else:
            yield text, pattern


def calls() -> list[tuple[str, str, Any]]:
    """Return method, address and handler of every call below /api that the URL configuration has."""
    found = []
    for text, pattern in below(get_resolver().url_patterns):
        if not text.startswith("api"):
            continue
        callback: Any = pattern.callback
        actions = getattr(callback, "actions", None) or {
            method: method for method in callback.cls.http_method_names if hasattr(callback.cls, method)
        }
        path = reverse(str(pattern.name), kwargs=dict.fromkeys(pattern.pattern.regex.groupindex, "1.x"))
        found += [
            (method.upper(), path, getattr(callback.cls, name))
            for method, name in ({"options": "options"} | actions).items()
        ]
    return found


CALLS = calls()
every_call = pytest.mark.parametrize(
    ("method", "path", "handler"), CALLS, ids=[f"{method} {path}" for method, path, _ in CALLS]
)


def test_the_calls_are_all_there() -> None:
    assert {(method, path) for method, path, _ in CALLS} >= {
        ("GET", "/api/jobs"),
        ("POST", "/api/jobs"),
        ("PUT", "/api/jobs/1.x"),
        ("DELETE", "/api/jobs/1.x"),
        ("GET", "/api/jobs/1.x/stdout"),
        ("GET", "/api/submissions/1.x"),
        ("GET", "/api/schema"),
        ("GET", "/api/docs"),
    }


@every_call
def test_every_call_refuses_what_it_does_not_take(cast: Cast, method: str, path: str, handler: Any) -> None:
    answer = cast.alice(method, f"{path}?tga=x&format=short&%7a=1", None if method == "GET" else {})
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/json")
    assert set(answer.json()) == ERROR
    names = ", ".join(taken(handler).fields)
    known = f": {names}" if names else " no query parameters"
    assert answer.json()["error_message"] == "; ".join(
        f"{name}: unknown query parameter; this call takes{known}" for name in ("tga", "z")
    )


@every_call
def test_every_call_refuses_a_parameter_that_is_doubled(cast: Cast, method: str, path: str, handler: Any) -> None:
    for name in taken(handler).fields:
        answer = cast.alice(method, f"{path}?{name}=1&{name}=1", None if method == "GET" else {})
        assert "this query parameter may be given once" in str(answer.content), name


@every_call
def test_every_call_lets_the_parameter_of_old_clients_pass(cast: Cast, method: str, path: str, handler: Any) -> None:
    del handler
    plain, asked = (
        cast.alice(method, f"{path}{query}", None if method == "GET" else {})
        for query in ("", "?format=short&format=json")
    )
    assert (asked.status_code, "unknown query parameter" in str(asked.content)) == (plain.status_code, False)


def test_the_description_says_which_parameters_a_call_takes(cast: Cast) -> None:
    paths = cast.nobody("GET", "/api/schema", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()["paths"]
    described = {
        (method.upper(), path.format(job_id="1.x", submission_id="1.x")): {
            parameter["name"] for parameter in call.get("parameters", []) if parameter["in"] == "query"
        }
        for path, each in paths.items()
        for method, call in each.items()
    }
    own = {(method, path): set(taken(handler).fields) for method, path, handler in CALLS if (method, path) in described}
    assert own == described
    assert described["GET", "/api/jobs"] == {"tag", "limit", "offset"}
    assert all("422" in call["responses"] for each in paths.values() for call in each.values())


def test_a_misspelt_filter_deletes_nothing(cast: Cast, fake: FakeGateway) -> None:
    posted = cast.alice("POST", "/api/jobs", ORDER).json()
    calls = list(fake.calls)
    answer = cast.alice("DELETE", f"/api/jobs/{posted['job_id']}?force=true")
    assert answer.status_code == 422
    assert (fake.calls, Job.objects.count()) == (calls, 1)
    assert Entry.objects.filter(action="delete", outcome="refused").count() == 1


def test_a_submission_with_a_parameter_is_refused_and_its_tag_repeated(cast: Cast, fake: FakeGateway) -> None:
    answer = cast.alice("POST", "/api/jobs?tag=t1", ORDER)
    assert (answer.status_code, answer.json()["tag"]) == (422, "mine")
    assert (fake.calls, Job.objects.count()) == ([], 0)


def test_who_is_not_let_in_is_told_that_first(cast: Cast) -> None:
    assert cast.nobody("GET", "/api/jobs?tga=x").status_code == 401
    assert cast.carol("GET", "/api/jobs?tga=x").status_code == 403


@pytest.mark.parametrize("name", ["", "a" * 3000, "non_field_errors", "\x1b[2J", "\ud800"])
def test_a_parameter_of_any_name_is_named(cast: Cast, zeus: Cluster, name: str) -> None:
    del zeus
    query = "".join(f"%{byte:02x}" for byte in name.encode(errors="surrogatepass"))
    answer = cast.alice("GET", f"/api/jobs?{query}=1")
    shown = name.encode(errors="surrogatepass").decode(errors="replace") or '""'
    assert answer.status_code == 422
    assert answer.json()["error_message"].startswith(f"{shown}: unknown query parameter")
