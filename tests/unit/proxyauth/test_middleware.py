"""The header disappears, the verdict stays, and errors take the API's own path."""

import base64
from collections.abc import Callable

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request
from structlog.typing import EventDict

from proxyauth.drf import ProxyAuthentication, ProxyScheme
from proxyauth.identity import Identity, Refusal
from proxyauth.middleware import ProxyMiddleware
from tests.pki import grid
from tests.unit.proxyauth.conftest import Site

Authenticate = Callable[[HttpRequest], tuple[Identity, None] | None]


def _passed(request: HttpRequest) -> HttpRequest:
    """The request as the next one in the row sees it."""
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    ProxyMiddleware(view)(request)
    return seen[0]


def _get(path: str = "/api/jobs", **headers: str) -> HttpRequest:
    return _passed(RequestFactory().get(path, headers={each.replace("_", "-"): raw for each, raw in headers.items()}))


def _rule(request: HttpRequest) -> str | None:
    verdict = request.proxy  # type: ignore[attr-defined]  # the middleware adds it
    return getattr(verdict, "rule", None) or getattr(verdict, "account", None)


@pytest.mark.parametrize("path", ["/api/jobs", "/api/", "/api", "/", "/admin/", "/healthz", "/apiary", "/static/x"])
def test_the_header_is_gone_on_every_path(site: Site, path: str) -> None:
    header = site.header()
    request = RequestFactory().get(path, headers={"Proxy": header, "X-Proxy-Certificate": header})
    assert request.headers["Proxy"] == header
    passed = _passed(request)
    assert "Proxy" not in passed.headers
    assert "X-Proxy-Certificate" not in passed.headers
    assert header[:40] not in repr(passed.META)
    assert header[:40] not in repr(vars(passed))
    assert header[:40] not in repr(passed.environ)  # type: ignore[attr-defined]  # WSGIRequest has it


@pytest.mark.parametrize("path", ["/api/jobs", "/api/", "/api"])
def test_the_api_is_guarded(site: Site, path: str) -> None:
    assert _rule(_get(path, proxy=site.header())) == "plgalice"
    assert _rule(_get(path)) == "header-missing"


@pytest.mark.parametrize("path", ["/", "/admin/", "/healthz", "/apiary", "/static/api/x"])
def test_nothing_else_is(site: Site, path: str) -> None:
    request = _get(path, proxy=site.header())
    assert request.proxy is None  # type: ignore[attr-defined]  # the middleware adds it


def test_no_session_is_touched(site: Site) -> None:
    request = _get(proxy=site.header())
    assert not hasattr(request, "session")
    assert not hasattr(request, "user")


def test_the_alias_is_as_good(site: Site) -> None:
    assert _rule(_get(x_proxy_certificate=site.header())) == "plgalice"


def test_both_headers_are_refused(site: Site) -> None:
    header = site.header()
    assert _rule(_get(proxy=header, x_proxy_certificate=header)) == "header-doubled"
    assert _rule(_get(proxy="", x_proxy_certificate=header)) == "header-doubled"


@pytest.fixture
def authenticate() -> Authenticate:
    """What DRF asks for each request."""
    return lambda request: ProxyAuthentication().authenticate(Request(request))


def test_a_caller_is_the_request_s_user(site: Site, authenticate: Authenticate) -> None:
    found = authenticate(_get(proxy=site.header()))
    assert found is not None
    assert (found[0].account, found[1]) == ("plgalice", None)


def test_a_refusal_is_a_401_that_names_its_rule(site: Site, authenticate: Authenticate) -> None:
    header = base64.b64encode(site.proxy().replace(b"PRIVATE KEY", b"PUBLIC KEY")).decode()
    with pytest.raises(AuthenticationFailed, match=r"^key-missing: ") as failed:
        authenticate(_get(proxy=header))
    assert failed.value.get_codes() == "key-missing"
    assert failed.value.status_code == 401
    with pytest.raises(AuthenticationFailed, match=r"^header-missing: "):
        authenticate(_get())


def test_a_stranger_is_a_403(site: Site, authenticate: Authenticate) -> None:
    with pytest.raises(PermissionDenied, match=r"^dn-unmapped: ") as denied:
        authenticate(_get(proxy=site.header(site.user("/C=PL/O=Grid/CN=Carol"))))
    assert denied.value.status_code == 403


def test_where_nothing_is_guarded_nobody_is_authenticated(
    authenticate: Authenticate,
) -> None:
    assert authenticate(_get("/")) is None
    assert authenticate(RequestFactory().get("/api/jobs")) is None


def test_a_401_says_how_to_authenticate() -> None:
    header = ProxyAuthentication().authenticate_header(Request(RequestFactory().get("/")))
    assert header == 'GridProxy realm="job-submitter"'


def test_the_description_of_the_api_shows_the_header() -> None:
    scheme = ProxyScheme(ProxyAuthentication)  # type: ignore[no-untyped-call]  # spectacular is untyped
    definition = scheme.get_security_definition(None)
    assert (definition["in"], definition["name"]) == ("header", "PROXY")


def _logged(**headers: str) -> EventDict:
    with structlog.testing.capture_logs() as lines:
        _get(**headers)
    (line,) = lines
    return line


def test_an_acceptance_leaves_one_line(site: Site) -> None:
    line = _logged(proxy=site.header(), x_request_id="id-1")
    assert line == {
        "event": "proxy accepted",
        "log_level": "info",
        "request_id": "id-1",
        "client": "127.0.0.1",
        "verdict": "accepted",
        "dn": grid.ALICE,
        "account": "plgalice",
        "type": "rfc",
        "limited": False,
        "serial": f"{site.alice.serial:x}",
    }


def test_a_refusal_leaves_one_line(site: Site) -> None:
    line = _logged(proxy=f"{site.header()}=")
    assert line == {
        "event": "proxy refused",
        "log_level": "warning",
        "request_id": None,
        "client": "127.0.0.1",
        "verdict": "refused",
        "rule": "header-not-base64",
        "dn": None,
    }


def test_a_stranger_s_line_names_the_stranger(site: Site) -> None:
    line = _logged(proxy=site.header(site.user("/C=PL/O=Grid/CN=Carol")))
    assert (line["rule"], line["dn"]) == ("dn-unmapped", "/C=PL/O=Grid/CN=Carol")


def test_other_paths_leave_no_line(site: Site) -> None:
    with structlog.testing.capture_logs() as lines:
        _get("/", proxy=site.header())
    assert lines == []


def test_no_refusal_repeats_the_header(site: Site) -> None:
    header = site.header()
    for changed in (f"{header}=", f"*{header[1:]}", f"{header[:400]}AAAA{header[404:]}", f"{header},{header}"):
        verdict = _get(proxy=changed).proxy  # type: ignore[attr-defined]  # the middleware adds it
        assert isinstance(verdict, Refusal)
        assert not any(verdict.message[at : at + 12] in changed for at in range(len(verdict.message) - 12))
