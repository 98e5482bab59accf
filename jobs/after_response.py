"""Runs work after the response has been sent, so that it takes no processor time from the response itself."""

import threading
from collections.abc import Callable
from contextvars import copy_context

from django.core.signals import request_finished, request_started

from clusters.calls.database import release_connection


class _Request(threading.local):
    """The work of the request that this thread answers; None outside of a request."""

    work: list[Callable[[], object]] | None = None


_request = _Request()


def run_after_response(work: Callable[[], object]) -> None:
    """Run `work`, which must not take long, when the server has sent the response; at once outside of a request.

    What it logs has the request's id.
    """
    if _request.work is None:
        work()
    else:
        context = copy_context()
        _request.work.append(lambda: context.run(work))


def _begin(**_signal: object) -> None:
    _end()  # of a request whose response was never closed
    _request.work = []


def _end(**_signal: object) -> None:
    work, _request.work = _request.work or [], None
    for each in work:
        each()
    if work:
        # Django has released this thread's database connection before: one that was taken since would be kept until
        # the thread's next request, and as many idle threads as the pool has connections would leave it empty.
        release_connection()


request_started.connect(_begin)
request_finished.connect(_end)  # sent when the server closes the response, which is after it has written it
