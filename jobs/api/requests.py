"""What a call carries beside its path: who calls, the body, and the address at which jobs are shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, cast

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.reverse import reverse

from jobs.api.http_headers import digest, idempotency_key
from jobs.submission import Order


class Caller(Protocol):
    """What authentication says of who is calling."""

    account: str
    dn: str
    expires: datetime


def order_of(request: Request, values: dict[str, Any]) -> Order:
    """Return what the caller wants to run, and empty `values`, which hold it: as in `release_body`."""
    order = Order(
        values["script"],
        values.get("working_directory", ""),
        values["tag"],
        idempotency_key(request),
        digest(cast("dict[str, Any]", request.data)),
    )
    values.clear()
    return order


def seconds_left(request: Request) -> float:
    """Return for how many seconds the caller's proxy is still valid."""
    return max(0.0, (caller_of(request).expires - timezone.now()).total_seconds())


def release_body(request: Request) -> None:
    """Release the parsed body, up to 96 MiB.

    REST framework's requests and forms are cycles of references: they stay in memory until Python's garbage collector
    runs, and dozens of them may wait for that.
    """
    payload = _payload(request)
    if type(payload) is dict:  # a body that could not be read is an empty QueryDict, which nobody may change
        payload.clear()


def _payload(request: Request) -> object:
    """Return what the body says, if it was read: `data` would read a body that nobody has read."""
    return getattr(request, "_full_data", None)


def sent_tag(request: Request) -> str | None:
    """Return the tag that the caller sent, in the body or in the query."""
    source = _payload(request) if request.method in {"POST", "PUT"} else request.query_params
    tag = source.get("tag") if isinstance(source, Mapping) else None
    return tag if isinstance(tag, str) else None


def caller_of(request: Request) -> Caller:
    """Return who has sent the request, which was let in."""
    return cast("Caller", request.user)


def jobs_url(request: Request) -> str:
    """Return the absolute URL of the collection of jobs, as the caller has addressed this service."""
    return reverse("job-list", request=request)
