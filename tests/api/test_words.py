"""What a message says to do next."""

import base64
from typing import Any

import pytest

from clusters.errors import Busy, Failed, Malformed, Refused, TimedOut, Unreachable
from tests.api.conftest import DNS, Cast
from tests.api.gateway import FakeGateway
from tests.api.test_odd_requests import call

pytestmark = [pytest.mark.usefixtures("zeus", "fake"), pytest.mark.django_db(transaction=True)]
ORDER = {"host": "zeus", "script": "#!/bin/sh"}


def message(answer: Any, code: int) -> str:
    assert answer.status_code == code
    words: str = answer.json()["error_message"]
    return words


def test_who_has_no_account_is_told_by_which_name_it_is_known(cast: Cast) -> None:
    words = message(cast.carol("GET", "/api/jobs"), 403)
    assert words.startswith(f"dn-unmapped: this DN has no account here: {DNS['plgcarol']}; ask the operators")


def test_who_sends_no_proxy_is_told_how(cast: Cast) -> None:
    assert "base64 -w0" in message(cast.nobody("GET", "/api/jobs"), 401)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "is the variable empty"),
        ("@/tmp/x509up_u1000", "base64 -w0"),
        ("AAAA BBBB", "on one line"),
        (base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIDFzCCAf").decode(), "cut off at a line break"),
        (base64.b64encode(b"hello").decode(), "the whole proxy file"),
    ],
)
def test_a_header_that_is_no_proxy_is_told_how_to_make_one(cast: Cast, value: str, words: str) -> None:
    del cast
    status, answer = call({"PROXY": value})
    assert (status, words in answer["error_message"]) == (401, True), answer
    assert not value or value not in answer["error_message"]


def test_a_form_is_told_the_header_that_is_missing(cast: Cast) -> None:
    for method, path in (("POST", "/api/jobs"), ("PUT", "/api/jobs/1.x")):
        answer = cast.alice(method, path, "host=zeus", content_type="application/x-www-form-urlencoded")
        assert "Content-Type: application/json" in message(answer, 415)


_JSON = "Send JSON in UTF-8 with the header Content-Type: application/json."


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("", "There is no Content-Type."),
        ("application/json; charset=utf-16", "The charset of the Content-Type is not read here."),
        (";", "The Content-Type cannot be read."),
        ("a" * 60_000, "The Content-Type cannot be read."),
        ("text/plain", 'Unsupported media type "text/plain" in request.'),
    ],
)
def test_a_content_type_is_not_said_to_be_another(cast: Cast, sent: str, words: str) -> None:
    status, answer = call(cast.alice._headers, "POST", body=b"{}", CONTENT_TYPE=sent)
    assert (status, answer["error_message"]) == (415, f"{words} {_JSON}")


def test_a_method_that_is_not_possible_is_told_which_are(cast: Cast) -> None:
    assert "GET, POST" in message(cast.alice("DELETE", "/api/jobs"), 405)


def test_a_field_that_is_not_known_is_told_which_are(cast: Cast) -> None:
    words = message(cast.alice("POST", "/api/jobs", ORDER | {"scirpt": "x"}), 422)
    assert words == "scirpt: unknown field; this call takes: host, script, working_directory, tag"


def test_a_field_that_is_doubled_is_named(cast: Cast) -> None:
    answer = cast.alice("PUT", "/api/jobs/1.x", '{"action": "abort", "action": "abort"}')
    assert message(answer, 422) == "the name 'action' is in the body twice: which of the two is meant cannot be told"


def test_a_body_that_is_no_text_is_told_where(cast: Cast) -> None:
    status, answer = call(cast.alice._headers, "POST", body=b'{"\xff"}', CONTENT_TYPE="application/json")
    assert (status, answer["error_message"]) == (422, "JSON parse error - it is not utf-8: see its byte 3")


def test_a_body_that_is_no_object_is_told_so(cast: Cast) -> None:
    assert message(cast.alice("POST", "/api/jobs", [ORDER]), 422) == "body: it must be a JSON object, in braces"


def test_a_body_that_is_too_large_is_told_the_limit(cast: Cast) -> None:
    status, answer = call(
        cast.alice._headers, "POST", body=b"{}", CONTENT_TYPE="application/json", CONTENT_LENGTH="99999999"
    )
    assert (status, "26 MiB" in answer["error_message"]) == (413, True)


def test_a_key_that_was_used_is_told_to_take_another(cast: Cast) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "one"}
    assert cast.alice("POST", "/api/jobs", ORDER, **key).status_code == 201
    words = message(cast.alice("POST", "/api/jobs", ORDER | {"tag": "x"}, **key), 422)
    assert "a key of its own" in words


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (Refused("the login node does not let plgalice in"), 403, "ask the operators"),
        (Unreachable("no connection to zeus"), 503, "nothing was done; try again later"),
        (Busy("too many calls"), 503, "nothing was done; try again later"),
        (TimedOut("no answer within 30 s"), 408, "may be repeated"),
        (Failed("scancel ended with 1"), 503, "ask the operators"),
        (Malformed("squeue: rubbish"), 503, "ask the operators"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_goes_wrong_on_the_way_to_a_cluster_says_what_to_do(
    cast: Cast, fake: FakeGateway, fault: Exception, code: int, words: str
) -> None:
    job_id = cast.alice("POST", "/api/jobs", ORDER).json()["job_id"]
    fake.outcome = fault
    told = message(cast.alice("DELETE", f"/api/jobs/{job_id}"), code)
    assert str(fault) in told
    assert words in told
