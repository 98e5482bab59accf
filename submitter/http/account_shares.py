"""Bounds how many requests of one account a process answers at once, streams included until they are closed.

All requests without an account share one bound: however many they are, and however slow their clients, the other
threads are for those who have one.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse

from jobs.shares import AllTaken, OwnShareTaken, Share, Shares, ShareTaken
from proxyauth.identity import Identity
from submitter.http.error_body import error_body
from submitter.http.exception_handler import CODES

REQUESTS = Shares("requests")
_NOBODY = ""
_MONITORING = {"/healthz", "/readyz", "/metrics"}  # short answers that must come also in a crowd


class SharingMiddleware:
    """Refuses a request beyond its share at once: 429 to an account, 503 to those without one.

    Comes after the middleware that says who is calling, and before anything that takes long or reads a body.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer while a place is held; the server gives it back when it closes the response."""
        if request.path_info in _MONITORING:
            return self._get_response(request)
        try:
            share = _share(request)
        except (OwnShareTaken, AllTaken) as exc:
            return _refusal(exc)
        try:
            response = self._get_response(request)
        except BaseException:
            share.give_back()
            raise
        response._resource_closers.append(share.give_back)  # type: ignore[attr-defined]  # noqa: SLF001 - what close() calls
        return response


def _share(request: HttpRequest) -> Share:
    """Return the place of whoever calls. Raises OwnShareTaken, AllTaken."""
    caller = getattr(request, "proxy", None)
    if isinstance(caller, Identity):
        return REQUESTS.take(caller.account, each=settings.REQUESTS_PER_ACCOUNT)
    try:
        return REQUESTS.take(_NOBODY, each=settings.REQUESTS_WITHOUT_ACCOUNT)
    except OwnShareTaken as exc:
        raise AllTaken("the service has too many requests without an account at once; try again") from exc


def _refusal(exc: ShareTaken) -> JsonResponse:
    """Return the answer to a request that is refused before any view has seen it."""
    answer = JsonResponse(error_body(str(exc)), status=CODES[type(exc)])
    answer["Retry-After"] = str(exc.retry_after)
    return answer
