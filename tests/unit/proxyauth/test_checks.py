"""Settings, system checks and error reports."""

from typing import Any

import pytest
from django.core import checks
from django.test import RequestFactory
from django.views.debug import ExceptionReporter
from pytest_django.fixtures import Settings

from proxyauth import conf
from proxyauth.authenticator import authenticator
from proxyauth.checks import check_proxyauth
from proxyauth.credential import decode_header
from proxyauth.policy import Kind, Need, Policy
from submitter import trustsettings
from tests.unit.proxyauth.conftest import Site


def test_the_defaults_are_those_of_the_policy(site: Site) -> None:
    found = conf.read()
    assert found.policy == Policy()
    assert (found.trust_dir, found.gridmap, found.dn_pattern) == (site.trust_dir, site.gridmap, None)
    assert found.cache_ttl == 60


def test_every_setting_has_its_effect(site: Site, settings: Settings) -> None:
    settings.PROXY_TYPES = ["rfc", "draft"]
    settings.PROXY_ALLOW_LIMITED = settings.PROXY_ALLOW_END_ENTITY = True
    settings.PROXY_MAX_DELEGATIONS = 3
    settings.PROXY_MIN_RSA_BITS = 1024
    settings.PROXY_WEAK_HASHES = ["sha1"]
    settings.PROXY_CRL, settings.PROXY_SIGNING_POLICY = "require", "if-present"
    settings.PROXY_DN_PATTERN = "/CN=(?P<account>plg.*)"
    settings.PROXY_CACHE_TTL = 5
    found = conf.read()
    assert found.policy == Policy(
        kinds=frozenset({Kind.RFC, Kind.DRAFT}),
        allow_limited=True,
        allow_end_entity=True,
        max_proxies=3,
        min_rsa_bits=1024,
        weak_hashes=frozenset({"sha1"}),
        crl=Need.REQUIRE,
        signing_policy=Need.IF_PRESENT,
    )
    assert found.dn_pattern is not None
    assert (match := found.dn_pattern.fullmatch("/CN=plgalice")) is not None
    assert match["account"] == "plgalice"
    assert found.dn_pattern.fullmatch("/CN=alice") is None
    assert found.cache_ttl == 5
    assert site.gridmap.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROXY_TYPES", []),
        ("PROXY_TYPES", ["rfc", "voms"]),
        ("PROXY_TYPES", ["end-entity"]),
        ("PROXY_MAX_DELEGATIONS", "many"),
        ("PROXY_MIN_RSA_BITS", 512),
        ("PROXY_MIN_RSA_BITS", 8193),
        ("PROXY_WEAK_HASHES", ["sha1", "md4"]),
        ("PROXY_CRL", "sometimes"),
        ("PROXY_SIGNING_POLICY", ""),
        ("PROXY_DN_PATTERN", "("),
        ("PROXY_DN_PATTERN", "/CN=(.*)"),
        ("PROXY_DN_PATTERN", r"/O=(.*)/CN=(?P<account>\1)"),
        ("PROXY_DN_PATTERN", "(?=/CN=)(?P<account>.*)"),
        ("PROXY_CACHE_TTL", -1),
        ("PROXY_CACHE_TTL", 61),
        ("PROXY_CACHE_TTL", None),
    ],
)
def test_a_wrong_setting_is_named(site: Site, settings: Settings, name: str, value: Any) -> None:
    setattr(settings, name, value)
    with pytest.raises(ValueError, match=f"^{name}: "):
        conf.read()
    (error,) = check_proxyauth(None)
    assert error.id == "proxyauth.E001"
    assert name in error.msg
    assert site.gridmap.exists()


def test_every_default_is_possible(site: Site, settings: Settings) -> None:
    for name in (name for name in dir(trustsettings) if name.startswith("PROXY_")):
        setattr(settings, name, getattr(trustsettings, name))
    assert conf.read().policy == Policy()
    assert site.gridmap.exists()


def test_a_good_site_has_nothing_to_report(site: Site) -> None:
    assert check_proxyauth(None) == []
    assert site.gridmap.exists()


def test_the_checks_run_with_all_others(site: Site) -> None:
    site.gridmap.write_text("nonsense\n")
    found = [message for message in checks.run_checks() if str(message.id).startswith("proxyauth.")]
    assert [(message.id, message.level) for message in found] == [("proxyauth.W001", checks.WARNING)]
    assert "line 1 is skipped" in found[0].msg


def test_another_middleware_before_is_an_error(site: Site, settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", *settings.MIDDLEWARE]
    assert [message.id for message in check_proxyauth(None)] == ["proxyauth.E002"]
    settings.MIDDLEWARE = []
    assert [message.id for message in check_proxyauth(None)] == ["proxyauth.E002"]
    assert site.gridmap.exists()


def _report(header: str) -> ExceptionReporter:
    """The report on a crash in the room that reads credentials."""
    with pytest.raises(ZeroDivisionError) as crash:
        authenticator().authenticate(header)
    request = RequestFactory().get("/api/jobs", headers={"Proxy": header, "X-Proxy-Certificate": header})
    return ExceptionReporter(request, crash.type, crash.value, crash.tb.tb_next)


@pytest.mark.parametrize("debug", [False, True])
def test_error_reports_show_nothing_of_a_credential(
    site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch, *, debug: bool
) -> None:
    settings.DEBUG = debug
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "proxyauth.error_reporting.ProxyReporterFilter"
    header = site.header()
    pem = decode_header(header).decode()

    monkeypatch.setattr("proxyauth.x509.possession.prove", _fail)
    reporter = _report(header)
    for report in (reporter.get_traceback_html(), reporter.get_traceback_text()):
        assert "ZeroDivisionError" in report
        assert "HTTP_PROXY" in report
        assert header[:40] not in report
        assert not any(line in report for line in pem.splitlines() if len(line) > 40)


def test_error_reports_show_other_variables(settings: Settings) -> None:
    settings.DEBUG = True
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "proxyauth.error_reporting.ProxyReporterFilter"
    colour = "ultramarine"
    with pytest.raises(ZeroDivisionError) as crash:
        _fail(colour)
    reporter = ExceptionReporter(None, crash.type, crash.value, crash.tb)
    assert "&#x27;ultramarine&#x27;" in reporter.get_traceback_html()


def _fail(*_: object) -> None:
    raise ZeroDivisionError
