"""The service with views that crash on purpose, for the search for traces of keys."""

from typing import NoReturn

from django.http import HttpRequest
from django.urls import get_resolver, path

from submitter.wsgi import application as application  # noqa: PLC0414 - what gunicorn loads


def crash(request: HttpRequest) -> NoReturn:
    """Crash outside of REST framework, with the request among the traceback's variables."""
    everything = (request, request.META, vars(request))
    raise RuntimeError(f"on purpose, with {len(everything)} things at hand")


get_resolver().url_patterns.insert(0, path("api/crash", crash))
