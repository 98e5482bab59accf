"""/metrics for Prometheus: what the processes have counted, and what the registry and Redis say at this moment."""

import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from prometheus_client import REGISTRY, Histogram, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from submitter.ops import metrics_dir
from submitter.ops.gauges import collect_gauges

_REQUESTS = Histogram(
    "submitter_http_request_seconds",
    "Requests from their first line to the answer, by the name of the route; waits that were asked for apart",
    ["method", "route", "code"],
    buckets=[0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
)
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}


class LatencyMiddleware:
    """Measures each request. No label holds a path: what is not routed has one name."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, then count; the request began where the WSGI layer saw it, before its proxy was judged."""
        began = float(request.META.get("submitter.began") or time.perf_counter())
        response = self._get_response(request)
        method = request.method if request.method in _METHODS else "other"
        _REQUESTS.labels(method, _route(request), response.status_code).observe(time.perf_counter() - began)
        return response


def _route(request: HttpRequest) -> str:
    match = request.resolver_match
    if match is None:
        return "none"
    name = match.view_name or "unnamed"
    return f"{name} waiting" if "wait=" in request.headers.get("Prefer", "") else name


class ServiceCollector(Collector):
    """All metrics of the service, for one scrape."""

    def collect(self) -> Iterable[Metric]:
        """Yield those of every process, then those of this moment."""
        yield from _counted()
        yield from collect_gauges()


def _counted(attempts: int = 5) -> Iterable[Metric]:
    """Return what every process has counted. The files of one that ends may go while they are read: then once more."""
    try:
        files = metrics_dir.files()
        return REGISTRY.collect() if files is None else MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]  # untyped there
    except FileNotFoundError:
        if attempts == 1:
            raise
        return _counted(attempts - 1)


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer those whom METRICS_ALLOWED_IPS names; 403 to everybody else."""
    if not may_read(request, settings.METRICS_ALLOWED_IPS):
        return HttpResponse("METRICS_ALLOWED_IPS does not name your address\n", status=403, content_type="text/plain")
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(ServiceCollector()), content_type=content_type)


def may_read(request: HttpRequest, allowed: Sequence[str]) -> bool:
    """Return whether the request comes from one of the networks `allowed`.

    One that was forwarded by a front server which is not named in REVERSE_PROXIES has that one's address: it may not.
    """
    if "X-Forwarded-For" in request.headers and not settings.REVERSE_PROXIES:
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in ip_network(network) for network in allowed)
