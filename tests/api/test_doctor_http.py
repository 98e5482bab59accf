"""`manage.py doctor URL`: what a front server does to a proxy's headers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from submitter.ops.doctor import http_checks
from submitter.ops.doctor.finding import Level
from tests.api.findings import one

pytestmark = pytest.mark.usefixtures("zeus")


Respond = Callable[[BaseHTTPRequestHandler], tuple[int, str]]


@contextmanager
def front(respond: Respond) -> Iterator[str]:
    """Serve what `respond` says: a front server with the service, or without."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, message = respond(self)
            body = json.dumps({"error_message": message}).encode() if message else b"<html>no</html>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def service(*dropped: str, most: int = 64 * 1024) -> Respond:
    """Answer as the service does behind a front server that drops some headers, and takes `most` bytes in one."""

    def respond(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        values = [request.headers[name] for name in ("Proxy", "X-Proxy-Certificate") if name in request.headers]
        if any(len(value) > most for value in values):
            return 400, ""
        kept = [name for name in ("Proxy", "X-Proxy-Certificate") if name in request.headers and name not in dropped]
        return 401, "header-not-base64: x" if kept else "header-missing: x"

    return respond


def test_a_front_server_that_passes_everything_on_is_fine() -> None:
    with front(service()) as url:
        assert [finding.level for finding in http_checks.look(url, insecure=False)] == [Level.OK] * 3


def test_a_front_server_that_refuses_large_headers_is_found() -> None:
    with front(service(most=8190)) as url:
        found = one(http_checks.look(url, insecure=False), "header-size")
    assert found.level is Level.FAIL
    assert "large_client_header_buffers" in found.remedy
    assert "400" in found.message


def test_a_front_server_that_drops_the_header_and_passes_its_alias_is_noted() -> None:
    with front(service("Proxy")) as url:
        found = list(http_checks.look(url, insecure=False))
    assert one(iter(found), "proxy-header").level is Level.NOTE
    assert one(iter(found), "header-size").level is Level.OK


def test_a_front_server_that_drops_both_is_found() -> None:
    with front(service("Proxy", "X-Proxy-Certificate")) as url:
        assert one(http_checks.look(url, insecure=False), "proxy-header").level is Level.FAIL


@pytest.mark.parametrize("status", [200, 301, 404, 502])
def test_an_address_that_leads_elsewhere_is_found(status: int) -> None:
    with front(lambda _: (status, "")) as url:
        assert one(http_checks.look(url, insecure=False), "front-server").level is Level.FAIL


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://x", "nonsense"])
def test_an_address_that_does_not_answer_is_found(url: str) -> None:
    assert one(http_checks.look(url, insecure=False), "front-server").level is Level.FAIL
