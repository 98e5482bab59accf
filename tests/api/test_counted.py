"""Whose requests and refusals are counted: with the real Redis, and addresses that no other test has."""

import secrets
from ipaddress import IPv6Address
from typing import Any

import structlog
from django.conf import settings as configured
from django.test import Client
from django.urls import get_resolver

from proxyauth.middleware import OPEN
from proxyauth.ratelimit.limiter import RateLimiter
from tests.api.conftest import Cast


def network() -> str:
    """Return the first 64 bits of addresses that nobody else has."""
    return str(IPv6Address(0x20010DB8 << 96 | secrets.randbits(32) << 64)).removesuffix("::")


def _refusals(in_a_minute: int) -> RateLimiter:
    return RateLimiter(configured.CELERY_BROKER_URL, "refusals", per_address=in_a_minute)


def test_refusals_of_an_ipv6_network_are_counted_together() -> None:
    limiter, ours, others = _refusals(3), network(), network()
    for host in range(3):
        assert limiter.look(address=f"{ours}::{host}").seconds == 0
        limiter.count(address=f"{ours}::{host}")
    assert limiter.look(address=f"{ours}:ffff::9").seconds > 0
    assert limiter.look(address=f"{others}::1").seconds == 0


def test_requests_of_an_ipv6_network_are_counted_together() -> None:
    limiter = RateLimiter(configured.CELERY_BROKER_URL, "requests", per_address=3)
    ours, others = network(), network()
    assert [limiter.acquire(address=f"{ours}::{host}")[0] for host in range(4)] == ["", "", "", "address"]
    assert limiter.acquire(address=f"{others}::1") == ("", 0)


def test_an_ipv4_address_counts_once_in_both_families() -> None:
    limiter = _refusals(2)
    address = f"198.51.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    limiter.count(address=f"::ffff:{address}")
    limiter.count(address=address)
    assert limiter.look(address=address).seconds > 0
    assert limiter.look(address=f"::ffff:{address}").seconds > 0


PAGES = ["/api/docs", "/api/docs/", "/api/docs?script=", "/api/schema", "/api/schema/"]


def test_pages_about_the_api_count_no_refusal_of_who_reads_them(cast: Cast, settings: Any) -> None:
    settings.PROXY_REFUSALS_PER_MINUTE = 2
    address = f"{network()}::1"
    with structlog.testing.capture_logs() as lines:
        assert [Client().get(page, REMOTE_ADDR=address).status_code for page in PAGES] == [200] * len(PAGES)
    assert [line for line in lines if "verdict" in line] == []
    codes = [cast.nobody("GET", "/api/jobs", REMOTE_ADDR=address).status_code for _ in range(3)]
    assert codes == [401, 401, 429]


def test_pages_about_the_api_are_exactly_those_that_ask_nobody_who_they_are() -> None:
    routes = [
        pattern
        for pattern in get_resolver().url_patterns
        if getattr(getattr(pattern.callback, "cls", None), "authentication_classes", None) == []
    ]
    found = {"/" + str(route.pattern).removeprefix("^").removesuffix("/?$") for route in routes}
    assert found == OPEN
