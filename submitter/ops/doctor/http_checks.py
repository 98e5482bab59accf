"""What a caller meets on the way in: whether a large PROXY header arrives, and whether `Proxy:` is passed on at all."""

import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from submitter.ops.doctor.finding import Finding, Level, judged

_LARGE = 48 * 1024  # more than any proxy that the service takes, less than its web server refuses
_TIMEOUT = 15.0  # seconds
_ALIAS = "X-Proxy-Certificate"


@dataclass(frozen=True)
class _Answer:
    """Status, and the rule of the service that refused the proxy; empty where the answer is not the service's own."""

    status: int
    rule: str


def look(url: str, *, insecure: bool) -> Iterator[Finding]:
    """Call the service at `url` as callers do, with proxies that cannot be valid."""
    try:
        plain = _ask(url, {}, insecure=insecure)
        if plain.rule != "header-missing":
            yield _not_the_service(url, plain)
            return
        yield Finding(Level.OK, "front-server", f"{url} leads to the service")
        yield from _passes(url, insecure=insecure)
    except (OSError, http.client.HTTPException, ValueError) as exc:
        remedy = "is the web server up, the name right, the certificate trusted (else --insecure)?"
        yield Finding(Level.FAIL, "front-server", f"{url}: {type(exc).__name__}: {exc}", remedy)


def _passes(url: str, *, insecure: bool) -> Iterator[Finding]:
    name = "Proxy"
    if _ask(url, {name: "AAAA"}, insecure=insecure).rule == "header-missing":
        name = _ALIAS
        passes_alias = _ask(url, {name: "AAAA"}, insecure=insecure).rule != "header-missing"
        yield _dropped(passes_alias=passes_alias)
        if not passes_alias:
            return
    else:
        yield Finding(Level.OK, "proxy-header", "`Proxy:` is passed on")
    large = _ask(url, {name: "A" * _LARGE}, insecure=insecure)
    message = f"{_LARGE // 1024} KiB in {name}: " + (large.rule or f"{large.status}, not from the service")
    remedy = "raise the front server's limit: nginx large_client_header_buffers 4 64k; the operators' guide lists more"
    yield judged("header-size", message, remedy, ok=bool(large.rule))


def _dropped(*, passes_alias: bool) -> Finding:
    if passes_alias:
        message = f"the front server drops `Proxy:`, and passes {_ALIAS} on"
        return Finding(Level.NOTE, "proxy-header", message, f"tell users to send {_ALIAS}, or have `Proxy:` passed on")
    message = f"the front server drops `Proxy:` and {_ALIAS}"
    return Finding(
        Level.FAIL, "proxy-header", message, 'take `proxy_set_header Proxy ""` and the like out of its settings'
    )


def _not_the_service(url: str, answer: _Answer) -> Finding:
    message = f"{url}/api/jobs answers {answer.status}, not in the service's words"
    return Finding(
        Level.FAIL, "front-server", message, "let it pass all paths on, with Host and X-Forwarded-Proto: https"
    )


def _ask(url: str, headers: dict[str, str], *, insecure: bool) -> _Answer:
    """Ask for the list of jobs. Raises OSError, HTTPException, ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("--url is an http or https address")
    if parts.scheme == "https":
        context = ssl.create_default_context()
        if insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=_TIMEOUT, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_TIMEOUT)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/api/jobs", headers=headers)
        answer = connection.getresponse()
        return _Answer(answer.status, _rule(answer.status, answer.read(64 * 1024)))
    finally:
        connection.close()


def _rule(status: int, body: bytes) -> str:
    """Return the rule that the service's own refusal begins with."""
    if status != http.client.UNAUTHORIZED:
        return ""
    try:
        message = json.loads(body)["error_message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(message).partition(":")[0]
