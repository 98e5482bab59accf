"""What is left for after the answer: not before it, not never, and under the request's own id."""

from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from structlog.contextvars import bound_contextvars, get_contextvars

from jobs import after_response


@pytest.fixture
def done() -> Iterator[list[str]]:
    """What has been done; no request is left open."""
    yield []
    request_finished.send(None)


def test_outside_of_a_request_it_is_done_at_once(done: list[str]) -> None:
    after_response.run_after_response(lambda: done.append("work"))
    assert done == ["work"]


def test_inside_of_a_request_it_is_done_once_the_answer_is_out_in_order(done: list[str]) -> None:
    request_started.send(None)
    after_response.run_after_response(lambda: done.append("first"))
    after_response.run_after_response(lambda: done.append("second"))
    assert done == []
    request_finished.send(None)
    request_finished.send(None)
    assert done == ["first", "second"]


def test_what_an_answer_that_was_never_closed_has_left_is_done_before_the_next(done: list[str]) -> None:
    request_started.send(None)
    after_response.run_after_response(lambda: done.append("work"))
    request_started.send(None)
    assert done == ["work"]


def test_it_is_done_under_the_id_of_its_request(done: list[str]) -> None:
    request_started.send(None)
    with bound_contextvars(request_id="the one"):
        after_response.run_after_response(lambda: done.append(get_contextvars().get("request_id", "none")))
    request_finished.send(None)
    assert done == ["the one"]
