"""The API's description: it says of everything what it is, in words for callers."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

# What only those who write the service know of.
INTERNAL = ("seed", "contract", "serializer", "reading only", "the schema", "context", "self.", "the caller")


@pytest.fixture
def described() -> Any:
    return Client().get("/api/schema", HTTP_ACCEPT="application/json").json()


def calls(described: Any) -> Iterator[tuple[str, Any]]:
    for path, methods in described["paths"].items():
        for method, call in methods.items():
            yield f"{method} {path}", call


def named(described: Any) -> Iterator[tuple[str, Any]]:
    """Yield the place and the thing of everything that has a name: parameters, headers, answers, schemas, fields."""
    for name, call in calls(described):
        yield name, call
        for parameter in call.get("parameters", []):
            yield f"{name} {parameter['name']}", parameter
        for code, answer in call["responses"].items():
            yield f"{name} {code}", answer
            yield from ((f"{name} {code} {header}", value) for header, value in answer.get("headers", {}).items())
    for name, schema in described["components"]["schemas"].items():
        if "enum" not in schema:
            yield name, schema
        yield from ((f"{name}.{field}", value) for field, value in schema.get("properties", {}).items())
    yield from described["components"]["securitySchemes"].items()
    yield from ((tag["name"], tag) for tag in described["tags"])


def texts(value: Any) -> Iterator[str]:
    """Yield every text in which something is described."""
    if isinstance(value, dict):
        yield from (text for key, text in value.items() if key in {"description", "summary"} and isinstance(text, str))
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from texts(each)


def test_everything_that_has_a_name_is_described(described: Any) -> None:
    found = dict(named(described))
    assert {"Job.signal", "Error.tag", "get /api/jobs/{job_id}/stdout 200", "jobs", "GridProxy"} <= set(found)
    assert [name for name, thing in found.items() if not thing.get("description")] == []


def test_the_names_of_the_calls_stay(described: Any) -> None:
    """Generated clients call their functions so."""
    assert sorted(call["operationId"] for _, call in calls(described)) == [
        "jobs_create", "jobs_destroy", "jobs_events_list", "jobs_list", "jobs_retrieve", "jobs_stderr_retrieve",
        "jobs_stdout_retrieve", "jobs_update", "submissions_retrieve",
    ]  # fmt: skip


def test_every_call_has_a_short_summary_of_its_own(described: Any) -> None:
    summaries = [call.get("summary", "") for _, call in calls(described)]
    assert all(0 < len(summary) <= 40 for summary in summaries)
    assert len(set(summaries)) == len(summaries)


def test_no_description_speaks_of_what_only_its_authors_know(described: Any) -> None:
    said = list(texts(described))
    assert len(said) > 100
    assert [text for text in said for word in INTERNAL if word in text.lower()] == []


def test_what_may_be_null_has_null_among_its_types(described: Any) -> None:
    """As JSON Schema says it, which OpenAPI 3.1 uses: of `nullable` several generators of clients know nothing."""
    assert described["openapi"].startswith("3.1.")
    schemas = described["components"]["schemas"]
    nullable = {
        (name, field)
        for name, schema in schemas.items()
        for field, form in schema.get("properties", {}).items()
        if "null" in form.get("type", [])
    }
    assert nullable == {
        ("Job", "tag"), ("Job", "slurm_state"), ("Job", "reason"), ("Job", "exit_code"), ("Job", "signal"),
        ("Job", "checked_at"), ("Error", "tag"), ("Submission", "tag"), ("Order", "tag"),
        ("Order", "working_directory"),
    }  # fmt: skip
    assert "nullable" not in str(described)


def test_every_time_says_its_zone_or_that_it_has_the_clusters(described: Any) -> None:
    fields = {
        f"{name}.{field}": form
        for name, schema in described["components"]["schemas"].items()
        for field, form in schema.get("properties", {}).items()
        if "YYYY-MM-DD" in form.get("description", "") or form.get("format") == "date-time"
    }
    zones = {True: "UTC", False: "the cluster's time zone"}  # the forms with a zone, and the original service's
    said = {name: zones[form.get("format") == "date-time"] in form["description"] for name, form in fields.items()}
    assert [name for name, is_said in said.items() if not is_said] == []
    assert {"Job.start_time", "Job.start_time_utc", "Job.end_time", "Job.end_time_utc", "Event.at"} <= set(fields)


def test_no_text_is_said_to_be_binary(described: Any) -> None:
    """Generated clients read text/plain as text, and fail where it is said to be something else."""
    forms = [
        (kind, content["schema"])
        for _, call in calls(described)
        for answer in call["responses"].values()
        for kind, content in answer.get("content", {}).items()
        if kind.startswith("text/")
    ]
    assert forms == [("text/plain", {"type": "string"})] * 2
